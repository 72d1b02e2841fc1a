"""Point estimates: the mean with its standard error, percentiles."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def mean_and_stderr(values: Sequence[float]) -> tuple[float, float | None]:
    """Return the mean of per-problem values and its standard error, s / sqrt(n) with s over n - 1.

    With several samples a problem, give the mean of each problem's samples: problems are the independent
    draws, samples of one problem are not. The standard error of a single value is unknown, ``None``.

    Args:
        values: one value a problem, shape [num_problems].

    Raises:
        ValueError: there are no values.
    """
    if len(values) == 0:
        raise ValueError("there is no mean of no values")
    array = np.asarray(values, dtype=np.float64)
    stderr = float(array.std(ddof=1) / np.sqrt(array.size)) if array.size > 1 else None
    return float(array.mean()), stderr


def percentile(values: Sequence[float], percent: float) -> float | None:
    """Return a percentile by linear interpolation between order statistics, ``None`` of no values.

    Args:
        values: in any order and unit, shape [num_values].
        percent: in [0, 100]; 50 is the median.
    """
    return float(np.percentile(np.asarray(values, dtype=np.float64), percent)) if len(values) else None
