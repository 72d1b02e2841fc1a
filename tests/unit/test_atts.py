"""ATTS: what the target reads, when it takes over and from where, calibration, what goes wrong."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ttscale import registry
from ttscale.backends.base import PromptScore
from ttscale.budget import Budget
from ttscale.engine import Engine
from ttscale.errors import BackendError, CapabilityError, ConfigError, ParameterError
from ttscale.testing import EVERYTHING, FakeBackend, Reply, virtual_clock
from ttscale.testing.fake import Likelihood
from ttscale.testing.trial import paced
from ttscale.types import Outcome, Problem, Prompt
from ttscale_strategies import ATTS
from ttscale_strategies.search._atts_chain import before_answer
from ttscale_strategies.search.atts_calibration import FirstSegments, calibrate, write_perplexities

SURE, UNSURE = "[3.0]", "[1.0]"
"""Calibrations under which a perplexity of 2 is good, and is bad."""


def even(answer: str) -> Sequence[float]:
    """Find each character as likely as a coin's side."""
    return [-math.log(2)] * len(answer)


def says(text: str, likelihood: Likelihood = even, **options: Any) -> FakeBackend:
    """Return a model that writes a text, and goes on where somebody has begun it."""
    return FakeBackend(text, likelihood=likelihood, **options)


async def ask(
    spec: str | ATTS, draft: FakeBackend, target: FakeBackend, *, budget: Budget | None = None
) -> Outcome:
    """Solve a question with one model that drafts and another called "large"; nothing is left running."""
    strategy = registry.create_strategy(spec) if isinstance(spec, str) else spec
    async with Engine(draft, models={"large": target}) as engine:
        outcome = await engine.solve("Q", strategy=strategy, budget=budget)
        assert (draft.num_running, target.num_running) == (0, 0)
        assert engine.ledger.reserved.tokens == 0
    return outcome


def one(calibration: str, **options: object) -> str:
    """Return the spec of a single chain with turns of eight tokens."""
    params = {"n": 1, "target": "large", "max_turn_tokens": 8, "calibration": calibration, **options}
    return "atts:" + ",".join(f"{name}={value}" for name, value in params.items())


def noted(outcome: Outcome, name: str) -> list[Any]:
    """Return what the chains say of themselves, in order."""
    spans = [span for span in outcome.trace if str(span["name"]).startswith("chain ")]
    return [span["attributes"][name] for span in sorted(spans, key=lambda span: str(span["name"]))]  # type: ignore[index, call-overload]  # plain JSON


def prompts(backend: FakeBackend) -> list[str]:
    return [backend.decode(request.prompt.token_ids or ()) for request in backend.requests]


# ── a single chain ────────────────────────────────────────────────────────────────────────────────────────


@virtual_clock
async def test_segments_that_are_likely_enough_are_all_the_drafts() -> None:
    draft, target = says("0123456789abcdef \\boxed{7}"), says("never")
    outcome = await ask(one(SURE), draft, target)
    assert (outcome.answer, outcome.text) == ("7", "0123456789abcdef \\boxed{7}")
    assert (len(draft.records), len(target.records), len(target.readings)) == (4, 0, 4)
    assert noted(outcome, "perplexities") == [pytest.approx([2.0] * 4)]
    assert noted(outcome, "taken_over") == [[False] * 4]
    assert outcome.usage.verifier == sum(reading.prompt_computed for reading in target.readings)


@virtual_clock
async def test_only_the_tokens_of_the_segment_are_scored() -> None:
    def by_place(answer: str) -> Sequence[float]:
        return [-math.log(2 if place < 8 else 4) for place in range(len(answer))]

    outcome = await ask(one(SURE), says("0123456789abcdef"), says("never", by_place))
    assert noted(outcome, "perplexities") == [pytest.approx([2.0, 4.0])]


@virtual_clock
async def test_the_target_goes_on_from_the_segment_it_takes_over_and_the_draft_after_it() -> None:
    draft, target = says("01234567XXXXXXXX89\\boxed{7}"), says("01234567XXXXXXXXYYYY")
    outcome = await ask(one(UNSURE, turns=2), draft, target)
    assert prompts(draft) == ["Q", "Q01234567XXXXXXXX"]
    assert prompts(target)[0] == "Q01234567"
    assert noted(outcome, "taken_over") == [[True, True]]
    first, second = [request.prompt.token_ids or () for request in draft.requests]
    assert second[: len(first)] == first


