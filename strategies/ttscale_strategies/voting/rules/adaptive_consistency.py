"""Adaptive-Consistency: stop sampling when the leading answer is probably the model's most frequent one."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal, assert_never

import numpy as np
from numpy.typing import NDArray

from ttscale_strategies.checks import require_all_at_least, require_share
from ttscale_strategies.voting.rules.majority import majority
from ttscale_strategies.voting.rules.stopped import Stopped

Criterion = Literal["beta", "dirichlet", "entropy", "share"]
"""What is compared with the threshold."""
THRESHOLDS: dict[Criterion, float] = {"beta": 0.95, "dirichlet": 0.95, "entropy": 0.75, "share": 0.8}
"""The paper's code's."""
MAX_ANSWERS = 5
"""Most frequent answers that the Dirichlet criterion looks at."""
_NUM_NODES = 256


def beta_probability(first: int, second: int) -> float:
    """Return the probability that an answer seen `first` times is more frequent than one seen `second` times.

    Aggarwal et al. 2023, arXiv:2305.11860: with all shares p of the first of the two equally likely
    beforehand, P(p > 1/2) = Pr[Bin(n, 1/2) <= first] = Σ_{k=0..first} C(n, k) / 2^n, n = first + second + 1.
    The paper's code integrates numerically; this is the exact value.

    Args:
        first: votes of the leader, >= 0.
        second: votes of the runner-up, >= 0.

    Returns:
        In (0, 1]; 1 only by rounding.

    Raises:
        ValueError: a count is negative.
    """
    require_all_at_least((first, second), 0, "counts")
    n = first + second + 1
    return sum(math.comb(n, k) for k in range(first + 1)) / (1 << n)


def dirichlet_probability(counts: Sequence[int]) -> float:
    """Return the probability that the first answer is the most frequent of all.

    arXiv:2305.11860: with all shares of the answers equally likely beforehand, they follow
    Dirichlet(counts + 1). Drawn as independent Gamma(count + 1) variables, the first is the greatest with
    probability ∫ f_1(x) Π_{i>1} F_i(x) dx, a smooth integral that Gauss-Legendre gives to about ten digits.
    The paper's code draws it at random. For two answers it is `beta_probability`.

    Args:
        counts: votes of each answer, >= 0, shape [num_answers].

    Returns:
        In [0, 1].

    Raises:
        ValueError: there are no answers, or a count is negative.
    """
    require_all_at_least(counts, 0, "counts")
    if len(counts) == 0:
        raise ValueError("there is no most frequent of no answers")
    first = counts[0]
    reach = 10.0 * math.sqrt(first + 1.0) + 40.0  # beyond it lies less than 1e-16 of the first's density
    low, high = max(0.0, first + 1.0 - reach), first + 1.0 + reach
    nodes, weights = _legendre()
    x = low + (high - low) * (nodes + 1.0) / 2.0
    logs = np.log(x)
    # Gamma(c + 1) at x is a Poisson process of rate x: its density is the chance of exactly c events
    chances = np.exp([-x + j * logs - math.lgamma(j + 1) for j in range(max(counts) + 1)])
    below = 1.0 - np.cumsum(chances, axis=0)
    others = np.prod([np.maximum(below[count], 0.0) for count in counts[1:]], axis=0)
    return min(float(np.sum(weights * chances[first] * others) * (high - low) / 2.0), 1.0)


@lru_cache(maxsize=1)
def _legendre() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return np.polynomial.legendre.leggauss(_NUM_NODES)


def normalised_entropy(counts: Sequence[int]) -> float:
    """Return the answers' entropy divided by that of as many answers equally often, in [0, 1].

    arXiv:2305.11860. As in its code, a lone answer is held against another one seen once.

    Args:
        counts: votes of each answer, >= 1, shape [num_answers].

    Raises:
        ValueError: there are no answers, or a count is less than 1.
    """
    require_all_at_least(counts, 1, "counts")
    if len(counts) == 0:
        raise ValueError("there is no entropy of no answers")
    votes = np.asarray([*counts, 1] if len(counts) == 1 else counts, dtype=np.float64)
    shares = votes / votes.sum()
    return float(-np.sum(shares * np.log2(shares)) / np.log2(votes.size))


def is_consistent(
    keys: Sequence[str | None], criterion: Criterion = "beta", *, threshold: float | None = None
) -> bool:
    """Return whether the answers so far agree enough to stop sampling.

    arXiv:2305.11860. ``"beta"``: the probability that the leader is more frequent than the runner-up;
    ``"dirichlet"``: than all others, of the five most frequent; both must reach the threshold, and a threshold
    of 1 never stops. ``"entropy"``: the answers' normalised entropy must not exceed it. ``"share"``: the
    leader's share of the answers must reach it. The last two need two answers at least. Samples without an
    answer are passed over (the paper's code takes them for an answer of their own).

    Args:
        keys: answer keys in order of sample index, shape [num_samples].
        criterion: which.
        threshold: in [0, 1]; ``None``: that of `THRESHOLDS`.

    Raises:
        ValueError: the threshold is out of its range.
    """
    limit = THRESHOLDS[criterion] if threshold is None else threshold
    require_share(limit, "threshold")
    counts = sorted(Counter(key for key in keys if key is not None).values(), reverse=True)
    if not counts:
        return False
    match criterion:
        case "beta":
            return limit < 1.0 and beta_probability(counts[0], counts[1] if len(counts) > 1 else 0) >= limit
        case "dirichlet":
            if len(counts) < 3:
                return is_consistent(keys, "beta", threshold=limit)
            return limit < 1.0 and dirichlet_probability(counts[:MAX_ANSWERS]) >= limit
        case "entropy":
            return sum(counts) > 1 and normalised_entropy(counts) <= limit
        case "share":
            return sum(counts) > 1 and counts[0] / sum(counts) >= limit
        case _:
            assert_never(criterion)


def adaptive_consistency(
    keys: Sequence[str | None],
    criterion: Criterion = "beta",
    *,
    threshold: float | None = None,
    batch_size: int = 1,
) -> Stopped:
    """Return where Adaptive-Consistency stops in a sequence of answers, and the majority there.

    arXiv:2305.11860.

    Args:
        keys: answer keys in the order drawn, shape [max_samples].
        criterion: see `is_consistent`.
        threshold: see `is_consistent`.
        batch_size: samples drawn between two checks, >= 1; the last batch may be smaller.

    Raises:
        ValueError: an option is out of its range.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size must be >= 1, got {batch_size!r}")
    for drawn in range(batch_size, len(keys) + batch_size, batch_size):
        if is_consistent(keys[:drawn], criterion, threshold=threshold):
            return _stopped(keys[:drawn], is_early=True)
    return _stopped(keys, is_early=False)


def _stopped(keys: Sequence[str | None], *, is_early: bool) -> Stopped:
    winner = majority(keys)
    return Stopped(winner.key if winner else None, len(keys), is_early)
