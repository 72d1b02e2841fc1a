"""The knockout tournament: who meets whom, how often, and what it costs."""

from __future__ import annotations

import random

import pytest

from tests.unit.contests import answers_shown, contest, in_words, solutions
from ttscale import registry
from ttscale.budget import Budget
from ttscale.testing import Reply, virtual_clock
from ttscale.types import Prompt
from ttscale_strategies.refine.rules import max_knockout_calls


def met(prompt: Prompt) -> tuple[int, int]:
    """Return the answers of the two that a judge compares."""
    first, second = answers_shown(prompt)
    return first, second


@virtual_clock
@pytest.mark.parametrize("n", [2, 3, 5, 8, 16])
@pytest.mark.parametrize("k", [1, 2, 4])
async def test_it_takes_at_most_the_calls_of_the_paper(n: int, k: int) -> None:
    outcome, judge = await contest(
        f"knockout:n={n},num_comparisons={k}", solutions(*range(1, n + 1)), in_words()
    )
    assert outcome.answer == str(n)
    assert n - 1 <= len(judge.records) <= (n - 1) * k
    assert n + len(judge.records) <= max_knockout_calls(n, k) <= n * (k + 1)


@virtual_clock
async def test_five_meet_as_the_paper_pairs_them() -> None:
    pairs = set[tuple[int, int]]()

    def first_of_two(prompt: Prompt, seed: int, ordinal: int) -> str:
        shown = met(prompt)
        pairs.add((min(shown), max(shown)))
        return f"<winner>Solution {shown.index(max(shown)) + 1}</winner>"

    outcome, _ = await contest("knockout:n=5", solutions(10, 11, 12, 13, 14), first_of_two)
    assert outcome.answer == "14"
    assert pairs == {(10, 11), (12, 13), (11, 14), (13, 14)}


@virtual_clock
async def test_half_of_the_comparisons_show_the_second_candidate_first() -> None:
    orders = list[tuple[int, int]]()

    def nobody(prompt: Prompt, seed: int, ordinal: int) -> str:
        orders.append(met(prompt))
        return "neither"

    await contest("knockout:n=2,num_comparisons=6", solutions(1, 2), nobody)
    assert sorted(orders) == [(1, 2)] * 3 + [(2, 1)] * 3


@virtual_clock
@pytest.mark.parametrize(
    ("early_stop", "when_some_agree", "when_all_agree"), [("pair", 1, 0), ("round", 3, 0), ("never", 3, 3)]
)
async def test_two_who_agree_meet_only_if_they_are_told_to(
    early_stop: str, when_some_agree: int, when_all_agree: int
) -> None:
    spec = f"knockout:n=4,num_comparisons=1,early_stop={early_stop}"
    _, judge = await contest(spec, solutions(5, 5, 7, 7), in_words())
    assert len(judge.records) == when_some_agree
    _, judge = await contest(spec, solutions(5, 5, 5, 5), in_words())
    assert len(judge.records) == when_all_agree


@virtual_clock
async def test_a_majority_of_the_comparisons_wins_a_meeting() -> None:
    def three_in_four(prompt: Prompt, seed: int, ordinal: int) -> str:
        shown = met(prompt)
        best = max(shown) if ordinal % 4 else min(shown)
        return f"<winner>Solution {shown.index(best) + 1}</winner>"

    outcome, _ = await contest("knockout:n=2,num_comparisons=4", solutions(1, 2), three_in_four)
    assert outcome.answer == "2"


@pytest.mark.slow
@virtual_clock
async def test_ties_are_broken_by_a_coin_of_the_runs_seed() -> None:
    answers = set[str | None]()
    for n in range(2, 12):
        outcome, _ = await contest(f"knockout:n={n}", solutions(*range(n)), "neither")
        again, _ = await contest(f"knockout:n={n}", solutions(*range(n)), "neither")
        assert outcome.answer == again.answer
        answers.add(outcome.answer)
    assert len(answers) > 2


@virtual_clock
async def test_who_is_beaten_is_not_the_best_so_far() -> None:
    def then_hangs(prompt: Prompt, seed: int, ordinal: int) -> Reply:
        shown = met(prompt)
        says = f"<winner>Solution {shown.index(max(shown)) + 1}</winner>"
        return Reply(says, seconds=1e6 if max(shown) < 5 else 1.0)

    # 1 has two votes, but both of its candidates have lost; of those left 9 stands first
    candidates = solutions(1, 8, 9, 1, 2, 3)
    outcome, _ = await contest("knockout:n=6", candidates, then_hangs, budget=Budget(seconds=100))
    assert (outcome.answer, outcome.stop_reason) == ("9", "budget")


@virtual_clock
@pytest.mark.parametrize("seed", range(10))
async def test_a_judge_that_is_mostly_right_finds_the_right_one(seed: int) -> None:
    draw = random.Random(seed)

    def mostly(prompt: Prompt, seed: int, ordinal: int) -> str:
        shown = met(prompt)
        best = max(shown) if draw.random() < 0.9 else min(shown)
        return f"<winner>Solution {shown.index(best) + 1}</winner>"

    answers = draw.sample(range(100), 8)
    outcome, _ = await contest("knockout:n=8,num_comparisons=12", solutions(*answers), mostly)
    assert outcome.answer == str(max(answers))


def test_an_early_stop_that_there_is_not_is_refused() -> None:
    with pytest.raises(Exception, match="early_stop"):
        registry.create_strategy("knockout:early_stop=soon")
