"""Confidence intervals of an accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ttscale_evals.stats._checks import finite_values, require_confidence
from ttscale_evals.stats.resampling import resampled_means


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
    require_confidence(confidence)
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
    them, and the interval is the cluster bootstrap's. What is in memory is bounded whatever the numbers.

    Args:
        values: one value a problem, finite, shape [num_problems].
        seed: of the resampling, >= 0; the same seed gives the same interval.
        confidence: in (0, 1).
        num_resamples: >= 1.

    Raises:
        ValueError: there are no values, or one is not finite.
    """
    columns = finite_values(values, "a bootstrap interval")[:, None]
    means = resampled_means(columns, seed=seed, num_resamples=num_resamples)
    return percentile_interval(means[:, 0], confidence=confidence)


def percentile_interval(values: ArrayLike, *, confidence: float = 0.95) -> Interval:
    """Return the middle part of resampled values, as much of them as the confidence says.

    The upper end is found as the lower end of the negated values, so an interval of negated values is the
    mirrored interval to the last bit.

    Args:
        values: of a statistic in resamples, finite, shape [num_resamples].
        confidence: in (0, 1).

    Raises:
        ValueError: there are no values, one is not finite, or the confidence is out of range.
    """
    require_confidence(confidence)
    array = finite_values(values, "a percentile interval")
    tail = (1.0 - confidence) / 2.0
    # adding 0 turns -0.0 into 0.0
    return Interval(float(np.quantile(array, tail)) + 0.0, 0.0 - float(np.quantile(-array, tail)))
