"""Paired comparisons, tests and their correction, against scipy and worked examples."""

from __future__ import annotations

from dataclasses import replace
from math import sqrt

import numpy as np
import pytest
from scipy.stats import binomtest, norm, permutation_test, ttest_rel

from ttscale_evals.stats import (
    Interval,
    PairedDifference,
    holm_adjusted,
    mcnemar_test,
    mean_and_stderr,
    paired_difference,
    problem_means,
    problems_needed,
    sign_flip_p_value,
)


def test_a_paired_difference_matches_a_hand_computed_example() -> None:
    found = paired_difference([1.0, 0.5, 1.0, 0.0], [0.0, 0.5, 0.0, 0.0], seed=0)
    assert (found.num_problems, found.difference) == (4, 0.5)
    assert found.stderr == pytest.approx(sqrt(1 / 3) / 2)
    assert found.interval == (0.0, 1.0)
    # two problems differ, alike: 2 of the 4 pairs of signs are as far from 0
    assert found.p_value == 0.5
    assert not found.is_told_apart


def test_the_paired_standard_error_is_that_of_the_paired_t_test() -> None:
    rng = np.random.default_rng(0)
    ours, theirs = rng.random(30), rng.random(30)
    found = paired_difference(ours.tolist(), theirs.tolist(), seed=0, num_resamples=50)
    assert found.stderr is not None
    assert found.difference / found.stderr == pytest.approx(ttest_rel(ours, theirs).statistic)


def test_exchanging_the_systems_mirrors_everything_exactly() -> None:
    rng = np.random.default_rng(1)
    ours, theirs = rng.random(37).tolist(), rng.random(37).tolist()
    one = paired_difference(ours, theirs, seed=9, num_resamples=333)
    other = paired_difference(theirs, ours, seed=9, num_resamples=333)
    assert other == replace(
        one, difference=-one.difference, interval=Interval(-one.interval.high, -one.interval.low)
    )


def test_several_seeds_of_either_system_are_averaged_within_a_problem_first() -> None:
    ours = problem_means([[1, 0, 1], [1, 1], [0]]).tolist()
    theirs = problem_means([[0], [1, None], [0, 0, 0, 0]]).tolist()
    found = paired_difference(ours, theirs, seed=0)
    assert found.num_problems == 3
    assert found.difference == pytest.approx((2 / 3 + 0.5 + 0) / 3)


def test_different_numbers_of_problems_and_missing_values_are_refused() -> None:
    with pytest.raises(ValueError, match=r"same problems.*2 and 1"):
        paired_difference([1.0, 0.0], [1.0], seed=0)
    with pytest.raises(ValueError, match="nan"):
        paired_difference([1.0, float("nan")], [1.0, 0.0], seed=0)
    with pytest.raises(ValueError, match="no problems"):
        paired_difference([], [], seed=0)
    with pytest.raises(ValueError, match="confidence"):
        paired_difference([1.0], [0.0], seed=0, confidence=95)


# ── tests ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("ours_only", "theirs_only"), [(0, 0), (1, 0), (5, 0), (10, 2), (2, 10), (7, 7), (80, 120)]
)
def test_mcnemar_is_scipys_two_sided_binomial_test(ours_only: int, theirs_only: int) -> None:
    ours = [1] * ours_only + [0] * theirs_only + [1, 1, 0]
    theirs = [0] * ours_only + [1] * theirs_only + [1, 1, 0]
    found = mcnemar_test(ours, theirs)
    assert found[:2] == (ours_only, theirs_only)
    num_differing = ours_only + theirs_only
    expected = binomtest(ours_only, num_differing).pvalue if num_differing else 1.0
    assert found.p_value == pytest.approx(expected)


def test_mcnemar_of_thousands_of_problems_does_not_overflow() -> None:
    found = mcnemar_test([1] * 2600 + [0] * 2400, [0] * 2600 + [1] * 2400)
    assert found.p_value == pytest.approx(binomtest(2400, 5000).pvalue, rel=1e-9)


def test_mcnemar_refuses_means_over_samples() -> None:
    with pytest.raises(ValueError, match=r"0 or 1.*0\.5"):
        mcnemar_test([1.0, 0.5], [0.0, 1.0])


def test_flipping_signs_is_mcnemars_test_where_values_are_0_and_1() -> None:
    ours, theirs = [1.0] * 9 + [0.0] * 3 + [1.0] * 20, [0.0] * 9 + [1.0] * 3 + [1.0] * 20
    found = sign_flip_p_value([a - b for a, b in zip(ours, theirs, strict=True)], seed=0)
    assert found == pytest.approx(mcnemar_test(ours, theirs).p_value)


