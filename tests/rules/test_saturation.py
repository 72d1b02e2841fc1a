"""Where more samples stop paying: worked numbers, edges, and a fit that finds what made the samples."""

from __future__ import annotations

import numpy as np
import pytest

from ttscale.budget.saturation import fit_saturation, marginal_gain, saturation_point, solved_share


@pytest.mark.parametrize(("p", "f_max", "units"), [(0.3, 1.0, 10), (0.3, 0.8, 9), (0.05, 1.0, 32)])
def test_the_worked_points(p: float, f_max: float, units: int) -> None:
    assert saturation_point(p, f_max, epsilon=0.01) == units
    assert marginal_gain(units, p, f_max) <= 0.01 < marginal_gain(units - 1, p, f_max)


def test_the_worked_gains_and_shares() -> None:
    assert marginal_gain(9, 0.3) == pytest.approx(0.012106, abs=1e-6)
    assert marginal_gain(10, 0.3) == pytest.approx(0.008474, abs=1e-6)
    shares = [solved_share(units, 0.3) for units in (1, 2, 4, 8, 10)]
    assert shares == pytest.approx([0.3, 0.51, 0.7599, 0.942352, 0.971752], abs=1e-6)
    assert solved_share(0, 0.3) == 0.0


def test_the_point_is_clamped() -> None:
    assert saturation_point(0.3, 0.8, epsilon=0.24) == 1
    assert saturation_point(0.005, epsilon=0.01) == 1
    assert saturation_point(1.0) == 1
    assert saturation_point(0.0, max_units=77) == 77
    assert saturation_point(0.3, 0.0) == 1
    assert saturation_point(1e-4, epsilon=1e-9, max_units=50) == 50
    assert saturation_point(5e-324, epsilon=5e-324) == 1


def test_the_point_is_the_least_number_whatever_the_rounding() -> None:
    for p in (0.5, 0.25, 0.1, 0.9, 1 / 3):
        for exponent in range(1, 12):
            # a whole solution of the formula, which the logarithms may miss on either side
            units = saturation_point(p, epsilon=p * (1 - p) ** exponent, max_units=10_000)
            expected = next(n for n in range(1, 100) if marginal_gain(n, p) <= p * (1 - p) ** exponent)
            assert units == expected


def test_numbers_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match=r"p must lie in \[0, 1\]"):
        saturation_point(1.2)
    with pytest.raises(ValueError, match="f_max"):
        solved_share(1, 0.5, float("nan"))
    with pytest.raises(ValueError, match="epsilon must be > 0"):
        saturation_point(0.5, epsilon=0.0)
    with pytest.raises(ValueError, match="max_units must be >= 1"):
        saturation_point(0.5, max_units=0)
    with pytest.raises(ValueError, match="num_units must be >= 0"):
        marginal_gain(-1, 0.5)


def drawn(
    p: float, f_max: float, num_questions: int, sizes: tuple[int, ...], seed: int
) -> tuple[list[int], list[int]]:
    rng = np.random.default_rng(seed)
    num_samples = [sizes[question % len(sizes)] for question in range(num_questions)]
    solvable = rng.random(num_questions) < f_max
    return num_samples, [
        int(rng.binomial(n, p)) if yes else 0 for n, yes in zip(num_samples, solvable, strict=True)
    ]


def test_a_fit_finds_what_made_the_samples() -> None:
    fit = fit_saturation(*drawn(0.3, 0.7, 4000, (4, 8), 1), seed=0, num_resamples=200)
    assert fit.p.value == pytest.approx(0.3, abs=0.02)
    assert fit.f_max.value == pytest.approx(0.7, abs=0.03)
    assert fit.p.low < 0.3 < fit.p.high
    assert fit.f_max.low < 0.7 < fit.f_max.high
    assert (fit.num_questions, fit.num_samples) == (4000, 24_000)
    assert fit.solved_share(3) == solved_share(3, fit.p.value, fit.f_max.value)
    units = fit.saturation_point()
    assert units.low <= units.units <= units.high
    assert units.low <= saturation_point(0.3, 0.7) <= units.high


