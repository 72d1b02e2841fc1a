"""Worked examples of the estimators and intervals."""

from __future__ import annotations

from itertools import combinations
from math import sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from ttscale_evals.stats import (
    bootstrap_interval,
    mean_and_stderr,
    pass_at_k,
    percentile,
    wilson_interval,
)


@pytest.mark.parametrize(("num_correct", "expected"), [(0, 0.0), (2, 0.785714), (5, 1.0), (8, 1.0)])
def test_pass_at_4_of_8_samples_matches_the_worked_examples(num_correct: int, expected: float) -> None:
    assert pass_at_k(8, num_correct, 4) == pytest.approx(expected, abs=1e-6)


@given(st.integers(1, 9), st.data())
def test_pass_at_k_is_the_share_of_subsets_with_a_right_sample(num_samples: int, data: st.DataObject) -> None:
    num_correct = data.draw(st.integers(0, num_samples))
    k = data.draw(st.integers(1, num_samples))
    subsets = list(combinations(range(num_samples), k))
    hits = sum(any(index < num_correct for index in subset) for subset in subsets)
    assert pass_at_k(num_samples, num_correct, k) == pytest.approx(hits / len(subsets))


def test_pass_at_k_is_the_mean_over_problems_of_different_sample_counts() -> None:
    # 1 - C(2,2)/C(4,2) = 5/6 and 1 - C(3,2)/C(3,2) = 0
    assert pass_at_k([4, 3], [2, 0], 2) == pytest.approx((5 / 6 + 0) / 2)


def test_pass_at_k_of_many_samples_neither_overflows_nor_cancels() -> None:
    # Drawing without replacement: 1 - 9999/10000 * 9998/9999 * ... for k of them = k / 10000
    assert pass_at_k(10_000, 1, 100) == pytest.approx(0.01)


@pytest.mark.parametrize(("drawn", "right", "k"), [(3, 1, 4), (3, 1, 0), (3, 4, 2), (3, -1, 2), ([], [], 1)])
def test_pass_at_k_refuses_missing_samples_and_impossible_counts(
    drawn: int | list[int], right: int | list[int], k: int
) -> None:
    with pytest.raises(ValueError, match=r"pass@k|right samples"):
        pass_at_k(drawn, right, k)


@pytest.mark.parametrize(
    ("num_correct", "num_problems", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),  # Newcombe 1998, table I, method 3
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (20, 20, 0.8389, 1.0),
    ],
)
def test_wilson_intervals_match_the_published_ones(
    num_correct: int, num_problems: int, low: float, high: float
) -> None:
    interval = wilson_interval(num_correct, num_problems)
    assert interval.low == pytest.approx(low, abs=5e-5)
    assert interval.high == pytest.approx(high, abs=5e-5)


@given(st.integers(1, 500), st.data())
def test_a_wilson_interval_is_scipys_contains_the_proportion_and_stays_within_0_and_1(
    n: int, data: st.DataObject
) -> None:
    correct, confidence = data.draw(st.integers(0, n)), data.draw(st.floats(0.5, 0.999))
    low, high = wilson_interval(correct, n, confidence=confidence)
    expected = binomtest(correct, n).proportion_ci(confidence, method="wilson")
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=1e-9)
    assert 0 <= low <= correct / n <= high <= 1


def test_a_wider_confidence_gives_a_wider_interval() -> None:
    narrow, wide = wilson_interval(40, 100, confidence=0.8), wilson_interval(40, 100, confidence=0.99)
    assert wide.low < narrow.low < narrow.high < wide.high


def test_there_is_no_interval_of_no_problems() -> None:
    with pytest.raises(ValueError, match="no problems"):
        wilson_interval(0, 0)
    with pytest.raises(ValueError, match="num_correct"):
        wilson_interval(3, 2)
    with pytest.raises(ValueError, match="no problems"):
        bootstrap_interval([], seed=0)


def test_the_bootstrap_of_a_bernoulli_mean_agrees_with_its_normal_approximation() -> None:
    values = [1.0] * 300 + [0.0] * 700
    low, high = bootstrap_interval(values, seed=3, num_resamples=4000)
    half_width = 1.959964 * sqrt(0.3 * 0.7 / 1000)
    assert low == pytest.approx(0.3 - half_width, abs=0.003)
    assert high == pytest.approx(0.3 + half_width, abs=0.003)


def test_the_bootstrap_repeats_itself_under_the_same_seed_and_differs_under_another() -> None:
    values = [0.0, 0.25, 0.5, 1.0, 1.0, 0.75]
    again = bootstrap_interval(values, seed=1, num_resamples=500)
    assert bootstrap_interval(values, seed=1, num_resamples=500) == again
    assert any(bootstrap_interval(values, seed=seed, num_resamples=500) != again for seed in range(2, 8))


def test_the_bootstrap_of_equal_values_is_a_point() -> None:
    assert bootstrap_interval([0.5] * 7, seed=0, num_resamples=100) == (0.5, 0.5)


def test_mean_and_standard_error_match_a_hand_computed_example() -> None:
    # mean 0.5; s^2 = (0.25 + 0 + 0 + 0.25) / 3 = 1/6; stderr = sqrt(1/6) / 2
    mean, stderr = mean_and_stderr([0.0, 0.5, 0.5, 1.0])
    assert mean == 0.5
    assert stderr == pytest.approx(sqrt(1 / 6) / 2)


def test_the_standard_error_of_a_single_value_is_unknown_and_of_none_an_error() -> None:
    assert mean_and_stderr([0.7]) == (0.7, None)
    with pytest.raises(ValueError, match="no values"):
        mean_and_stderr([])


def test_percentiles_interpolate_between_neighbours() -> None:
    seconds = [4.0, 1.0, 3.0, 2.0]
    assert percentile(seconds, 50) == 2.5
    assert percentile(seconds, 95) == pytest.approx(3.85)
    assert percentile(seconds, 100) == 4.0
    assert percentile([], 50) is None
