"""Clustered standard errors and bootstraps, and pass rates a problem, on worked examples."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest
from scipy.stats import bootstrap, sem

from ttscale_evals.stats import (
    bootstrap_interval,
    clustered_bootstrap_interval,
    clustered_stderr,
    mean_and_stderr,
    pass_at_k,
    pass_at_k_by_problem,
    pass_hat_k_by_problem,
    percentile_interval,
)


def test_a_clustered_standard_error_matches_a_hand_computed_example() -> None:
    # mean 3/5; residuals a: 0.4 + 0.4 - 0.6 = 0.2, b: -0.6 + 0.4 = -0.2; sum of squares 0.08, N = 5, G = 2
    values, clusters = [1.0, 1.0, 0.0, 0.0, 1.0], ["a", "a", "a", "b", "b"]
    assert clustered_stderr(values, clusters, is_corrected=False) == pytest.approx(sqrt(0.08) / 5)
    assert clustered_stderr(values, clusters) == pytest.approx(sqrt(2 * 0.08) / 5)


def test_the_clustered_variance_is_the_double_sum_of_the_paper() -> None:
    rng = np.random.default_rng(4)
    values, clusters = rng.random(40), rng.integers(0, 9, 40)
    residuals = values - values.mean()
    same = clusters[:, None] == clusters[None, :]
    variance = float((np.outer(residuals, residuals) * same).sum()) / values.size**2
    found = clustered_stderr(values.tolist(), clusters.tolist(), is_corrected=False)
    assert found == pytest.approx(sqrt(variance))


def test_clusters_of_one_value_give_the_usual_standard_error_and_equal_ones_that_of_their_means() -> None:
    values = np.random.default_rng(5).random((12, 4))
    alone = values[:, 0].tolist()
    assert clustered_stderr(alone, list(range(12))) == pytest.approx(float(sem(alone)))
    of_means = mean_and_stderr(values.mean(axis=1).tolist())[1]
    assert clustered_stderr(values.ravel().tolist(), np.repeat(range(12), 4).tolist()) == pytest.approx(
        of_means
    )


def test_the_order_and_the_names_of_clusters_do_not_matter() -> None:
    values, names = [0.0, 1.0, 0.5, 1.0, 0.25], ["b", "a", "b", "c", "a"]
    again = clustered_stderr(values[::-1], [{"a": 7, "b": 3, "c": 5}[name] for name in names[::-1]])
    assert clustered_stderr(values, names) == pytest.approx(again)


def test_a_single_cluster_says_nothing_of_others_and_bad_clusters_are_refused() -> None:
    assert clustered_stderr([0.0, 1.0], ["a", "a"]) is None
    assert clustered_stderr([0.0, 1.0], ["a", "a"], is_corrected=False) is None
    with pytest.raises(ValueError, match="2 and 1"):
        clustered_stderr([0.0, 1.0], ["a"])
    with pytest.raises(ValueError, match="no problems"):
        clustered_stderr([], [])
    with pytest.raises(ValueError, match="nan"):
        clustered_stderr([0.0, float("nan")], ["a", "b"])


def test_the_clustered_bootstrap_draws_clusters_whole() -> None:
    # two clusters: the means there can be are those of a twice, a and b, b twice
    low, high = clustered_bootstrap_interval([1.0, 1.0, 1.0, 0.0], ["a", "a", "a", "b"], seed=0)
    assert (low, high) == (0.0, 1.0)
    middle = clustered_bootstrap_interval([1.0, 1.0, 1.0, 0.0], ["a", "a", "a", "b"], seed=0, confidence=0.4)
    assert middle == (0.75, 0.75)


def test_the_clustered_bootstrap_of_equal_clusters_is_that_of_their_means() -> None:
    values = np.random.default_rng(1).random((20, 3))
    clusters = np.repeat(range(20), 3).tolist()
    whole = clustered_bootstrap_interval(values.ravel().tolist(), clusters, seed=3, num_resamples=500)
    means = bootstrap_interval(values.mean(axis=1).tolist(), seed=3, num_resamples=500)
    assert whole == pytest.approx(means)


def test_the_bootstrap_agrees_with_scipys() -> None:
    values = np.random.default_rng(2).choice([0.0, 0.25, 0.5, 1.0], 60)
    expected = bootstrap(
        (values,), np.mean, method="percentile", n_resamples=9999, rng=np.random.default_rng(0)
    ).confidence_interval
    found = bootstrap_interval(values.tolist(), seed=0)
    assert found == pytest.approx((expected.low, expected.high), abs=0.006)


def test_the_interval_of_negated_values_is_the_mirrored_one_and_no_negative_zero() -> None:
    values = np.random.default_rng(3).normal(size=1001)
    low, high = percentile_interval(values, confidence=0.9)
    assert percentile_interval(-values, confidence=0.9) == (-high, -low)
    assert str(percentile_interval([0.0, 0.0])) == "Interval(low=0.0, high=0.0)"
    with pytest.raises(ValueError, match=r"confidence.*1\.0"):
        percentile_interval(values, confidence=1.0)


def test_pass_rates_a_problem_are_those_of_single_problems() -> None:
    drawn, right = [4, 8, 5], [1, 4, 0]
    each = pass_at_k_by_problem(drawn, right, 3)
    assert each.tolist() == [pass_at_k(n, c, 3) for n, c in zip(drawn, right, strict=True)]
    assert each == pytest.approx([3 / 4, 1 - 4 / 56, 0.0])
    assert pass_hat_k_by_problem(drawn, right, 2) == pytest.approx([0.0, 6 / 28, 0.0])
    assert pass_at_k(drawn, right, 3) == pytest.approx(float(each.mean()))
