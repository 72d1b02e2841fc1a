"""maj@k: the chance that a vote among k of a problem's samples is right, averaged over subsets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ttscale_evals.stats._checks import require_as_many, require_k, require_problems, shares
from ttscale_evals.stats.majority_counts import majority_chances
from ttscale_evals.stats.subsets import sample_subsets

Floats = NDArray[np.float64]
Keys = Sequence[str | None]
"""Answer keys of a problem's samples; ``None``: no answer, so no vote."""

MAX_COUNTED: Final = 512
"""Most samples of a problem whose majorities are counted exactly; of more, random subsets are looked at."""
_SLACK: Final = 1e-12
"""Relative difference of two sums of weights that is rounding."""
_MAX_CELLS: Final = 2_000_000
"""Sums of votes in memory at once."""


def maj_at_k(
    keys: Sequence[Keys],
    correct: Sequence[Sequence[float]],
    k: int,
    *,
    seed: int = 0,
    max_subsets: int = 10_000,
) -> Floats:
    """Return the chance of each problem that the majority of k of its samples is right, over all subsets.

    See `maj_curve`, of which it is one column.

    Returns:
        Chances in [0, 1], shape [num_problems].
    """
    return maj_curve(keys, correct, [k], seed=seed, max_subsets=max_subsets)[:, 0]


def maj_curve(
    keys: Sequence[Keys],
    correct: Sequence[Sequence[float]],
    ks: Sequence[int],
    *,
    seed: int = 0,
    max_subsets: int = 10_000,
) -> Floats:
    """Return the chance of each problem that the majority of k of its samples is right, for several k.

    The vote of Wang et al. 2022 (arXiv:2203.11171), averaged over all subsets of k samples rather than taken of
    the first k. Tied answers share the win, which is what ties to the answer seen first come to over random
    orders. A sample without an answer never votes, and where nobody votes the subset is wrong. It is exact, by
    counting, for problems of up to `MAX_COUNTED` samples, and of more where there are no more subsets than
    `max_subsets`; otherwise that many random subsets are looked at.

    Args:
        keys: of each problem's samples, shape [num_problems][num_samples]; numbers of samples may differ.
        correct: whether each sample is right, in [0, 1], shape as `keys`. Where samples of equal keys are
            graded differently, their answer is worth the mean of them.
        ks: at least one, each 1 <= k <= samples of every problem.
        seed: of random subsets, >= 0.
        max_subsets: >= 1.

    Returns:
        Chances in [0, 1], shape [num_problems, len(ks)].

    Raises:
        ValueError: there are no problems or no k, one k is greater than a problem's samples, or shapes differ.
    """
    _require_samples(keys, correct, ks, "maj@k")
    rows: list[Floats] = []
    for number, (answers, right) in enumerate(zip(keys, correct, strict=True)):
        places, worth = _classes(answers, right)
        if len(answers) <= MAX_COUNTED:
            votes = np.bincount(places[places >= 0], minlength=len(worth))
            chances = majority_chances(votes, worth, int((places < 0).sum()), max(ks))
            rows.append(chances[np.asarray(ks) - 1])
        else:
            ones = np.ones(len(answers))
            drawn = (sample_subsets(len(answers), k, seed=[seed, number], max_subsets=max_subsets) for k in ks)
            rows.append(np.array([_mean_win(chosen, places, ones, worth) for chosen in drawn]))
    return np.clip(np.stack(rows), 0.0, 1.0)