@virtual_clock
async def test_a_dropped_segment_is_written_anew() -> None:
    draft, target = says("01234567"), says("so \\boxed{7}")
    outcome = await ask(one(UNSURE, rejected="dropped", turns=2, max_turn_tokens=12), draft, target)
    assert (outcome.text, outcome.answer) == ("so \\boxed{7}", "7")
    assert prompts(target) == ["Q"]


@virtual_clock
async def test_an_answer_that_is_taken_over_is_the_targets_to_give() -> None:
    draft, target = says("2+2=4\n\\boxed{5}"), says("2+2=4\n\\boxed{4}")
    outcome = await ask(one(UNSURE, max_turn_tokens=40), draft, target)
    assert (outcome.text, outcome.answer) == ("2+2=4\n\\boxed{4}", "4")
    assert prompts(target) == ["Q2+2=4\n"]


@pytest.mark.parametrize(
    ("text", "before"),
    [
        ("a\nb", "a\nb"),
        ("a\n\\boxed{1}\nb", "a\n"),
        ("\\boxed{1}", ""),
        ("a\n#### 3", "a\n"),
        ("a\n\\boxed{1\n2}", "a\n\\boxed{1\n"),
        ("", ""),
    ],
)
def test_reasoning_ends_before_the_line_that_makes_an_answer(text: str, before: str) -> None:
    assert before_answer(text) == before


@virtual_clock
async def test_one_model_may_be_draft_and_target() -> None:
    own = says("01234567 \\boxed{7}")
    outcome = await ask("atts:n=1,max_turn_tokens=8,calibration=[1.0]", own, says(""))
    assert (outcome.answer, outcome.text) == ("7", "01234567 \\boxed{7}")
    assert noted(outcome, "perplexities") == [pytest.approx([2.0] * 2)]


# ── what goes wrong ───────────────────────────────────────────────────────────────────────────────────────


class Unreadable(FakeBackend):
    """Cannot score given texts."""

    async def score_prompt(self, prompt: Prompt) -> PromptScore:
        raise BackendError("the text cannot be read")


@virtual_clock
async def test_what_cannot_be_read_or_was_not_written_is_taken_over() -> None:
    written = "01234567\\boxed{8}"
    for draft, target in (
        (says("01234567"), Unreadable(written)),
        (says("01234567", seconds_per_token=0.01), says(written, lambda answer: [-math.inf] * len(answer))),
        (FakeBackend(Reply("x", error="the draft broke")), says(written)),
    ):
        outcome = await ask(one("[1e300]", max_turn_tokens=20), draft, target)
        assert (outcome.answer, outcome.stop_reason) == ("8", "finished")
        assert noted(outcome, "perplexities") == [[None]]


@virtual_clock
@pytest.mark.parametrize("target", ["", Reply("x", error="the target broke", fail_after=0)])
async def test_a_target_that_has_nothing_to_say_leaves_the_segment_with_its_answer(target: Reply | str) -> None:
    outcome = await ask(
        one(UNSURE, max_turn_tokens=20), says("so \\boxed{7}"), FakeBackend(target, likelihood=even)
    )
    assert (outcome.answer, outcome.text) == ("7", "so \\boxed{7}")


@virtual_clock
async def test_an_empty_draft_ends_its_chain() -> None:
    target = says("\\boxed{7}")
    outcome = await ask(one(UNSURE), says(""), target)
    assert (outcome.answer, outcome.stop_reason, target.records) == (None, "finished", [])


@virtual_clock
async def test_a_chain_that_never_ends_ends_after_its_turns() -> None:
    draft = says("x" * 900)
    outcome = await ask(one(SURE, turns=3), draft, says("x" * 900))
    assert (outcome.answer, len(draft.records), outcome.candidates[0].finish_reason) == (None, 3, "length")


@virtual_clock
async def test_all_that_fails_is_an_error() -> None:
    broken = [FakeBackend(Reply("x", error="scripted failure")) for _ in range(2)]
    outcome = await ask("atts:target=large,n=2", *broken)
    assert (outcome.answer, outcome.stop_reason, outcome.error) == (None, "error", "scripted failure")


