"""The weighted vote: sums, ties and what is refused."""

from __future__ import annotations

import math

import pytest

from ttscale_strategies.voting.rules import elected, weighted_vote


def test_the_greatest_sum_of_weights_wins_and_says_what_everybody_got() -> None:
    winner = weighted_vote(["A", "B", None, "A"], [1.0, 3.5, 100.0, 2.0])
    assert winner is not None
    assert (winner.key, winner.total, winner.share) == ("B", 3.5, 3.5 / 6.5)
    assert list(winner.totals.items()) == [("A", 3.0), ("B", 3.5)]


@pytest.mark.parametrize("keys", [[], [None], [None, None]])
def test_nobody_voting_elects_nobody(keys: list[str | None]) -> None:
    assert weighted_vote(keys, [1.0] * len(keys)) is None


def test_sums_that_differ_by_rounding_alone_are_a_tie() -> None:
    # in floating point 0.1 + 0.2 is a little more than 0.3
    winner = weighted_vote(["B", "A", "A"], [0.3, 0.1, 0.2])
    assert winner is not None
    assert winner.totals["A"] > winner.totals["B"]
    assert winner.key == "B"


def test_weights_that_are_all_zero_leave_the_majority() -> None:
    winner = weighted_vote(["A", "B", "B"], [0.0, 0.0, 0.0])
    assert winner is not None
    assert (winner.key, winner.totals) == ("B", {"A": 1.0, "B": 2.0})


@pytest.mark.parametrize(
    ("preference", "key"),
    [
        ([-800, -900, -700, -950], "B"),  # shortest
        ([0.2, 0.9, 0.1, 0.3], "A"),  # surest
        ([0.5, 0.1, 0.5, 0.1], "B"),  # a tie again: seen first
    ],
)
def test_a_tie_can_be_broken_by_what_is_preferred(preference: list[float], key: str) -> None:
    keys = ["B", "A", "B", "A"]
    winner = weighted_vote(keys, [1.0] * 4, preference=preference)
    assert winner is not None
    assert winner.key == key


def test_a_preference_changes_nothing_where_there_is_no_tie() -> None:
    winner = weighted_vote(["A", "B", "B"], [1.0] * 3, preference=[9.0, 0.0, 0.0])
    assert winner is not None
    assert winner.key == "B"
    assert weighted_vote([None], [1.0], preference=[math.nan]) is None


@pytest.mark.parametrize("weight", [-1.0, math.nan, math.inf])
def test_a_voters_weight_must_be_a_number_that_is_not_negative(weight: float) -> None:
    with pytest.raises(ValueError, match=r"weights\[1\] must be >= 0"):
        weighted_vote(["A", "A"], [1.0, weight])
    assert weighted_vote(["A", None], [1.0, weight]) is not None


def test_what_does_not_fit_together_is_refused() -> None:
    with pytest.raises(ValueError, match="weights need one value a sample, got 1 for 2 samples"):
        weighted_vote(["A", "B"], [1.0])
    with pytest.raises(ValueError, match="preference need one value a sample"):
        weighted_vote(["A", "B"], [1.0, 1.0], preference=[1.0])
    with pytest.raises(ValueError, match="preference of the tied keys"):
        weighted_vote(["A", "B"], [1.0, 1.0], preference=[1.0, math.nan])
    with pytest.raises(ValueError, match="too great to be summed"):
        weighted_vote(["A", "A"], [1.7e308, 1.7e308])


def test_an_election_of_given_totals_goes_to_the_first_of_the_greatest() -> None:
    winner = elected({"A": 1.0, "B": 2.0, "C": 2.0})
    assert winner is not None
    assert winner.key == "B"
    assert elected({}) is None


def test_the_share_of_nothing_is_nothing() -> None:
    winner = elected({"A": 0.0})
    assert winner is not None
    assert winner.share == 0.0