def weighted_maj_at_k(
    keys: Sequence[Keys],
    weights: Sequence[Sequence[float | None]],
    correct: Sequence[Sequence[float]],
    k: int,
    *,
    seed: int = 0,
    max_subsets: int = 10_000,
) -> Floats:
    """Return the chance of each problem that the weighted majority of k of its samples is right, over subsets.

    The answer whose samples have the greatest sum of weights wins, such as a verifier's scores (Li et al. 2023,
    arXiv:2206.02336); tied answers share the win. It is exact for problems with no more subsets than
    `max_subsets`; of others that many random subsets are looked at.

    Args:
        keys: of each problem's samples, shape [num_problems][num_samples].
        weights: of the samples, finite and >= 0, shape as `keys`; ``None`` or NaN: the sample does not vote.
        correct: whether each sample is right, in [0, 1], shape as `keys`; see `maj_curve`.
        k: 1 <= k <= samples of every problem.
        seed: of random subsets, >= 0.
        max_subsets: >= 1.

    Returns:
        Chances in [0, 1], shape [num_problems].

    Raises:
        ValueError: there are no problems, k is greater than a problem's samples, shapes differ, or a weight is
            negative or infinite.
    """
    _require_samples(keys, correct, [k], "weighted maj@k")
    require_as_many("weighted maj@k", keys, weights)
    found = np.empty(len(keys))
    for number, (answers, given, right) in enumerate(zip(keys, weights, correct, strict=True)):
        require_as_many("weighted maj@k", answers, given)
        weight = np.array([np.nan if value is None else value for value in given], dtype=np.float64)
        votes = ~np.isnan(weight)
        if bool((weight[votes] < 0).any()) or bool(np.isinf(weight[votes]).any()):
            raise ValueError(f"a weight must be finite and at least 0, which one of problem {number} is not")
        voters = [key if is_vote else None for key, is_vote in zip(answers, votes.tolist(), strict=True)]
        places, worth = _classes(voters, right)
        chosen = sample_subsets(len(answers), k, seed=[seed, number], max_subsets=max_subsets)
        found[number] = _mean_win(chosen, places, np.where(votes, weight, 0.0), worth)
    return np.clip(found, 0.0, 1.0)


def _require_samples(
    keys: Sequence[Keys], correct: Sequence[Sequence[float]], ks: Sequence[int], name: str
) -> None:
    """Refuse what is not a whole table of samples with k of them for every problem."""
    require_problems(keys, name)
    require_as_many(name, keys, correct)
    if len(ks) == 0:
        raise ValueError(f"{name} needs at least one k")
    for answers, right in zip(keys, correct, strict=True):
        require_as_many(name, answers, right)
        for k in ks:
            require_k(k, len(answers), name)


def _classes(keys: Keys, correct: Sequence[float]) -> tuple[NDArray[np.int64], Floats]:
    """Return the class of equal answers of each sample, -1 of no answer, and what each class is worth."""
    right = shares(correct, "maj@k")
    numbers: dict[str, int] = {}
    places = np.array([-1 if key is None else numbers.setdefault(key, len(numbers)) for key in keys])
    voting = places >= 0
    sizes = np.bincount(places[voting], minlength=len(numbers))
    return places, np.bincount(places[voting], weights=right[voting], minlength=len(numbers)) / sizes


def _mean_win(chosen: NDArray[np.int64], places: NDArray[np.int64], weights: Floats, worth: Floats) -> float:
    """Return the mean over subsets of what the winning classes are worth, 0 where nobody votes.

    Args:
        chosen: sample indices, shape [num_subsets, k].
        places: class of each sample, -1: it does not vote; shape [num_samples].
        weights: of each sample's vote, >= 0, shape [num_samples].
        worth: of each class, shape [num_classes].
    """
    if len(worth) == 0:
        return 0.0
    num_classes, total = len(worth) + 1, 0.0  # who does not vote votes for a class beyond the last
    size = max(1, _MAX_CELLS // max(num_classes, chosen.shape[1]))
    for start in range(0, len(chosen), size):
        part = chosen[start : start + size]
        shape = (len(part), num_classes)
        cells = (places[part] % num_classes + num_classes * np.arange(len(part))[:, None]).ravel()
        sums = np.bincount(cells, weights=weights[part].ravel(), minlength=len(part) * num_classes)
        counts = np.bincount(cells, minlength=len(part) * num_classes)
        standing = np.where(counts > 0, sums, -1.0).reshape(shape)[:, :-1]
        most = standing.max(axis=1, keepdims=True)
        wins = (standing >= most * (1.0 - _SLACK)) & (standing >= 0.0)
        shared = (wins @ worth) / np.maximum(wins.sum(axis=1), 1)
        total += float(shared.sum())
    return total / len(chosen)
