"""Borda voting against hand-computed examples."""

from __future__ import annotations

import math

import pytest

from ttscale_strategies.voting.rules import borda_vote, borda_weights


@pytest.mark.parametrize(
    ("power", "key", "totals"),
    [
        (0, "B", {"A": 1, "B": 2, "C": 1}),
        (0.5, "B", {"A": 2.0, "B": 3.146264, "C": 1}),
        (1.2, "B", {"A": 5.278032, "B": 6.034590, "C": 1}),
        (2, "A", {"A": 16, "B": 13, "C": 1}),
    ],
)
def test_the_worked_example_of_four_samples(power: float, key: str, totals: dict[str, float]) -> None:
    winner = borda_vote(["A", "B", "B", "C"], [9, 7, 6, 5], power=power)
    assert winner is not None
    assert winner.key == key
    assert winner.totals == pytest.approx(totals, abs=1e-6)


def test_the_worked_example_of_five_samples() -> None:
    winner = borda_vote(["A", "B", "B", "C", "B"], [9, 7, 6, 5, 4])
    assert winner is not None
    assert winner.totals == pytest.approx({"A": 2.236068, "B": 4.732051, "C": 1.414214}, abs=1e-6)


def test_equal_confidences_rank_by_index_and_unknown_ones_last() -> None:
    assert borda_weights([5, 7, 5], power=1).tolist() == [2, 3, 1]
    assert borda_weights([None, -1e9, math.nan], power=1).tolist() == [2, 3, 1]


def test_samples_without_an_answer_are_not_ranked() -> None:
    winner = borda_vote([None, "A", "B", None], [99, 2, 1, None], power=1)
    assert winner is not None
    assert winner.totals == {"A": 2.0, "B": 1.0}


def test_nobody_voting_elects_nobody() -> None:
    assert borda_vote([], []) is None
    assert borda_vote([None], [1.0]) is None


def test_numbers_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="power must be >= 0"):
        borda_weights([1.0], power=-1)
    with pytest.raises(ValueError, match="too great for 2 samples"):
        borda_weights([1.0, 2.0], power=5000)
    with pytest.raises(ValueError, match="confidences need one value a sample"):
        borda_vote(["A"], [])
