"""Lookahead: a step is worth what the verifier says of the end of its rollout, and the rollout is let go."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, cast

import pytest

from ttscale import Budget, Engine, Outcome, Problem
from ttscale.run import Run
from ttscale.testing import FakeBackend, Reply, virtual_clock
from ttscale.types import Prompt, Sample, Score
from ttscale.verifier import Example
from ttscale_strategies.search.beam_search import BeamSearch
from ttscale_strategies.search.lookahead import Lookahead


@dataclass(frozen=True, kw_only=True)
class Grader:
    """A verifier made of a function of the text; it notes what it was asked."""

    grade: Callable[[str], Score]
    asked: list[str] = field(default_factory=list[str], compare=False, repr=False)
    needs: ClassVar[frozenset[str]] = frozenset()
    needs_target: ClassVar[bool] = False

    async def score(self, problem: Problem, samples: Sequence[Sample], run: Run) -> list[Score]:
        self.asked.extend(sample.text for sample in samples)
        return [self.grade(sample.text) for sample in samples]

    def examples(self) -> Sequence[Example]:
        return ()


def by_text(scores: Mapping[str, float]) -> Grader:
    return Grader(grade=lambda text: Score(value=scores.get(text, 0.5)))


class World:
    """Replies by what was written so far, in order of the draws; greedy ones are apart."""

    def __init__(self, drawn: Mapping[str, Sequence[str]], greedy: Mapping[str, Reply | str]) -> None:
        self.drawn = {begun: list(replies) for begun, replies in drawn.items()}
        self.greedy = dict(greedy)
        self.num_greedy = 0

    def __call__(self, prompt: Prompt, seed: int, ordinal: int) -> Reply:
        begun = prompt.messages[-1].content if prompt.messages[-1].role == "assistant" else ""
        if seed == 0:  # temperature 0
            self.num_greedy += 1
            reply = self.greedy[begun]
            return reply if isinstance(reply, Reply) else Reply(begun + reply)
        return Reply(begun + self.drawn[begun].pop(0))


async def solve(strategy: Any, script: Any, *, budget: Budget | None = None) -> tuple[Outcome, FakeBackend]:
    backend = FakeBackend(script)
    async with Engine(backend) as engine:
        outcome = await engine.solve("?", strategy=strategy, budget=budget)
        assert engine.ledger.reserved.tokens == 0
        return outcome, backend


def nodes_of(outcome: Outcome) -> dict[str, Mapping[str, Any]]:
    """Return what the trace knows of the nodes, by their text."""
    spans = cast("Sequence[Mapping[str, Any]]", outcome.trace)
    return {span["attributes"]["text"]: span["attributes"] for span in spans if span["kind"] == "node"}


def two_ways() -> World:
    """Return a world where "a" looks better and leads nowhere, and "b" leads to the right answer."""
    drawn = {"": ["a\n", "b\n"], "b\n": ["own\\boxed{1}", "own\\boxed{1}"], "a\n": ["\\boxed{2}", "\\boxed{2}"]}
    greedy = {"a\n": "c\n", "a\nc\n": "d\n", "b\n": "e\n", "b\ne\n": "f\n"}
    return World(drawn, greedy)


def samples_in(folder: Path) -> int:
    """Return the samples of the only journal in a folder."""
    (journal,) = folder.iterdir()
    return sum(json.loads(line)["samples"] for line in journal.read_text().splitlines())


LOOKS = {"a\n": 0.9, "b\n": 0.1, "a\nc\n": 0.2, "b\ne\n": 0.7, "a\nc\nd\n": 0.8, "b\ne\nf\n": 0.6}


@pytest.mark.parametrize(
    ("num_ahead", "rewards", "answer", "num_greedy"),
    [(0, (0.9, 0.1), "2", 0), (1, (0.2, 0.7), "1", 2), (2, (0.8, 0.6), "2", 4)],
)
@virtual_clock
async def test_a_step_is_worth_what_its_rollout_ends_in(
    num_ahead: int, rewards: tuple[float, float], answer: str, num_greedy: int
) -> None:
    world, grader = two_ways(), by_text(LOOKS)
    options = Lookahead(width=2, beam_width=2, num_ahead=num_ahead, verifier=grader)
    outcome, _ = await solve(options, world)
    found = nodes_of(outcome)
    assert (found["a\n"]["reward"], found["b\n"]["reward"]) == pytest.approx(rewards)
    assert (outcome.answer, world.num_greedy) == (answer, num_greedy)


@virtual_clock
async def test_only_the_first_step_is_kept() -> None:
    options = Lookahead(width=2, beam_width=2, num_ahead=1, verifier=by_text(LOOKS))
    outcome, _ = await solve(options, two_ways())
    assert set(nodes_of(outcome)) == {"a\n", "b\n", "own\\boxed{1}"}
    assert [candidate.answer for candidate in outcome.candidates] == ["1"]
    assert outcome.text == "b\nown\\boxed{1}"


@virtual_clock
async def test_a_rollout_ends_with_its_solution_and_votes_for_nothing() -> None:
    world = World({"": ["a\n"], "a\n": ["\\boxed{2}"]}, {"a\n": "\\boxed{9}"})
    grader = by_text({"a\n\\boxed{9}": 0.3})
    outcome, _ = await solve(Lookahead(width=1, beam_width=1, num_ahead=3, verifier=grader), world)
    assert grader.asked == ["a\n\\boxed{9}", "a\n\\boxed{2}"]
    assert world.num_greedy == 1
    assert nodes_of(outcome)["a\n"]["reward"] == pytest.approx(0.3)
    assert [candidate.answer for candidate in outcome.candidates] == ["2"]


@virtual_clock
async def test_a_rollout_that_fails_is_scored_as_far_as_it_came_and_the_reason_is_noted() -> None:
    greedy: dict[str, Reply | str] = {"a\n": "b\n", "a\nb\n": Reply("x", error="out of memory")}
    world = World({"": ["a\n"], "a\n": ["\\boxed{2}"]}, greedy)
    grader = by_text({"a\nb\n": 0.3})
    outcome, _ = await solve(Lookahead(width=1, beam_width=1, num_ahead=3, verifier=grader), world)
    node = nodes_of(outcome)["a\n"]
    assert node["reward"] == pytest.approx(0.3)
    assert node["reason"] == "the lookahead ended early: out of memory"
    assert outcome.answer == "2"


@virtual_clock
async def test_rewards_of_a_path_are_aggregates_of_what_the_rollouts_gave() -> None:
    drawn = {"": ["a\n"], "a\n": ["b\n"], "a\nb\n": ["\\boxed{2}"]}
    world = World(drawn, {"a\n": "x\n", "a\nb\n": "y\n"})
    grader = by_text({"a\nx\n": 0.4, "a\nb\ny\n": 0.5, "a\nb\n\\boxed{2}": 0.9})
    options = Lookahead(width=1, beam_width=1, verifier=grader, reward="product")
    outcome, _ = await solve(options, world)
    found = nodes_of(outcome)
    assert found["a\n"]["reward"] == pytest.approx(0.4)
    assert found["b\n"]["reward"] == pytest.approx(0.4 * 0.5)
    assert outcome.candidates[0].score == pytest.approx(0.4 * 0.5 * 0.9)


@virtual_clock
async def test_without_a_step_ahead_it_is_beam_search() -> None:
    both = [
        await solve(kind(width=2, beam_width=1, verifier=by_text(LOOKS)), two_ways())
        for kind in (BeamSearch, lambda **options: Lookahead(num_ahead=0, **options))
    ]
    assert both[0][0].candidates == both[1][0].candidates
    assert both[0][0].usage == both[1][0].usage


@virtual_clock
async def test_rollouts_are_greedy_and_continue_token_ids() -> None:
    _, backend = await solve(Lookahead(width=2, beam_width=2, verifier=by_text(LOOKS)), two_ways())
    greedy = [one for one in backend.requests if one.sampling.temperature == 0.0]
    assert len(greedy) == 2
    assert all(one.prompt.token_ids for one in greedy)
    assert all(one.sampling.stop == ("\n",) for one in greedy)


@pytest.mark.parametrize(
    ("num_ahead", "max_depth", "expected"),
    [(0, 5, 4 * 5), (1, 5, 4 * (5 + 4)), (2, 5, 4 * (5 + 2 * 3 + 1)), (9, 2, 4 * (2 + 1)), (3, 1, 4)],
)
def test_the_greatest_depth_cuts_rollouts_off(num_ahead: int, max_depth: int, expected: int) -> None:
    options = Lookahead(width=4, beam_width=2, num_ahead=num_ahead, max_depth=max_depth)
    assert options.max_samples() == expected
    assert replace(options, ahead=True).max_samples() is None


def test_steps_ahead_are_not_negative() -> None:
    with pytest.raises(ValueError, match=r"num_ahead must be >= 0.*-1"):
        Lookahead(num_ahead=-1)


@virtual_clock
async def test_a_resumed_search_charges_the_samples_of_rollouts_too(tmp_path: Path) -> None:
    options = Lookahead(width=2, beam_width=2, verifier=by_text(LOOKS), journal=str(tmp_path))
    whole, backend = await solve(options, two_ways())
    assert samples_in(tmp_path) == 6
    again, idle = await solve(options, World({}, {}))
    assert (again.answer, again.usage.tokens) == (whole.answer, whole.usage.tokens)
    assert (len(backend.records), len(idle.records)) == (6, 0)
    short, _ = await solve(options, World({}, {}), budget=Budget(samples=5))
    assert (short.stop_reason, short.usage.tokens < whole.usage.tokens) == ("budget", True)
