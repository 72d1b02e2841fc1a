"""The LUCB tournament: rounds, who is dropped, and when it ends."""

from __future__ import annotations

import pytest

from tests.unit.contests import answers_shown, contest, first_place, in_label, in_words, noted, solutions
from ttscale import registry
from ttscale.testing import virtual_clock
from ttscale.types import Prompt


def rounds_of(outcome_names: list[str]) -> dict[int, int]:
    """Return how many meetings each round had, by the names of the trace's spans."""
    counts = dict[int, int]()
    for name in outcome_names:
        if " in round " in name and not name.endswith("swapped"):
            number = int(name.rpartition(" ")[2])
            counts[number] = counts.get(number, 0) + 1
    return counts


@virtual_clock
async def test_those_surely_behind_are_not_compared_any_more() -> None:
    outcome, judge = await contest("lucb_tournament:n=6", solutions(1, 2, 3, 9, 5, 4), in_words())
    assert outcome.answer == "9"
    rounds = rounds_of([str(span["name"]) for span in outcome.trace])
    sizes = [rounds[number] for number in sorted(rounds)]
    assert sizes[0] == 6
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] < 6
    assert len(judge.records) < 128


@virtual_clock
@pytest.mark.parametrize("most", [2, 5, 12, 13, 31])
async def test_it_never_takes_more_comparisons_than_it_may(most: int) -> None:
    spec = f"lucb_tournament:n=5,max_comparisons={most}"
    outcome, judge = await contest(spec, solutions(1, 2, 3, 4, 5), in_words(first_place))
    assert len(judge.records) == most - most % 2  # two a meeting, and a judge that tells nobody from another
    assert outcome.answer in ("1", "2", "3", "4", "5")
    assert outcome.stop_reason == "finished"


@virtual_clock
async def test_the_best_win_rate_wins_where_comparisons_run_out() -> None:
    # one round: 7 wins against both neighbours; nobody is dropped yet
    spec = "lucb_tournament:n=5,max_comparisons=10,bonus=9"
    outcome, judge = await contest(spec, solutions(1, 7, 2, 6, 5), in_words())
    assert (outcome.answer, len(judge.records)) == ("7", 10)


@virtual_clock
async def test_two_who_agree_do_not_meet() -> None:
    pairs = set[tuple[int, ...]]()

    def watched(prompt: Prompt, seed: int, ordinal: int) -> str:
        pairs.add(tuple(answers_shown(prompt)))
        return "neither"

    spec = "lucb_tournament:n=6,max_comparisons=40"
    await contest(spec, solutions(1, 1, 1, 1, 2, 2), watched)
    assert pairs == {(1, 2), (2, 1)}


@virtual_clock
async def test_it_ends_when_all_who_are_left_agree() -> None:
    outcome, judge = await contest("lucb_tournament:n=4", solutions(9, 9, 1, 2), in_words())
    assert outcome.answer == "9"
    assert noted(outcome, "num_comparisons") == [len(judge.records)]
    assert len(judge.records) < 40


@virtual_clock
async def test_a_bonus_of_nothing_believes_the_first_round() -> None:
    outcome, judge = await contest("lucb_tournament:n=4,bonus=0", solutions(1, 4, 3, 2), in_words())
    assert (outcome.answer, len(judge.records)) == ("4", 8)


@virtual_clock
async def test_no_two_meet_twice_before_a_judge_whose_label_has_no_chance_in_it() -> None:
    spec = "lucb_tournament:n=4,verdict=label,bonus=50,max_comparisons=1000"
    outcome, judge = await contest(spec, solutions(1, 2, 4, 3), in_label())
    prompts = [request.prompt for request in judge.requests]
    assert len(prompts) == len(set(prompts)) == 2 * 6
    assert (outcome.answer, outcome.stop_reason) == ("4", "finished")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("num_opponents=0", "num_opponents must be >= 1"),
        ("num_comparisons=4,max_comparisons=3", "max_comparisons must be >= 4"),
        ("bonus=-1", "bonus must be >= 0"),
    ],
)
def test_numbers_out_of_range_are_refused(options: str, message: str) -> None:
    with pytest.raises(Exception, match=message):
        registry.create_strategy(f"lucb_tournament:{options}")
