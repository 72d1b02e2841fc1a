"""Best-of-N over given scores against hand-computed examples, and its early stop against every outcome."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttscale_strategies.voting.rules import best_of_n, best_scored, is_best_decided, weighted_best_of_n

KEYS = ["A", "A", "B"]


@pytest.mark.parametrize(
    ("scores", "totals", "weighted", "naive"),
    [
        ((0.4, 0.7, 0.9), {"A": 1.1, "B": 0.9}, "A", 2),  # last step
        ((0.4, 0.55, 0.9), {"A": 0.95, "B": 0.9}, "A", 2),  # least
        ((0.288, 0.231, 0.7866), {"A": 0.519, "B": 0.7866}, "B", 2),  # product
        ((0.7, 0.616667, 0.923333), {"A": 1.316667, "B": 0.923333}, "A", 2),  # mean
    ],
)
def test_the_worked_example_of_both_votes_for_each_reduction_of_the_steps(
    scores: tuple[float, ...], totals: dict[str, float], weighted: str, naive: int
) -> None:
    winner = weighted_best_of_n(KEYS, scores)
    assert winner is not None
    assert winner.key == weighted
    assert winner.totals == pytest.approx(totals, abs=1e-6)
    assert best_of_n(KEYS, scores) == naive


@pytest.mark.parametrize("missing", [None, math.nan])
def test_a_sample_without_an_answer_or_a_score_does_not_win(missing: float | None) -> None:
    assert best_of_n([None, "A", "B"], [0.9, missing, 0.1]) == 2
    assert best_of_n([None, "A"], [0.9, missing]) is None
    winner = weighted_best_of_n([None, "A", "B"], [0.9, missing, 0.1])
    assert winner is not None
    assert winner.totals == {"B": 0.1}
    assert weighted_best_of_n([None, "A"], [0.9, missing]) is None


def test_there_is_no_best_of_nothing() -> None:
    assert best_of_n([], []) is None
    assert weighted_best_of_n([], []) is None


def test_ties_go_to_the_first_sample() -> None:
    assert best_of_n(["B", "A", "A"], [0.5, 0.5, 0.5]) == 0
    winner = weighted_best_of_n(["B", "A", "A"], [0.5, 0.25, 0.25])
    assert winner is not None
    assert winner.key == "B"


def test_what_does_not_fit_together_is_named() -> None:
    with pytest.raises(ValueError, match="scores need one value a sample, got 1 for 2"):
        best_of_n(["A", "B"], [0.5])
    with pytest.raises(ValueError, match=r"weights\[1\] must be >= 0.0 and finite, got -0.5"):
        weighted_best_of_n(["A", "B"], [0.5, -0.5])


def test_the_highest_score_wins_and_ties_go_to_the_smallest_index() -> None:
    assert best_scored({3: 0.5, 1: 0.9, 2: 0.9, 0: None}) == 1
    assert best_scored({0: None}) is None
    assert best_scored({0: math.nan, 1: -1.0}) == 1


@given(
    scores=st.dictionaries(st.integers(0, 5), st.sampled_from([None, 0.0, 0.5, 1.0]), max_size=5),
    unscored=st.sets(st.integers(0, 5), max_size=3),
)
def test_best_is_decided_only_if_no_score_to_come_changes_it(
    scores: dict[int, float | None], unscored: set[int]
) -> None:
    known = {index: score for index, score in scores.items() if index not in unscored}
    waiting = sorted(unscored)
    winners = {
        best_scored({**known, **dict(zip(waiting, rest, strict=True))})
        for rest in itertools.product([None, 0.0, 0.5, 1.0], repeat=len(waiting))
    }
    if is_best_decided(known, unscored, highest=1.0):
        assert len(winners) == 1
    else:
        assert len(winners) > 1
