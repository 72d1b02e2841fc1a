"""Subsets of a problem's samples: all of them where they are few, random ones where they are many."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, combinations
from math import comb
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ttscale_evals.stats._checks import require_k

_MAX_DRAWN: Final = 2_000_000
"""Random numbers drawn at a time: what is in memory at once."""


def sample_subsets(
    num_samples: int, k: int, *, seed: int | Sequence[int], max_subsets: int = 1000
) -> NDArray[np.int64]:
    """Return subsets of k of the sample indices 0 to num_samples - 1, each in rising order.

    If there are at most `max_subsets`, it is every one once, in lexicographic order, and a mean over them is
    exact. Otherwise it is that many, each drawn uniformly and independently of the others.

    Args:
        num_samples: >= 1.
        k: in [1, num_samples].
        seed: of the drawing, >= 0.
        max_subsets: >= 1.

    Returns:
        Shape [num_subsets, k].

    Raises:
        ValueError: a number is out of range.
    """
    require_k(k, num_samples, "a subset of k samples")
    if max_subsets < 1:
        raise ValueError(f"max_subsets must be at least 1, got {max_subsets}")
    num_all = comb(num_samples, k)
    if num_all <= max_subsets:
        indices = chain.from_iterable(combinations(range(num_samples), k))
        return np.fromiter(indices, dtype=np.int64, count=num_all * k).reshape(num_all, k)
    rng = np.random.default_rng(seed)
    found = np.empty((max_subsets, k), dtype=np.int64)
    size = max(1, _MAX_DRAWN // num_samples)
    for start in range(0, max_subsets, size):
        end = min(start + size, max_subsets)
        # the places of the k smallest of n random numbers
        order = rng.random((end - start, num_samples)).argpartition(k - 1, axis=1)
        found[start:end] = np.sort(order[:, :k], axis=1)
    return found
