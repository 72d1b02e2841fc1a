"""Inverse-entropy voting: a chain weighs the more, the less its tokens hesitate."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ttscale_strategies.checks import require_at_least, require_one_each
from ttscale_strategies.voting.rules.top_logprobs import checked_logprobs
from ttscale_strategies.voting.rules.weighted_vote import Election, weighted_vote

MIN_ENTROPY = 1e-3
"""Bits that a chain without any entropy counts as having: no chain outweighs a thousand of 1 bit."""
PAPER_MIN_ENTROPY = 1e-10
"""The paper's: one chain that never hesitates outweighs all others."""


def token_entropies(top_logprobs: ArrayLike, *, renormalise: bool = True) -> NDArray[np.float64]:
    """Return H_t = -Σ p_t(v) log2 p_t(v) over the most likely tokens v of each position, in bits.

    "The Sequential Edge", arXiv:2511.02309. The paper does not say how many tokens it takes nor whether it
    makes their probabilities sum to 1: we take what is given, and do unless told otherwise, so that H_t is at
    most log2 k.

    Args:
        top_logprobs: nats, shape [num_tokens, k]; NaN where an entry is missing.
        renormalise: whether the entries' probabilities are divided by their sum.

    Returns:
        Bits, >= 0, shape [num_tokens]; NaN where a position has no entry.

    Raises:
        ValueError: there are not two dimensions, or a logprob is above 0.
    """
    logprobs = checked_logprobs(top_logprobs)
    chances = np.exp(logprobs)
    if renormalise:
        sums = np.nansum(chances, axis=1, keepdims=True)
        chances = np.divide(chances, sums, out=np.full_like(chances, np.nan), where=sums > 0)
    # p log p is 0 at p = 0, and a missing entry adds nothing
    logs = np.log2(chances, out=np.zeros_like(chances), where=chances > 0)
    entropies = np.maximum(-np.nansum(chances * logs, axis=1), 0.0)
    return np.where(np.isnan(chances).all(axis=1), np.nan, entropies)


def mean_entropy(top_logprobs: ArrayLike, *, renormalise: bool = True) -> float | None:
    """Return a chain's entropy: the mean of `token_entropies`, in bits; ``None`` if no token has logprobs.

    The paper's appendix F finds mean, median, maximum and minimum equally good. Tokens without logprobs are
    left out.

    Args:
        top_logprobs: nats, shape [num_tokens, k]; NaN where an entry is missing.
        renormalise: see `token_entropies`.

    Raises:
        ValueError: there are not two dimensions, or a logprob is above 0.
    """
    entropies = token_entropies(top_logprobs, renormalise=renormalise)
    known = entropies[~np.isnan(entropies)]
    return float(known.mean()) if known.size else None


def inverse_entropy_weights(
    entropies: Sequence[float | None], *, min_entropy: float = MIN_ENTROPY
) -> NDArray[np.float64]:
    """Return the weights w_i = 1 / max(H_i, min_entropy) of chains, or 1 for all if one entropy is unknown.

    arXiv:2511.02309. The paper's floor, `PAPER_MIN_ENTROPY`, lets one chain without entropy outvote all
    others; ours caps a weight at a thousand.

    Args:
        entropies: bits, >= 0, shape [num_chains]; ``None`` or NaN: unknown.
        min_entropy: bits, > 0; the greatest weight is its inverse.

    Returns:
        Weights, > 0, shape [num_chains].

    Raises:
        ValueError: an entropy is negative or infinite, or min_entropy is not above 0.
    """
    if not (math.isfinite(min_entropy) and min_entropy > 0):
        raise ValueError(f"min_entropy must be above 0, got {min_entropy!r}")
    known = [entropy for entropy in entropies if entropy is not None and entropy == entropy]
    for entropy in known:
        require_at_least(entropy, 0.0, "an entropy")
    if len(known) < len(entropies):
        return np.ones(len(entropies))
    return 1.0 / np.maximum(np.asarray(known, dtype=np.float64), min_entropy)


def inverse_entropy_vote(
    keys: Sequence[str | None], entropies: Sequence[float | None], *, min_entropy: float = MIN_ENTROPY
) -> Election | None:
    """Return the key whose chains have the greatest sum of inverse entropies; ties go to the key seen first.

    arXiv:2511.02309. It is the same for chains drawn side by side and for chains that each refine the one
    before. If the entropy of a chain with an answer is unknown, all weigh the same: a plain majority.

    Args:
        keys: answer keys in order of sample index, or of the steps of a sequence, shape [num_chains].
        entropies: bits, shape [num_chains], see `inverse_entropy_weights`; those of chains without an answer
            are not looked at.
        min_entropy: bits, > 0.

    Returns:
        The winner, or ``None`` if nobody voted.

    Raises:
        ValueError: the shapes differ, or an entropy or min_entropy is out of range.
    """
    require_one_each(keys, entropies, "entropies")
    voters = [index for index, key in enumerate(keys) if key is not None]
    weights = inverse_entropy_weights([entropies[index] for index in voters], min_entropy=min_entropy)
    return weighted_vote([keys[index] for index in voters], weights.tolist())
