"""Semantic entropy of a round of answers, and when rounds of refinement stop by it (SEAT)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np

from ttscale_strategies.checks import require_all_at_least, require_at_least


def semantic_entropy(keys: Sequence[str | None]) -> float:
    """Return -Σ p(c) ln p(c) over the clusters of equal answers, in nats.

    Kuhn et al. 2023, arXiv:2302.09664, in its discrete form; SEAT, arXiv:2507.06829. A sample without an
    answer agrees with nobody: it is a cluster of its own.

    Args:
        keys: answer keys of a round, shape [num_samples].

    Returns:
        In [0, ln num_samples].

    Raises:
        ValueError: there are no samples.
    """
    if len(keys) == 0:
        raise ValueError("there is no entropy of no answers")
    counts = Counter(key for key in keys if key is not None)
    sizes = [*counts.values(), *[1] * (len(keys) - counts.total())]
    return math.fsum(size / len(keys) * math.log(len(keys) / size) for size in sizes)


def entropy_threshold(entropies: Sequence[float], percent: float) -> float:
    """Return the entropy below which `percent` per cent of rounds sampled beforehand lie.

    arXiv:2507.06829; which percentile the paper takes is not known to us. Linear interpolation.

    Args:
        entropies: nats, >= 0, shape [num_rounds].
        percent: in [0, 100].

    Raises:
        ValueError: there are no rounds, or a number is out of its range.
    """
    require_all_at_least(entropies, 0.0, "entropies")
    if len(entropies) == 0:
        raise ValueError("there is no threshold of no rounds; sample some beforehand")
    if not 0.0 <= percent <= 100.0:
        raise ValueError(f"percent must lie in [0, 100], got {percent!r}")
    return float(np.percentile(np.asarray(entropies, dtype=np.float64), percent))


def threshold_stop(entropies: Sequence[float], threshold: float, *, max_rounds: int) -> bool:
    """Return whether to stop after these rounds: the last one's entropy is low enough, or it was the last.

    arXiv:2507.06829.

    Args:
        entropies: nats, >= 0, of the rounds so far, shape [num_rounds].
        threshold: nats, >= 0; see `entropy_threshold`.
        max_rounds: >= 1.

    Raises:
        ValueError: there are no rounds, or a number is out of its range.
    """
    _require_rounds(entropies, max_rounds)
    require_at_least(threshold, 0.0, "threshold")
    return entropies[-1] <= threshold or len(entropies) >= max_rounds


def num_observed_rounds(max_rounds: int) -> int:
    """Return how many rounds the secretary rule only looks at: max(1, floor(max_rounds / e)).

    Raises:
        ValueError: max_rounds is less than 1.
    """
    require_at_least(max_rounds, 1, "max_rounds")
    return max(1, math.floor(max_rounds / math.e))


def secretary_stop(entropies: Sequence[float], *, max_rounds: int, stop_on_consensus: bool = True) -> bool:
    """Return whether to stop after these rounds by the secretary rule, which needs no threshold.

    arXiv:2507.06829: observe the first `num_observed_rounds`, then stop at the first round with less entropy
    than all of those, or at the last. As nothing is less than 0, a round of one opinion would never be taken
    if it is observed; unless told otherwise we stop at such a round at once.

    Args:
        entropies: nats, >= 0, of the rounds so far, shape [num_rounds].
        max_rounds: >= 1.
        stop_on_consensus: whether an entropy of 0 stops in any round.

    Raises:
        ValueError: there are no rounds, or a number is out of its range.
    """
    _require_rounds(entropies, max_rounds)
    if len(entropies) >= max_rounds or (stop_on_consensus and entropies[-1] == 0.0):
        return True
    observed = num_observed_rounds(max_rounds)
    return len(entropies) > observed and entropies[-1] < min(entropies[:observed])


def _require_rounds(entropies: Sequence[float], max_rounds: int) -> None:
    require_at_least(max_rounds, 1, "max_rounds")
    require_all_at_least(entropies, 0.0, "entropies")
    if len(entropies) == 0:
        raise ValueError("no round has been sampled yet")
