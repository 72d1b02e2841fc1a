"""Borda voting: samples are ranked by confidence, and better ranks carry more votes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ttscale_strategies.checks import require_at_least, require_one_each
from ttscale_strategies.voting.rules.weighted_vote import Election, weighted_vote


def borda_weights(confidences: Sequence[float | None], *, power: float = 0.5) -> NDArray[np.float64]:
    """Return the votes (N - r + 1)^power of N samples whose confidence ranks r-th, 1 the best.

    Kang et al. 2025, arXiv:2502.18581. Equal confidences rank by sample index.

    Args:
        confidences: in any unit, higher is surer, shape [num_samples]; ``None`` or NaN: unknown, ranks last.
        power: >= 0. 0 gives a plain majority, a very great one the surest sample; the paper's best are 0.3 for
            few samples to 1.2 for 64, its code's default 0.5.

    Returns:
        Votes in order of sample index, >= 1, shape [num_samples].

    Raises:
        ValueError: power is negative, or so great that the votes are infinite.
    """
    require_at_least(power, 0.0, "power")
    known = [-math.inf if value is None or value != value else float(value) for value in confidences]
    order = sorted(range(len(known)), key=known.__getitem__, reverse=True)  # stable: equals keep their order
    weights = np.empty(len(known))
    with np.errstate(over="ignore"):
        weights[order] = np.arange(len(known), 0, -1, dtype=np.float64) ** power
    if not bool(np.isfinite(weights).all()):
        raise ValueError(f"power {power!r} is too great for {len(known)} samples; take the surest one instead")
    return weights


def borda_vote(
    keys: Sequence[str | None], confidences: Sequence[float | None], *, power: float = 0.5
) -> Election | None:
    """Return the key with the most Borda votes; ties go to the key seen first.

    arXiv:2502.18581. Only samples with an answer are ranked. (The paper's code ranks those without last, which
    gives all others a higher count and with it changes how much ranks differ.)

    Args:
        keys: answer keys in order of sample index, shape [num_samples].
        confidences: see `borda_weights`, shape [num_samples].
        power: see `borda_weights`.

    Returns:
        The winner, or ``None`` if nobody voted.

    Raises:
        ValueError: the shapes differ, or power is out of range.
    """
    require_one_each(keys, confidences, "confidences")
    voters = [index for index, key in enumerate(keys) if key is not None]
    weights = borda_weights([confidences[index] for index in voters], power=power)
    return weighted_vote([keys[index] for index in voters], weights.tolist())
