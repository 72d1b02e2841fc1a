"""Semantic entropy and SEAT's two stops against hand-computed examples."""

from __future__ import annotations

import math

import pytest

from ttscale_strategies.voting.rules import (
    entropy_threshold,
    num_observed_rounds,
    secretary_stop,
    semantic_entropy,
    threshold_stop,
)


@pytest.mark.parametrize(
    ("keys", "nats"),
    [
        ("AAAA", 0.0),
        ("AAAB", 0.562335),
        ("AABB", 0.693147),
        ("ABCD", 1.386294),
    ],
)
def test_the_worked_entropies(keys: str, nats: float) -> None:
    assert semantic_entropy(list(keys)) == pytest.approx(nats, abs=1e-6)


def test_samples_without_an_answer_agree_with_nobody() -> None:
    assert semantic_entropy([None] * 4) == pytest.approx(math.log(4))
    assert semantic_entropy(["A", "A", None, None]) == pytest.approx(semantic_entropy(list("AABC")))


@pytest.mark.parametrize(
    ("max_rounds", "observed"),
    [(1, 1), (2, 1), (3, 1), (4, 1), (5, 1), (6, 2), (7, 2), (8, 2), (9, 3), (10, 3), (11, 4)],
)
def test_the_worked_numbers_of_observed_rounds(max_rounds: int, observed: int) -> None:
    assert num_observed_rounds(max_rounds) == observed


def stopped_at(entropies: list[float], *, stop_on_consensus: bool = True) -> int:
    return next(
        drawn
        for drawn in range(1, len(entropies) + 1)
        if secretary_stop(entropies[:drawn], max_rounds=len(entropies), stop_on_consensus=stop_on_consensus)
    )


@pytest.mark.parametrize(
    ("entropies", "stop"),
    [
        ([1.04, 1.2, 0.69, 0.56, 0.0], 3),
        ([0.56, 0.69, 0.69, 1.04, 1.04], 5),
        ([0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1], 3),
        ([1.0], 1),
    ],
)
def test_the_worked_secretary_stops(entropies: list[float], stop: int) -> None:
    assert stopped_at(entropies) == stop


def test_a_round_as_good_as_the_best_observed_is_not_better() -> None:
    assert stopped_at([0.5, 0.5, 0.5, 0.4, 0.3]) == 4


def test_consensus_in_an_observed_round_stops_unless_told_otherwise() -> None:
    entropies = [0.0, 0.5, 0.5, 0.5, 0.5]
    assert stopped_at(entropies) == 1
    assert stopped_at(entropies, stop_on_consensus=False) == 5


def test_the_threshold_stops_at_the_first_round_that_is_low_enough_or_the_last() -> None:
    assert not threshold_stop([1.0, 0.7], 0.6, max_rounds=3)
    assert threshold_stop([1.0, 0.6], 0.6, max_rounds=3)
    assert threshold_stop([1.0, 0.7, 0.7], 0.6, max_rounds=3)


def test_a_threshold_is_a_percentile_of_earlier_rounds() -> None:
    assert entropy_threshold([5, 6, 7, 8, 9], 10) == pytest.approx(5.4)
    assert entropy_threshold([11, 12, 15, 16, 17], 60) == pytest.approx(15.4)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="no entropy of no answers"):
        semantic_entropy([])
    with pytest.raises(ValueError, match="no threshold of no rounds"):
        entropy_threshold([], 10)
    with pytest.raises(ValueError, match="percent must lie in"):
        entropy_threshold([1.0], 101)
    with pytest.raises(ValueError, match="no round has been sampled"):
        secretary_stop([], max_rounds=3)
    with pytest.raises(ValueError, match="max_rounds must be >= 1"):
        num_observed_rounds(0)
    with pytest.raises(ValueError, match=r"entropies\[0\] must be >= 0"):
        threshold_stop([math.nan], 0.5, max_rounds=3)
    with pytest.raises(ValueError, match="threshold must be >= 0"):
        threshold_stop([1.0], math.nan, max_rounds=3)
