"""Means of what benchmarks measure of answers, beside right and wrong."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence


def mean_measures(measures: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the mean of each measure over the problems that have it, by name, in alphabetical order.

    Args:
        measures: of each problem, by name; shape [num_problems].
    """
    values = dict[str, list[float]]()
    for own in measures:
        for name, value in own.items():
            values.setdefault(name, []).append(value)
    return {name: math.fsum(found) / len(found) for name, found in sorted(values.items())}
