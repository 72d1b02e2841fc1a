"""Comparing all pairs: how many comparisons, and three ways to score them."""

from __future__ import annotations

import pytest

from tests.unit.contests import answers_shown, contest, in_words, solutions
from ttscale import registry
from ttscale.testing import Reply, virtual_clock
from ttscale.types import Prompt


@virtual_clock
@pytest.mark.parametrize("score", ["copeland", "points", "bradley_terry"])
async def test_every_two_are_compared_once_in_each_order(score: str) -> None:
    pairs = list[tuple[int, ...]]()

    def nobody(prompt: Prompt, seed: int, ordinal: int) -> str:
        pairs.append(tuple(answers_shown(prompt)))
        return "neither"

    outcome, _ = await contest(f"pairwise:n=4,score={score}", solutions(1, 2, 3, 4), nobody)
    assert sorted(pairs) == [(i, j) for i in range(1, 5) for j in range(1, 5) if i != j]
    assert outcome.answer == "1"


@virtual_clock
@pytest.mark.parametrize("score", ["copeland", "points", "bradley_terry"])
async def test_two_who_agree_are_not_compared(score: str) -> None:
    _, judge = await contest(f"pairwise:n=4,score={score}", solutions(5, 5, 5, 6), "neither")
    assert len(judge.records) == 6


@virtual_clock
@pytest.mark.parametrize(("score", "winner"), [("copeland", "1"), ("points", "2"), ("bradley_terry", "2")])
async def test_narrow_wins_over_many_or_great_wins_over_some(score: str, winner: str) -> None:
    def rule(prompt: Prompt, seed: int, ordinal: int) -> str:
        shown = answers_shown(prompt)
        if 1 in shown:  # it wins three in four against everybody
            loses = ordinal_of.setdefault(tuple(sorted(shown)), 0)
            ordinal_of[tuple(sorted(shown))] += 1
            best = 1 if loses else max(shown)
        else:
            best = min(shown)
        return f"<winner>Solution {shown.index(best) + 1}</winner>"

    ordinal_of = dict[tuple[int, ...], int]()
    spec = f"pairwise:n=4,num_comparisons=3,score={score}"
    outcome, _ = await contest(spec, solutions(1, 2, 3, 4), rule)
    # copeland: 1 beats 2, 3 and 4 by 2 : 1; points: 2 has 1 + 3 + 3, and 1 has 2 + 2 + 2
    assert outcome.answer == winner


@virtual_clock
async def test_once_nobody_can_overtake_the_leader_all_else_is_aborted() -> None:
    def others_hang(prompt: Prompt, seed: int, ordinal: int) -> Reply:
        shown = answers_shown(prompt)
        says = f"<winner>Solution {shown.index(max(shown)) + 1}</winner>"
        return Reply(says, seconds=1.0 if 9 in shown else 1e6)

    outcome, judge = await contest("pairwise:n=5", solutions(1, 2, 9, 3, 4), others_hang)
    assert (outcome.answer, outcome.stop_reason) == ("9", "finished")
    assert [record.finish_reason for record in judge.records].count("abort") == 12


@virtual_clock
async def test_it_takes_at_most_k_comparisons_a_pair() -> None:
    outcome, judge = await contest("pairwise:n=8,num_comparisons=4", solutions(*range(8)), in_words())
    assert outcome.answer == "7"
    assert len(judge.records) <= 4 * 28


def test_a_score_that_there_is_not_is_refused() -> None:
    with pytest.raises(Exception, match="score"):
        registry.create_strategy("pairwise:score=elo")
