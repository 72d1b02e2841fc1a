"""The logprobs of the most likely tokens as one matrix, and what may stand in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain

import numpy as np
from numpy.typing import ArrayLike, NDArray

IMPOSSIBLE = -9999.0
"""What OpenAI-compatible servers say for a probability of 0, as JSON has no infinity."""
_ROUNDING = 1e-3
"""How far above 0 a logprob in half precision may come out."""


def likeliest(positions: Sequence[Mapping[int, float]], k: int) -> NDArray[np.float64]:
    """Return the logprobs of the k most likely tokens of each position, greatest first.

    An engine names one token more where the token it drew is not among the k most likely: that one is left
    out. (The code of DeepConf, arXiv:2508.15260, averages it with the others.)

    Args:
        positions: logprob in nats by token id, for each generated token: `Sample.top_logprobs`.
        k: >= 1.

    Returns:
        Nats, shape [num_tokens, k]; NaN where fewer were given.

    Raises:
        ValueError: k is less than 1.
    """
    if k < 1:
        raise ValueError(f"k must be >= 1, got {k!r}")
    lengths = np.fromiter(map(len, positions), dtype=np.intp, count=len(positions))
    width = max(k, int(lengths.max(initial=0)))
    matrix = np.full((len(positions), width), np.nan)
    every = chain.from_iterable(position.values() for position in positions)
    matrix[np.arange(width) < lengths[:, None]] = np.fromiter(every, dtype=np.float64, count=lengths.sum())
    matrix = -np.sort(-matrix, axis=1)  # NaN comes last
    return matrix[:, :k]


def checked_logprobs(logprobs: ArrayLike) -> NDArray[np.float64]:
    """Return logprobs as a matrix of numbers at most 0; `IMPOSSIBLE` and less become minus infinity.

    Args:
        logprobs: nats, shape [num_tokens, num_entries]; NaN where an entry is missing.

    Raises:
        ValueError: there are not two dimensions, or a logprob is above 0.
    """
    matrix = np.asarray(logprobs, dtype=np.float64)
    if matrix.shape == (0,):
        matrix = matrix.reshape(0, 1)
    if matrix.ndim != 2:
        raise ValueError(f"logprobs must have the shape [num_tokens, num_entries], got {matrix.shape}")
    if bool((matrix > _ROUNDING).any()):
        raise ValueError(f"logprobs are at most 0, got {float(np.nanmax(matrix))!r}; were these probabilities?")
    return np.where(matrix <= IMPOSSIBLE, -np.inf, np.minimum(matrix, 0.0))
