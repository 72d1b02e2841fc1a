"""The league: how many meetings, when it is settled, and who wins it."""

from __future__ import annotations

import pytest

from tests.unit.contests import answers_shown, contest, in_words, solutions
from ttscale import registry
from ttscale.testing import Reply, virtual_clock
from ttscale.types import Prompt


@virtual_clock
async def test_each_candidate_meets_those_after_it() -> None:
    pairs = list[tuple[int, ...]]()

    def nobody(prompt: Prompt, seed: int, ordinal: int) -> str:
        pairs.append(tuple(answers_shown(prompt)))
        return "neither"

    spec = "league:n=4,num_opponents=1,num_comparisons=2"
    outcome, _ = await contest(spec, solutions(1, 2, 3, 4), nobody)
    assert sorted(pairs) == [(1, 2), (1, 4), (2, 1), (2, 3), (3, 2), (3, 4), (4, 1), (4, 3)]
    assert outcome.answer == "1"


@virtual_clock
@pytest.mark.parametrize(("n", "options", "most"), [(3, "", 24), (8, "", 128), (8, ",num_opponents=2", 64)])
async def test_it_takes_at_most_n_m_k_comparisons(n: int, options: str, most: int) -> None:
    _, judge = await contest(f"league:n={n}{options}", solutions(*range(n)), "neither")
    assert len(judge.records) == most


@virtual_clock
async def test_once_nobody_can_overtake_the_leader_all_else_is_aborted() -> None:
    def all_but_two_hang(prompt: Prompt, seed: int, ordinal: int) -> Reply:
        shown = answers_shown(prompt)
        says = f"<winner>Solution {shown.index(max(shown)) + 1}</winner>"
        return Reply(says, seconds=1.0 if 9 in shown else 1e6)

    # who meets all others and wins always has 2 * 2 * 3 points; nobody else can have more than 2 * 2 * 2
    spec = "league:n=4,num_opponents=3,num_comparisons=2"
    outcome, judge = await contest(spec, solutions(1, 2, 9, 3), all_but_two_hang)
    assert (outcome.answer, outcome.stop_reason) == ("9", "finished")
    assert outcome.seconds < 10
    ends = [record.finish_reason for record in judge.records]
    assert (ends.count("stop"), ends.count("abort")) == (12, 12)


@virtual_clock
async def test_a_candidate_that_comes_too_late_to_win_is_not_waited_for() -> None:
    spec = "league:n=6,num_opponents=1,num_comparisons=4"
    lengths = [20, 20, 20, 20, 20, 20_000]
    outcome, _ = await contest(spec, solutions(1, 2, 9, 4, 5, 6, lengths=lengths), in_words())
    # 9 beats both of its neighbours; the last one could still be even with it, but stands after it
    assert (outcome.answer, outcome.stop_reason) == ("9", "decided")
    assert outcome.seconds < 10
    assert [candidate.index for candidate in outcome.candidates] == [0, 1, 2, 3, 4]


@virtual_clock
async def test_nothing_is_compared_as_long_as_all_agree() -> None:
    lengths = [20, 20, 20, 5000]
    outcome, judge = await contest("league:n=4", solutions(4, 4, 4, 4, lengths=lengths), in_words())
    assert (outcome.answer, judge.records) == ("4", [])


@pytest.mark.parametrize("options", ["n=4,num_opponents=4", "n=4,num_opponents=0", "n=1,num_opponents=1"])
def test_no_more_opponents_than_there_are(options: str) -> None:
    with pytest.raises(Exception, match="num_opponents must lie in"):
        registry.create_strategy(f"league:{options}")
