"""Samples that come in clusters: a problem's samples are not independent of each other."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ttscale_evals.stats._checks import finite_values, require_as_many
from ttscale_evals.stats.intervals import Interval, percentile_interval
from ttscale_evals.stats.resampling import resampled_means


def clustered_stderr(
    values: Sequence[float], clusters: Sequence[str] | Sequence[int], *, is_corrected: bool = True
) -> float | None:
    """Return the clustered standard error of a mean (Miller 2024, arXiv:2411.00640, section 2.2).

    With the mean m of all N values it is sqrt(sum over clusters (sum over their values (x - m))²) / N. The
    correction for finitely many clusters multiplies the variance with G / (G - 1), as Inspect does; with as
    many values in every cluster it is then the standard error of the clusters' means, see `mean_and_stderr`.

    Args:
        values: of all samples, finite, shape [num_values].
        clusters: what each value belongs to, such as the problem's id, shape [num_values].
        is_corrected: whether the variance is multiplied with G / (G - 1), for G clusters.

    Returns:
        The standard error, or ``None`` of a single cluster, which says nothing of others.

    Raises:
        ValueError: there are no values, one is not finite, or the shapes differ.
    """
    array, places, num_clusters = _placed(values, clusters, "a clustered standard error")
    if num_clusters < 2:
        return None
    residuals = np.bincount(places, weights=array - array.mean(), minlength=num_clusters)
    correction = num_clusters / (num_clusters - 1) if is_corrected else 1.0
    return sqrt(correction * float(residuals @ residuals)) / array.size


def clustered_bootstrap_interval(
    values: Sequence[float],
    clusters: Sequence[str] | Sequence[int],
    *,
    seed: int,
    confidence: float = 0.95,
    num_resamples: int = 10_000,
) -> Interval:
    """Return the percentile bootstrap interval of the mean of all values, clusters drawn again whole.

    Every value counts alike, so a cluster with more of them counts more; where problems are to count alike,
    give the means of problems to `bootstrap_interval` instead. With as many values in every cluster the two are
    the same.

    Args:
        values: of all samples, finite, shape [num_values].
        clusters: what each value belongs to, shape [num_values].
        seed: of the resampling, >= 0.
        confidence: in (0, 1).
        num_resamples: >= 1.

    Raises:
        ValueError: there are no values, one is not finite, or the shapes differ.
    """
    array, places, num_clusters = _placed(values, clusters, "a clustered bootstrap interval")
    columns = np.empty((num_clusters, 2))
    columns[:, 0] = np.bincount(places, weights=array, minlength=num_clusters)
    columns[:, 1] = np.bincount(places, minlength=num_clusters)
    again = resampled_means(columns, seed=seed, num_resamples=num_resamples)
    return percentile_interval(again[:, 0] / again[:, 1], confidence=confidence)


def _placed(
    values: ArrayLike, clusters: Sequence[str] | Sequence[int], name: str
) -> tuple[NDArray[np.float64], NDArray[np.int64], int]:
    """Return the values, the number of each one's cluster, and how many clusters there are."""
    array = finite_values(values, name)
    require_as_many(name, array, clusters)
    labels, places = np.unique(np.asarray(clusters), return_inverse=True)
    return array, places.astype(np.int64), len(labels)
