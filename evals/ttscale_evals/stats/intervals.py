"""Confidence intervals of an accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from statistics import NormalDist
from typing import NamedTuple

import numpy as np


class Interval(NamedTuple):
    """A confidence interval, both ends included."""

    low: float
    high: float


def wilson_interval(num_correct: int, num_problems: int, *, confidence: float = 0.95) -> Interval:
    """Return the Wilson score interval of a proportion: for one right-or-wrong answer a problem.

    It keeps close to its coverage at small numbers and at proportions of 0 and 1, where mean plus or minus
    1.96 standard errors collapses to a point (Wilson 1927; Brown, Cai and DasGupta 2001): with z the normal
    quantile, (p + z²/2n ± z sqrt(p(1 - p)/n + z²/4n²)) / (1 + z²/n).

    Args:
        num_correct: problems answered rightly, 0 <= num_correct <= num_problems.
        num_problems: >= 1.
        confidence: in (0, 1).

    Raises:
        ValueError: the numbers do not fit together.
    """
    if num_problems < 1:
        raise ValueError("there is no interval of no problems")
    if not 0 <= num_correct <= num_problems:
        raise ValueError(f"num_correct must lie in [0, {num_problems}], got {num_correct!r}")
    share, z = num_correct / num_problems, NormalDist().inv_cdf((1.0 + confidence) / 2.0)
    weight = z * z / num_problems
    middle = (share + weight / 2.0) / (1.0 + weight)
    half = z * sqrt(share * (1.0 - share) / num_problems + weight / (4.0 * num_problems)) / (1.0 + weight)
    # At the ends the formula gives exactly 0 and 1, up to rounding.
    low = 0.0 if num_correct == 0 else middle - half
    return Interval(low, 1.0 if num_correct == num_problems else middle + half)


def bootstrap_interval(
    values: Sequence[float], *, seed: int, confidence: float = 0.95, num_resamples: int = 10_000
) -> Interval:
    """Return the percentile bootstrap interval of the mean of per-problem values (Efron 1979).

    Problems are drawn again with replacement, whole: where a problem has several samples, give the mean of
    them, and the interval is the cluster bootstrap's.

    Args:
        values: one value a problem, shape [num_problems].
        seed: of the resampling; the same seed gives the same interval.
        confidence: in (0, 1).
        num_resamples: >= 1.

    Raises:
        ValueError: there are no values.
    """
    if len(values) == 0:
        raise ValueError("there is no interval of no problems")
    array = np.asarray(values, dtype=np.float64)
    rng = np.random.default_rng(seed)
    # Row by row: a matrix of resamples would need num_resamples x num_problems numbers at once.
    means = [float(array[rng.integers(0, array.size, array.size)].mean()) for _ in range(num_resamples)]
    tail = (1.0 - confidence) / 2.0
    low, high = np.quantile(means, [tail, 1.0 - tail])
    return Interval(float(low), float(high))