def test_flipping_signs_is_scipys_permutation_test() -> None:
    differences = np.array([0.5, -0.25, 0.75, 0.1, 0.0, 0.3, -0.05, 0.6])
    expected = permutation_test((differences,), np.sum, permutation_type="samples", n_resamples=2**8)
    assert sign_flip_p_value(differences.tolist(), seed=0) == pytest.approx(expected.pvalue)


def test_many_signs_are_drawn_and_come_near_the_exact_value(monkeypatch: pytest.MonkeyPatch) -> None:
    differences = [0.5, -0.25, 0.75, 0.1, 0.3, -0.05, 0.6, -0.4, 0.2, 0.15]
    exact = sign_flip_p_value(differences, seed=0)
    monkeypatch.setattr("ttscale_evals.stats.sign_flips.MAX_ENUMERATED", 4)
    monkeypatch.setattr("ttscale_evals.stats.sign_flips._MAX_DRAWN", 4000)
    drawn = sign_flip_p_value(differences, seed=0)
    assert drawn == pytest.approx(exact, abs=4 * sqrt(exact / 10_000))
    assert drawn != exact
    assert sign_flip_p_value([1.0] * 60, seed=0, num_flips=99) == pytest.approx(0.01)


def test_no_difference_anywhere_has_a_p_value_of_1() -> None:
    assert sign_flip_p_value([0.0, 0.0], seed=0) == 1.0
    assert sign_flip_p_value([0.5, -0.5], seed=0) == 1.0


def test_holm_matches_the_worked_example_and_keeps_the_order() -> None:
    # sorted 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1; the last is lifted to the one before it
    assert holm_adjusted([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_holm_of_one_test_changes_nothing_never_exceeds_1_and_refuses_what_is_no_p_value() -> None:
    assert holm_adjusted([0.03]) == [0.03]
    assert holm_adjusted([]) == []
    assert holm_adjusted([0.9, 0.8, 0.7]) == [1.0, 1.0, 1.0]
    with pytest.raises(ValueError, match=r"1\.5"):
        holm_adjusted([0.1, 1.5])
    with pytest.raises(ValueError, match="nan"):
        holm_adjusted([float("nan")])


# ── problems needed ───────────────────────────────────────────────────────────────────────────────────────


def inconclusive() -> PairedDifference:
    """Return a comparison of 25 problems: difference 0.08, standard deviation 0.4."""
    spread = 0.4 * sqrt(24 / 25)
    differences = [0.08 + spread] * 12 + [0.08 - spread] * 12 + [0.08]
    values = np.array(differences)
    values = 0.08 + (values - values.mean()) * 0.4 / values.std(ddof=1)
    return paired_difference(values.tolist(), [0.0] * 25, seed=0)


def test_the_problems_needed_follow_from_the_observed_spread() -> None:
    found = inconclusive()
    assert found.stderr == pytest.approx(0.08)
    # ((1.95996 + 0.84162) 0.4 / 0.08)² = 196.2
    assert problems_needed(found) == 197
    assert problems_needed(found, difference=-0.2) == 32
    assert problems_needed(found, difference=0.08, power=0.5) == 97


def test_that_many_problems_have_the_power() -> None:
    found = inconclusive()
    needed = problems_needed(found, difference=0.1)
    assert needed is not None

    def power(num_problems: int) -> float:
        return float(norm.cdf(0.1 * sqrt(num_problems) / 0.4 - norm.ppf(0.975)))

    assert power(needed) >= 0.8 > power(needed - 1)


def test_what_is_told_apart_needs_no_more_problems() -> None:
    rng = np.random.default_rng(0)
    ours, theirs = (rng.random(60) < 0.9).astype(float), (rng.random(60) < 0.4).astype(float)
    found = paired_difference(ours.tolist(), theirs.tolist(), seed=0)
    assert found.is_told_apart
    assert problems_needed(found) == 60
    needed = problems_needed(found, difference=0.01)
    assert needed is not None
    assert needed > 60


def test_nothing_can_be_said_without_a_difference_or_a_spread() -> None:
    assert problems_needed(paired_difference([1.0, 0.0], [0.0, 1.0], seed=0)) is None
    assert problems_needed(paired_difference([1.0], [0.0], seed=0)) is None
    alike = paired_difference([0.7, 0.6, 0.5], [0.6, 0.5, 0.4], seed=0)
    assert alike.interval.low > 0
    assert not alike.is_told_apart, "three problems are too few, however alike"
    assert problems_needed(alike, difference=0.2) is None
    assert mean_and_stderr([0.5, 0.5])[1] == 0.0


@pytest.mark.parametrize(("difference", "power"), [(0.0, 0.8), (float("nan"), 0.8), (0.1, 1.0), (0.1, 0.0)])
def test_no_difference_and_impossible_powers_are_refused(difference: float, power: float) -> None:
    with pytest.raises(ValueError, match=r"difference|power"):
        problems_needed(inconclusive(), difference=difference, power=power)
