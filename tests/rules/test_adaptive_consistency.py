"""Adaptive-Consistency's stops against hand-computed examples and independent integration."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy import integrate, stats

from ttscale_strategies.voting.rules import (
    Criterion,
    adaptive_consistency,
    beta_probability,
    dirichlet_probability,
    is_consistent,
    normalised_entropy,
)


@pytest.mark.parametrize(
    ("first", "second", "probability", "stops"),
    [
        (1, 0, 0.75, False),
        (2, 0, 0.875, False),
        (3, 0, 0.9375, False),
        (4, 0, 0.96875, True),
        (5, 1, 0.9375, False),
        (6, 1, 0.96484375, True),
        (7, 2, 0.9453125, False),
        (8, 2, 0.96728515625, True),
        (3, 3, 0.5, False),
    ],
)
def test_the_worked_beta_stops(first: int, second: int, probability: float, stops: bool) -> None:
    assert beta_probability(first, second) == probability
    assert is_consistent(["A"] * first + ["B"] * second) is stops


@pytest.mark.parametrize(("first", "second"), [(0, 0), (1, 1), (5, 2), (40, 30), (300, 260)])
def test_the_closed_form_is_the_integral_of_the_beta_distribution(first: int, second: int) -> None:
    assert beta_probability(first, second) == pytest.approx(float(stats.beta.sf(0.5, first + 1, second + 1)))


@pytest.mark.parametrize(("first", "second"), [(1, 0), (4, 0), (8, 2), (3, 3), (40, 30), (300, 260)])
def test_dirichlet_of_two_answers_is_beta(first: int, second: int) -> None:
    assert dirichlet_probability([first, second]) == pytest.approx(beta_probability(first, second), abs=1e-10)


@pytest.mark.parametrize("count", [0, 1, 7, 200])
def test_dirichlet_of_equal_counts_favours_nobody(count: int) -> None:
    assert dirichlet_probability([count] * 3) == pytest.approx(1 / 3, abs=1e-10)
    assert dirichlet_probability([count] * 5) == pytest.approx(1 / 5, abs=1e-10)


@pytest.mark.parametrize("counts", [(4, 1, 1), (6, 3, 2, 1), (20, 9, 9, 1, 1)])
def test_dirichlet_agrees_with_adaptive_integration_over_gamma_variables(counts: tuple[int, ...]) -> None:
    def integrand(x: float) -> float:
        below = [float(stats.gamma.cdf(x, count + 1)) for count in counts[1:]]
        return float(stats.gamma.pdf(x, counts[0] + 1)) * float(np.prod(below))

    expected, _ = integrate.quad(integrand, 0, 100, epsabs=1e-12, limit=200)
    assert dirichlet_probability(counts) == pytest.approx(expected, abs=1e-9)


def test_dirichlet_of_one_answer_is_certain_and_more_rivals_make_it_less_so() -> None:
    assert dirichlet_probability([3]) == pytest.approx(1.0)
    chances = [dirichlet_probability([6, *[2] * rivals]) for rivals in range(1, 5)]
    assert all(fewer > more for fewer, more in pairwise(chances))


def test_dirichlet_falls_back_to_beta_and_looks_at_five_answers() -> None:
    assert is_consistent(["A"] * 4, "dirichlet")
    assert not is_consistent(["A"] * 3, "dirichlet")
    # two rivals seen once: less sure than of one of them
    keys = ["A"] * 6 + ["B", "C"]
    assert is_consistent(keys, "beta")
    assert not is_consistent(keys, "dirichlet", threshold=beta_probability(6, 1))
    top_five = dirichlet_probability([6, 1, 1, 1, 1])
    assert is_consistent(["A"] * 6 + list("BCDEFGH"), "dirichlet", threshold=top_five)


def test_a_lone_answer_is_held_against_another_seen_once() -> None:
    assert normalised_entropy([4]) == pytest.approx(0.721928, abs=1e-6)
    assert normalised_entropy([3]) == pytest.approx(0.811278, abs=1e-6)
    assert normalised_entropy([2, 2]) == pytest.approx(1.0)
    assert not is_consistent(["A"] * 3, "entropy")
    assert is_consistent(["A"] * 4, "entropy")


def test_the_share_stops_at_four_of_five_and_never_at_one_answer() -> None:
    assert not is_consistent(["A"], "share")
    assert is_consistent(["A", "A"], "share")
    assert not is_consistent(["A", "A", "A", "B"], "share")
    assert is_consistent(["A", "A", "A", "A", "B"], "share")


def test_samples_without_an_answer_are_passed_over_but_count_as_drawn() -> None:
    stopped = adaptive_consistency([None, "A", None, "A", "A", "A", "B"])
    assert (stopped.key, stopped.num_samples, stopped.is_early) == ("A", 6, True)


def test_batches_are_drawn_whole_and_the_last_may_be_smaller() -> None:
    assert adaptive_consistency(["A"] * 8, batch_size=3).num_samples == 6
    stopped = adaptive_consistency(["A", "B", "A", "B", "A"], batch_size=2)
    assert (stopped.key, stopped.num_samples, stopped.is_early) == ("A", 5, False)
    assert adaptive_consistency(["A"] * 4, batch_size=9).is_early


@pytest.mark.parametrize("criterion", ["beta", "dirichlet", "entropy", "share"])
def test_without_answers_it_draws_all(criterion: Criterion) -> None:
    for keys in ([], [None], [None] * 40):
        assert not is_consistent(keys, criterion)
        stopped = adaptive_consistency(keys, criterion)
        assert (stopped.key, stopped.num_samples, stopped.is_early) == (None, len(keys), False)


@pytest.mark.parametrize("criterion", ["beta", "dirichlet"])
def test_certainty_never_comes(criterion: Criterion) -> None:
    # both probabilities round to 1
    assert beta_probability(200, 1) == dirichlet_probability([200, 1, 1]) == 1.0
    assert not adaptive_consistency(["B", "C", *["A"] * 200], criterion, threshold=1.0).is_early


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="threshold must lie in"):
        is_consistent(["A"], threshold=1.5)
    with pytest.raises(ValueError, match="batch_size must be >= 1"):
        adaptive_consistency(["A"], batch_size=0)
    with pytest.raises(ValueError, match=r"counts\[1\] must be >= 0"):
        beta_probability(1, -1)
    with pytest.raises(ValueError, match="no answers"):
        dirichlet_probability([])
    with pytest.raises(ValueError, match="no answers"):
        normalised_entropy([])
