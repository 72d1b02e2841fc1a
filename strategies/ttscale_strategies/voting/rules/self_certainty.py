"""Self-certainty: how far a model's token distributions are from knowing nothing."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from ttscale_strategies.voting.rules.top_logprobs import checked_logprobs

MIN_REST = 1e-12
"""Least probability that the tokens not listed have together: rounding may leave them none or less."""


def self_certainty(logprobs: ArrayLike) -> float:
    """Return the mean over the tokens of KL(uniform || p_t) = -mean_j ln p_t(j) - ln V, in nats.

    Kang et al. 2025, arXiv:2502.18581: from the logprobs of the whole vocabulary. 0 says that every token is
    equally likely everywhere; there is no upper bound.

    Args:
        logprobs: nats, shape [num_tokens, vocabulary_size].

    Raises:
        ValueError: there is no token, a logprob is missing or above 0, or a probability is 0, which makes the
            divergence infinite.
    """
    matrix = checked_logprobs(logprobs)
    if matrix.size == 0:
        raise ValueError("there is no self-certainty of no tokens")
    if not bool(np.isfinite(matrix).all()):
        raise ValueError(
            "self-certainty needs a finite logprob of every token of the vocabulary; "
            "from the most likely tokens alone use the approximation"
        )
    return max(float(-matrix.mean()) - math.log(matrix.shape[1]), 0.0)


def approximate_self_certainty(top_logprobs: ArrayLike, vocabulary_size: int) -> float | None:
    """Return `self_certainty` with the probability not listed spread evenly over the tokens not listed.

    An even spread is what makes the divergence least, so this is a lower bound of the exact value (arXiv:
    2502.18581 has no such approximation; engines rarely give the whole vocabulary). What is left for the rest
    counts as at least `MIN_REST`. Entries of probability 0 belong to the rest, positions without any entry
    are left out.

    Args:
        top_logprobs: nats, shape [num_tokens, k]; NaN where an entry is missing.
        vocabulary_size: V >= k.

    Returns:
        Nats, >= 0; ``None`` if no position has an entry.

    Raises:
        ValueError: there are not two dimensions, k is above V, or a logprob is above 0.
    """
    matrix = checked_logprobs(top_logprobs)
    if matrix.shape[1] > vocabulary_size:
        raise ValueError(f"vocabulary_size must be >= {matrix.shape[1]} listed tokens, got {vocabulary_size!r}")
    listed = np.isfinite(matrix)
    rows = listed.any(axis=1)
    matrix, listed = matrix[rows], listed[rows]
    if matrix.size == 0:
        return None
    num_rest = vocabulary_size - listed.sum(axis=1)
    rest = np.maximum(1.0 - np.sum(np.exp(matrix), axis=1, where=listed), MIN_REST)
    # where nothing is left out, num_rest is 0 and what its tokens would have does not matter
    logs = np.sum(matrix, axis=1, where=listed) + num_rest * np.log(rest / np.maximum(num_rest, 1))
    return max(float(np.mean(-logs / vocabulary_size)) - math.log(vocabulary_size), 0.0)