def test_with_equal_sizes_the_fit_is_the_closed_form() -> None:
    # a solved question's mean is n·p / (1 - (1 - p)^n), and the share of solved ones F_max·(1 - (1 - p)^n)
    num_correct = [0, 0, 0, 0, 1, 2, 1, 3, 2, 1]
    fit = fit_saturation([4] * 10, num_correct, seed=0, num_resamples=50)
    p, f_max = fit.p.value, fit.f_max.value
    assert 4 * p / (1 - (1 - p) ** 4) == pytest.approx(sum(num_correct) / 6, abs=1e-6)
    assert f_max * (1 - (1 - p) ** 4) == pytest.approx(0.6, abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_no_point_of_a_grid_is_likelier_than_the_fit(seed: int) -> None:
    num_samples, num_correct = drawn(0.15 * (seed + 1), 0.8, 25, (1, 2, 6, 9), seed)
    fit = fit_saturation(num_samples, num_correct, seed=0, num_resamples=1)
    n, c = np.asarray(num_samples), np.asarray(num_correct)

    def log_likelihood(p: float, f_max: float) -> float:
        solved = c > 0
        right = np.log(f_max) + c * np.log(p) + (n - c) * np.log1p(-p)
        return float(np.where(solved, right, np.log(1.0 - f_max * (1.0 - (1.0 - p) ** n))).sum())

    grid = np.linspace(0.005, 0.995, 100)
    best = max(log_likelihood(p, f_max) for p in grid for f_max in grid)
    found = log_likelihood(fit.p.value, min(fit.f_max.value, 1.0 - 1e-9))
    assert found >= best - 1e-6


def test_few_questions_leave_the_fit_uncertain() -> None:
    few = fit_saturation(*drawn(0.2, 0.6, 12, (4,), 3), seed=0, num_resamples=300)
    many = fit_saturation(*drawn(0.2, 0.6, 1200, (4,), 3), seed=0, num_resamples=300)
    assert few.p.high - few.p.low > 3 * (many.p.high - many.p.low)
    assert few.f_max.high - few.f_max.low > 3 * (many.f_max.high - many.f_max.low)


def test_the_same_seed_gives_the_same_intervals() -> None:
    pilot = drawn(0.2, 0.6, 30, (4,), 5)
    assert fit_saturation(*pilot, seed=4) == fit_saturation(*pilot, seed=4)
    assert fit_saturation(*pilot, seed=4).resampled != fit_saturation(*pilot, seed=5).resampled


def test_all_right_and_all_wrong() -> None:
    right = fit_saturation([4, 4], [4, 4], seed=0, num_resamples=20)
    assert (right.p.value, right.f_max.value) == pytest.approx((1.0, 1.0), abs=1e-6)
    assert right.saturation_point().units == 1
    wrong = fit_saturation([4, 4], [0, 0], seed=0, num_resamples=20)
    assert (wrong.p.value, wrong.f_max.value) == (0.0, 0.0)
    assert wrong.saturation_point(max_units=64) == (64, 64, 64)


def test_pilots_that_cannot_be_fitted_are_refused() -> None:
    with pytest.raises(ValueError, match="at least two samples of some question"):
        fit_saturation([1, 1], [0, 1], seed=0)
    with pytest.raises(ValueError, match="at least two samples of some question"):
        fit_saturation([], [], seed=0)
    with pytest.raises(ValueError, match="5 right of 4 samples cannot be"):
        fit_saturation([4], [5], seed=0)
    with pytest.raises(ValueError, match="one value a question, got 1 for 2"):
        fit_saturation([4, 4], [1], seed=0)
    with pytest.raises(ValueError, match="num_resamples must be >= 1"):
        fit_saturation([4], [1], seed=0, num_resamples=0)
