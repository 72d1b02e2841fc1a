"""Means of several quantities over the same resampled problems, for statistics that combine them."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

_MAX_DRAWN: Final = 2_000_000
"""Problems drawn at a time: what is in memory at once."""


def resampled_means(columns: NDArray[np.float64], *, seed: int, num_resamples: int) -> NDArray[np.float64]:
    """Return the means of quantities over problems drawn again with replacement (Efron 1979).

    A problem is drawn with all its quantities, so what is computed of the means is paired by problem.

    Args:
        columns: per-problem values, shape [num_problems, num_quantities], num_problems >= 1.
        seed: of the resampling; the same seed and number of problems draw the same problems.
        num_resamples: >= 1.

    Returns:
        Means, shape [num_resamples, num_quantities].

    Raises:
        ValueError: there are no problems.
    """
    num_problems, num_quantities = columns.shape
    if num_problems == 0:
        raise ValueError("there is no mean of no problems")
    means = np.empty((num_resamples, num_quantities))
    size = max(1, _MAX_DRAWN // num_problems)
    for start in range(0, num_resamples, size):
        end = min(start + size, num_resamples)
        means[start:end] = _times_drawn(num_problems, end - start, seed, start) @ columns / num_problems
    return means


@lru_cache(maxsize=4)
def _times_drawn(num_problems: int, num_resamples: int, seed: int, start: int) -> NDArray[np.float32]:
    """Return how often each problem is drawn in each of the resamples from number `start` on.

    The rows of a comparison all draw the same problems, so the last few are kept.
    """
    rng = np.random.default_rng([seed, start])
    drawn = rng.integers(0, num_problems, (num_resamples, num_problems))
    places = (drawn + num_problems * np.arange(num_resamples)[:, None]).ravel()
    times = np.bincount(places, minlength=num_resamples * num_problems)
    return times.reshape(num_resamples, num_problems).astype(np.float32)
