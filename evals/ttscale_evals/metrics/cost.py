"""What the answers cost, and how long each took."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ttscale.types import Usage
from ttscale_evals.stats import percentile


def total_usage(usages: Iterable[Usage]) -> Usage:
    """Return the sum of usages; a quantity that one of them does not know is unknown."""
    return sum(usages, start=Usage())


class Latency(NamedTuple):
    """Percentiles of the seconds that single problems took; ``None`` of no problems."""

    p50_seconds: float | None
    p95_seconds: float | None


def latency_of(seconds: Sequence[float]) -> Latency:
    """Return the median and the 95th percentile, interpolated between neighbours.

    Args:
        seconds: wall-clock time of each problem, shape [num_problems].
    """
    return Latency(percentile(seconds, 50), percentile(seconds, 95))