@virtual_clock
async def test_a_budget_that_ends_before_a_segment_is_read_lets_it_vote() -> None:
    answers = set[str | None]()
    whole = await ask(one(SURE, max_turn_tokens=20), says("so \\boxed{7}"), says(""))
    for tokens in range(1, whole.usage.tokens + 1):
        part = await ask(
            one(SURE, max_turn_tokens=20), says("so \\boxed{7}"), says(""), budget=Budget(tokens=tokens)
        )
        assert part.usage.tokens <= tokens
        if part.stop_reason == "budget":
            answers.add(part.answer)
    assert answers == {None, "7"}


async def test_a_target_must_read_given_texts() -> None:
    deaf = says("", capabilities=replace(EVERYTHING, prompt_logprobs=False))
    with pytest.raises(CapabilityError, match="prompt_logprobs"):
        await ask("atts:target=large", says(""), deaf)


# ── several chains ────────────────────────────────────────────────────────────────────────────────────────


def ranked(*values: float) -> tuple[FakeBackend, FakeBackend]:
    """Return a draft whose chains write a letter each, and a target that finds the letters so perplexing."""
    letters = "abcdefgh"[: len(values)]

    def likelihood(answer: str) -> Sequence[float]:
        return [-math.log(values[letters.index(answer[0])])] * len(answer)

    order = dict[int, str]()

    def write(prompt: Prompt, seed: int, ordinal: int) -> str:
        letter = order.setdefault(seed, letters[len(order) % len(letters)])
        return f"{letter} \\boxed{{{letter}}}"

    return FakeBackend(write), FakeBackend("z \\boxed{z}", likelihood=likelihood)


@virtual_clock
@pytest.mark.parametrize(("threshold", "num_taken"), [(0.6, 1), (0.5, 2), (0.25, 3), (0.0, 4), (1.0, 0)])
async def test_without_calibration_the_chains_own_first_segments_rank_each_other(
    threshold: float, num_taken: int
) -> None:
    spec = f"atts:n=4,target=large,rejected=dropped,stop=never,turns=1,threshold={threshold}"
    outcome = await ask(spec, *ranked(2.0, 8.0, 3.0, 5.0))
    taken = [flags[0] for flags in noted(outcome, "taken_over")]
    assert sum(taken) == num_taken
    by_value = sorted(zip(noted(outcome, "perplexities"), taken, strict=True))
    assert [flag for _, flag in by_value] == sorted(taken)  # the worst ones


@virtual_clock
async def test_a_chain_does_not_wait_for_those_that_cannot_change_its_verdict() -> None:
    pace = {"a": 1.0, "b": 2.0, "c": 3.0, "d": 50.0}

    def write(prompt: Prompt, seed: int, ordinal: int) -> Reply:
        letter = "abcd"[ordinal % 4]
        return Reply(f"{letter} \\boxed{{{letter}}}", seconds=pace[letter])

    target = FakeBackend(
        "z", likelihood=lambda answer: [-math.log(9.0 if answer[0] == "c" else 2.0)] * len(answer)
    )
    spec = "atts:n=4,target=large,rejected=dropped,stop=never,turns=1,threshold=0.5"
    outcome = await ask(spec, FakeBackend(write), target)
    (asked,) = target.records
    assert asked.started == pytest.approx(3.0)  # two of the four are better, whatever the last one is
    assert outcome.seconds == pytest.approx(50.0)


@virtual_clock
async def test_a_takeover_share_sets_the_threshold() -> None:
    spec = "atts:n=4,target=large,rejected=dropped,stop=never,turns=1,calibration=[2.5, 4.0, 6.0, 7.0]"
    for share, num_taken in ((0.0, 0), (0.2, 1), (0.4, 1), (0.6, 2), (0.8, 3), (1.0, 4)):
        outcome = await ask(f"{spec},takeover_share={share}", *ranked(2.0, 8.0, 3.0, 5.0))
        assert sum(flags[0] for flags in noted(outcome, "taken_over")) == num_taken


@virtual_clock
async def test_chains_that_cannot_change_the_vote_are_aborted() -> None:
    def write(prompt: Prompt, seed: int, ordinal: int) -> Reply:
        return Reply("\\boxed{7}", seconds=1.0) if ordinal < 3 else Reply("x" * 90, seconds=90.0)

    spec = "atts:n=5,target=large,calibration=[3.0]"
    outcome = await ask(spec, FakeBackend(write), says(""))
    assert (outcome.answer, outcome.stop_reason) == ("7", "decided")
    assert outcome.seconds == pytest.approx(1.0)
    assert (len(outcome.candidates), outcome.usage.cancelled > 0) == (3, True)


