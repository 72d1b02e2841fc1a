"""Selection at k: the chance that what a rule chooses among k of a problem's samples is right."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ttscale_evals.stats._checks import require_as_many, require_k, require_problems, shares
from ttscale_evals.stats.subsets import sample_subsets

Floats = NDArray[np.float64]


def best_at_k(
    scores: Sequence[Sequence[float | None]],
    correct: Sequence[Sequence[float]],
    k: int,
    *,
    ties: Literal["first", "shared"] = "first",
) -> Floats:
    """Return the chance of each problem that the best scored of k of its samples is right, over all subsets.

    Best-of-k (Cobbe et al. 2021, arXiv:2110.14168) in closed form: the sample with r samples before it in
    order of falling score is chosen in C(n - 1 - r, k - 1) of the C(n, k) subsets. A sample without a score is
    no candidate, and a subset without a candidate is wrong.

    Args:
        scores: of each problem's samples, in any range, shape [num_problems][num_samples]; ``None`` or NaN: no
            candidate, as a sample without an answer should be. Numbers of samples may differ.
        correct: whether each sample is right, in [0, 1], shape as `scores`.
        k: 1 <= k <= samples of every problem.
        ties: of equal scores the smallest sample index wins (``"first"``, what the best-of-n rule does), or
            they share the win, whatever their order (``"shared"``).

    Returns:
        Chances in [0, 1], shape [num_problems].

    Raises:
        ValueError: there are no problems, k is greater than a problem's samples, or shapes differ.
    """
    require_problems(scores, "best-of-k")
    require_as_many("best-of-k", scores, correct)
    found = np.empty(len(scores))
    for number, (given, right) in enumerate(zip(scores, correct, strict=True)):
        require_as_many("best-of-k", given, right)
        require_k(k, len(given), "best-of-k")
        values = np.array([np.nan if score is None else score for score in given], dtype=np.float64)
        worth = np.where(np.isnan(values), 0.0, shares(right, "best-of-k"))
        if ties == "shared":
            worth = _mean_of_equals(values, worth)
        # stable, so the first of equals stays first, and NaN goes last
        order = np.argsort(-values, kind="stable")
        found[number] = float(_chances_by_rank(len(given), k) @ worth[order])
    return np.clip(found, 0.0, 1.0)


def rule_at_k(
    rule: Callable[[Sequence[int]], int | None],
    correct: Sequence[float],
    k: int,
    *,
    seed: int = 0,
    max_subsets: int = 1000,
) -> float:
    """Return the chance that what a rule chooses among k of one problem's samples is right, over subsets.

    For rules that no formula is known for. It is exact where the problem has no more subsets than
    `max_subsets`; otherwise that many random ones are looked at.

    Args:
        rule: given k sample indices in rising order, it returns one of them, or ``None``, which is wrong.
        correct: whether each sample is right, in [0, 1], shape [num_samples].
        k: in [1, num_samples].
        seed: of random subsets, >= 0.
        max_subsets: >= 1; as many calls of the rule at most.

    Returns:
        A chance in [0, 1].

    Raises:
        ValueError: k is out of range, or the rule chose what it was not given.
    """
    right = shares(correct, "a rule at k")
    chosen = [
        _chosen(rule, offered)
        for offered in sample_subsets(len(right), k, seed=seed, max_subsets=max_subsets).tolist()
    ]
    return float(np.mean([0.0 if index is None else right[index] for index in chosen]))


def _chosen(rule: Callable[[Sequence[int]], int | None], offered: Sequence[int]) -> int | None:
    index = rule(offered)
    if index is not None and index not in offered:
        raise ValueError(
            f"the rule chose sample {index!r}, which is not one of the {len(offered)} it was given"
        )
    return index


def _chances_by_rank(num_samples: int, k: int) -> Floats:
    """Return the chance that a sample is the first in rank of a random subset of k, shape [num_samples].

    The first has k / n; each next one (n - r - k) / (n - 1 - r) times that of the one of rank r before it.
    """
    before = np.arange(num_samples - 1)
    ratios = np.maximum(num_samples - before - k, 0) / (num_samples - 1 - before)
    return k / num_samples * np.concatenate([[1.0], np.cumprod(ratios)])


def _mean_of_equals(values: Floats, worth: Floats) -> Floats:
    """Return for each sample the mean worth of all that are scored as it is; NaN equals NaN."""
    _, places = np.unique(values, return_inverse=True)
    means: Floats = np.bincount(places, weights=worth) / np.bincount(places)
    return means[places]
