"""Holm's correction: p-values of many comparisons, so that one false finding among them stays unlikely."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ttscale_evals.stats._checks import shares


def holm_adjusted(p_values: Sequence[float]) -> list[float]:
    """Return the adjusted p-values of many tests, by Holm's step-down method (Holm 1979).

    The i-th smallest of m, i from 1, is multiplied by m - i + 1; none is less than a smaller one's, and none
    is more than 1. A test whose adjusted p-value is at most α is rejected; the chance of any false rejection is
    then at most α, however the tests depend on each other.

    Args:
        p_values: in [0, 1], shape [num_tests]; of no tests there is nothing to adjust.

    Returns:
        Adjusted p-values in the same order, in [0, 1].

    Raises:
        ValueError: a p-value is out of range or NaN.
    """
    if len(p_values) == 0:
        return []
    array = shares(p_values, "Holm's correction")
    order = np.argsort(array, kind="stable")
    stepped = np.maximum.accumulate(array[order] * np.arange(array.size, 0, -1))
    adjusted = np.empty_like(array)
    adjusted[order] = np.minimum(stepped, 1.0)
    return [float(value) for value in adjusted]
