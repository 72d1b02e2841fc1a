"""Speculative planning is lossless: whatever a draft says and whoever is quicker, the target decides."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.agents import answer, ask, call, noted, num_steps, slow_add
from ttscale.testing import FakeBackend, Reply, run_virtual
from ttscale.types import JSON, Outcome, Prompt, Sample, SampleUsage, Timings
from ttscale_strategies.dag._speculative_round import Round, Verdict
from ttscale_strategies.dag.acting import Action, Step
from ttscale_strategies.dag.dynamic_speculative_planning import DynamicSpeculativePlanning

MAX_STEPS = 7


def agent(seed: int, *, agreement: float, seconds: tuple[float, float]) -> FakeBackend:
    """Return a model whose step depends on all steps before it; two agree on this share of states."""

    def script(prompt: Prompt, sample_seed: int, ordinal: int) -> Reply:
        state = prompt.question
        own = random.Random(f"{seed} {state}")
        common = random.Random(f"common {state}")
        draw = common if common.random() < agreement else own
        kind = draw.choice(["call"] * 5 + ["finish", "nothing"])
        text = {
            "call": call("add", a=draw.randrange(3), b=draw.randrange(2)),
            "finish": answer(str(draw.randrange(5))),
            "nothing": "I do not know.",
        }[kind]
        if num_steps(prompt) == 0 and kind == "finish":
            text = call("add", a=0, b=0)
        return Reply(text, seconds=own.uniform(*seconds))

    return FakeBackend(script)


def plan(strategy: DynamicSpeculativePlanning, target: FakeBackend, draft: FakeBackend) -> Outcome:
    """Return what comes of a question, in virtual time."""
    models = {"target": target, "draft": draft}
    outcome, _ = run_virtual(ask(strategy, "unused", tools=[slow_add(0.3)], models=models))
    return outcome


def taken(outcome: Outcome) -> tuple[JSON, str | None]:
    return noted(outcome, "actions"), outcome.answer


@given(
    seed=st.integers(0, 10**6),
    agreement=st.sampled_from([0.0, 0.5, 0.9, 1.0]),
    k=st.one_of(st.none(), st.integers(1, 6)),
    beta=st.integers(-1, 3),
    tau=st.sampled_from([0.1, 0.5, 0.99]),
    draft_seconds=st.sampled_from([(0.1, 0.2), (0.1, 5.0), (3.0, 9.0)]),
)
def test_the_actions_are_those_of_the_target_alone(
    seed: int, agreement: float, k: int | None, beta: int, tau: float, draft_seconds: tuple[float, float]
) -> None:
    def models() -> tuple[FakeBackend, FakeBackend]:
        target = agent(seed, agreement=agreement, seconds=(0.5, 4.0))
        return target, agent(seed + 1, agreement=agreement, seconds=draft_seconds)

    alone = DynamicSpeculativePlanning(target="target", draft="draft", k=0, max_steps=MAX_STEPS)
    ahead = DynamicSpeculativePlanning(
        target="target", draft="draft", k=k, beta=beta, tau=tau, max_steps=MAX_STEPS
    )
    expected, (target, draft) = plan(alone, *models()), models()
    outcome = plan(ahead, target, draft)
    assert taken(outcome) == taken(expected)
    # the abort log: what was begun behind a mismatch did not outlive the round
    ends = [record.ended or 0.0 for record in (*target.records, *draft.records)]
    assert max(ends) <= outcome.seconds + 1e-6
    assert all(record.finish_reason in ("stop", "abort") for record in (*target.records, *draft.records))
    # as long as nothing has to be done again, looking ahead never takes longer than the target alone
    if draft_seconds != (0.1, 5.0):
        assert outcome.seconds <= expected.seconds + 1e-6


# ── the abort log of one round ────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class Request:
    """What one model was asked for at one place, and until when it was at work on it."""

    place: int
    began: float
    ended: float = math.inf
    text: str | None = None
    """What it said; ``None``: it was stopped."""


@dataclass(slots=True)
class Model:
    """Says one thing at each place, after some seconds, and keeps a log."""

    replies: Sequence[tuple[str, float]]
    log: list[Request] = field(default_factory=list)

    async def __call__(self, steps: Sequence[Step]) -> Sample:
        loop = asyncio.get_running_loop()
        request = Request(len(steps), loop.time())
        self.log.append(request)
        text, seconds = self.replies[len(steps)]
        try:
            await asyncio.sleep(seconds)
            request.text = text
        finally:
            request.ended = loop.time()
        usage, timings = SampleUsage(generated=1), Timings(submitted=request.began)
        return Sample(0, text, (), "stop", usage, Prompt(text="?"), 0, timings)


async def acted(action: Action) -> Step:
    await asyncio.sleep(0.25)
    return Step(action, "ok")


async def heard(verdict: Verdict) -> None:
    del verdict


def replies(rng: random.Random, slowest: float) -> list[tuple[str, float]]:
    """Return what a model says at each place; two of them say the same at most places."""
    texts = [call("add", a=0, b=0)] * 8 + [call("add", a=1, b=1), answer("4")]
    return [(rng.choice(texts), rng.choice([0.5, 1.0, slowest])) for _ in range(8)]


@given(seed=st.integers(0, 10**6), depth=st.integers(2, 7), slowest=st.sampled_from([2.0, 7.0, 30.0]))
def test_no_request_behind_a_known_mismatch_survives(seed: int, depth: int, slowest: float) -> None:
    rng = random.Random(seed)
    for _ in range(5):
        checks, guesses = Model(replies(rng, slowest)), Model(replies(rng, 2.0))
        steps = list[Step]()
        attempt = Round((), draft=guesses, target=checks, act=acted, hear=heard, take=steps.append)
        run_virtual(attempt.play(depth))
        assert survivors(checks.log, guesses.log) == []
        # all that counts was waited for: the target's own word at every place up to the last step
        said = [request.text for request in checks.log[: len(steps)]]
        assert [step.action.text for step in steps] == said


def survivors(checks: Sequence[Request], guesses: Sequence[Request]) -> list[Request]:
    """Return the requests that were at work behind a place after the draft was known to be wrong there."""
    found = list[Request]()
    for check, guess in product(checks, guesses):
        if check.place == guess.place and None not in (check.text, guess.text) and check.text != guess.text:
            known = max(check.ended, guess.ended)
            found += [one for one in (*checks, *guesses) if one.place > check.place and one.ended > known]
    return found