@pytest.mark.slow
@virtual_clock
@pytest.mark.parametrize("order", range(6))
async def test_the_order_of_the_chains_changes_nothing(order: int) -> None:
    def script(prompt: Prompt, seed: int, ordinal: int) -> str:
        return f"{seed % 97} is \\boxed{{{seed % 3}}}"

    def likelihood(answer: str) -> Sequence[float]:
        return [-0.01 * (sum(map(ord, answer)) % 50)] * len(answer)

    spec = "atts:n=6,target=large,stop=never,max_turn_tokens=6"
    first, other = [
        await ask(
            spec, FakeBackend(paced(script, number)), FakeBackend(paced(script, number), likelihood=likelihood)
        )
        for number in (99, order)
    ]
    assert (first.answer, first.confidence, first.candidates) == (
        other.answer,
        other.confidence,
        other.candidates,
    )
    assert noted(first, "taken_over") == noted(other, "taken_over")


# ── calibration ───────────────────────────────────────────────────────────────────────────────────────────


@virtual_clock
async def test_a_calibration_is_made_of_first_segments_and_read_from_its_file(tmp_path: Path) -> None:
    draft, target = ranked(2.0, 8.0, 3.0)
    atts = ATTS(n=3, target="large", max_turn_tokens=30)
    async with Engine(draft, models={"large": target}) as engine:
        found = await calibrate(engine, [Problem.ask("Q", id="one")], atts)
        assert (len(draft.records), len(target.records), len(target.readings)) == (3, 0, 3)
    assert sorted(found) == pytest.approx([2.0, 3.0, 8.0])
    write_perplexities(tmp_path / "found.json", found)
    read = registry.create_strategy(f"atts:calibration={tmp_path / 'found.json'}")
    assert isinstance(read, ATTS)
    assert read.perplexities == found
    assert registry.describe(read).params["calibration"] == str(tmp_path / "found.json")


@virtual_clock
async def test_a_calibration_needs_problems_and_drafts() -> None:
    broken = FakeBackend(Reply("x", error="scripted failure"))
    async with Engine(broken) as engine:
        with pytest.raises(ConfigError, match="no problems"):
            await calibrate(engine, [], ATTS(n=1))
        with pytest.raises(BackendError, match="scripted failure"):
            await calibrate(engine, [Problem.ask("Q")], ATTS(n=2))
        outcome = await engine.solve("Q", strategy=FirstSegments(atts=ATTS(n=2)))
    assert [candidate.score for candidate in outcome.candidates] == [None, None]


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("{", "cannot be read"),
        ("3", "must hold a list"),
        ('{"perplexity": [1.0]}', "must hold a list"),
        ('["2"]', "numbers only"),
        ("[]", "one perplexity or more"),
        ("[0.5]", "finite and >= 1"),
        ("[NaN]", "finite and >= 1"),
        ("[Infinity]", "finite and >= 1"),
    ],
)
def test_a_file_that_is_no_calibration_is_refused(tmp_path: Path, document: str, message: str) -> None:
    path = tmp_path / "wrong.json"
    path.write_text(document, encoding="utf-8")
    with pytest.raises(ParameterError, match=message):
        registry.create_strategy(f"atts:calibration={path}")
    with pytest.raises(ParameterError, match="cannot be read"):
        registry.create_strategy(f"atts:calibration={tmp_path / 'missing.json'}")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("n=0", "n must be >= 1"),
        ("turns=0", "turns must be >= 1"),
        ("max_turn_tokens=0", "max_turn_tokens must be >= 1"),
        ("threshold=1.1", "threshold must lie in"),
        ("takeover_share=-0.1", "share must lie in"),
        ("calibration=[]", "one perplexity or more"),
        ("calibration=[0.2]", "finite and >= 1"),
        ("temperature=-1", "temperature"),
    ],
)
def test_options_that_cannot_be_are_refused(options: str, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        registry.create_strategy(f"atts:{options}")


def test_a_list_of_numbers_is_a_calibration_too(tmp_path: Path) -> None:
    path = tmp_path / "list.json"
    path.write_text(json.dumps([1, 2.5]), encoding="utf-8")
    assert ATTS(calibration=str(path)).perplexities == (1.0, 2.5)
    assert ATTS(n=2, turns=3).max_samples() == 12
