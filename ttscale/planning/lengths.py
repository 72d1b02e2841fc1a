"""Lengths of answers: what is expected of the longest, the shortest or the k-th of several."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Final

_P95: Final = NormalDist().inv_cdf(0.95)
MAX_P95_OVER_MEAN: Final = math.exp(_P95**2 / 2)
"""A lognormal's 95th percentile is at most this many times its mean, 3.87."""


def expected_order_statistic(lengths: Sequence[float], n: int, k: int) -> float:
    """Return the expected k-th shortest of n lengths drawn with replacement from measured ones.

    With the m measured lengths sorted, x_(1) <= … <= x_(m), it is Σ_i x_(i) · (P_i - P_(i-1)), where
    P_i = P(Bin(n, i/m) >= k) is the chance that the k-th of n is at most x_(i). The longest of n, on which a
    vote waits that hears everybody, is the case k = n: P_i = (i/m)^n.

    Args:
        lengths: measured, at least one, shape [m].
        n: how many are drawn, >= 1.
        k: which of them, 1 (the shortest) to n (the longest).

    Raises:
        ValueError: there are no lengths, or a number is out of its range.
    """
    if not lengths:
        raise ValueError("an expected length needs at least one measured length")
    if not 1 <= k <= n:
        raise ValueError(f"k must be 1 to n = {n!r}, got {k!r}")
    ordered, size = sorted(lengths), len(lengths)
    below, expected = 0.0, 0.0
    for place, length in enumerate(ordered, start=1):
        at_most = _at_least(n, place / size, k)
        expected += length * (at_most - below)
        below = at_most
    return expected


def _at_least(n: int, share: float, k: int) -> float:
    """Return P(Bin(n, share) >= k)."""
    if k == n:
        return share**n
    if k == 1:
        return 1.0 - (1.0 - share) ** n
    return math.fsum(math.comb(n, i) * share**i * (1.0 - share) ** (n - i) for i in range(k, n + 1))


def lognormal_lengths(mean: float, p95: float, num_lengths: int) -> list[int]:
    """Return whole lengths that stand for a lognormal distribution: its quantiles at even steps.

    From mean = exp(μ + σ²/2) and p95 = exp(μ + zσ), z = 1.645, follows σ = z - √(z² - 2·ln(p95 / mean)), the
    smaller of two solutions. The lengths are scaled so that their mean is the one asked for, but for rounding.

    Args:
        mean: tokens, >= 1.
        p95: 95th percentile in tokens, at least the mean and at most `MAX_P95_OVER_MEAN` times it.
        num_lengths: how many, >= 1.

    Raises:
        ValueError: a number is out of its range.
    """
    if mean < 1:
        raise ValueError(f"the mean must be >= 1 token, got {mean!r}")
    if not mean <= p95 <= MAX_P95_OVER_MEAN * mean:
        most = math.floor(MAX_P95_OVER_MEAN * mean)
        raise ValueError(
            f"the 95th percentile must lie between the mean, {mean:g}, and {most}, the most that a lognormal "
            f"of that mean can have; got {p95!r}"
        )
    if num_lengths < 1:
        raise ValueError(f"num_lengths must be >= 1, got {num_lengths!r}")
    sigma = _P95 - math.sqrt(max(0.0, _P95**2 - 2.0 * math.log(p95 / mean)))
    normal = NormalDist()
    drawn = [math.exp(sigma * normal.inv_cdf((i + 0.5) / num_lengths)) for i in range(num_lengths)]
    scale = mean * num_lengths / math.fsum(drawn)
    return [max(1, round(scale * value)) for value in drawn]
