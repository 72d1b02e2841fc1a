"""Best-of-N over scores that verifiers gave: the best sample, or the answer with the most score."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence, Set
from typing import TypeGuard

from ttscale_strategies.checks import require_one_each
from ttscale_strategies.voting.rules.weighted_vote import Election, weighted_vote


def best_scored(scores: Mapping[int, float | None]) -> int | None:
    """Return the sample index of the highest score; ties go to the smallest index.

    Args:
        scores: score by sample index; ``None`` or NaN: not scored, no candidate.
    """
    scored = [(index, score) for index, score in sorted(scores.items()) if _is_scored(score)]
    return max(scored, key=lambda pair: pair[1])[0] if scored else None


def is_best_decided(scores: Mapping[int, float | None], unscored: Set[int], highest: float) -> bool:
    """Return whether no score of the unscored samples can change the winner of `best_scored`.

    Args:
        scores: score by sample index, of the samples scored so far.
        unscored: indices of the samples without a score yet.
        highest: the greatest score there can be.
    """
    if not unscored:
        return True
    winner = best_scored(scores)
    if winner is None:
        return False
    best = scores[winner]
    assert best is not None
    return best >= highest and winner < min(unscored)


def best_of_n(keys: Sequence[str | None], scores: Sequence[float | None]) -> int | None:
    """Return the index of the best scored sample that has an answer; ties go to the smallest index.

    Cobbe et al. 2021, arXiv:2110.14168. However well it is scored, a sample without an answer does not win.

    Args:
        keys: answer keys in order of sample index, shape [num_samples].
        scores: of the samples, in any range, shape [num_samples]; ``None`` or NaN: not scored,
            no candidate.

    Returns:
        The index, or ``None`` if no sample has both an answer and a score.

    Raises:
        ValueError: the shapes differ.
    """
    require_one_each(keys, scores, "scores")
    return best_scored({index: scores[index] for index, key in enumerate(keys) if key is not None})


def weighted_best_of_n(keys: Sequence[str | None], scores: Sequence[float | None]) -> Election | None:
    """Return the key whose samples have the greatest sum of scores; ties go to the key seen first.

    Li et al. 2023, arXiv:2206.02336; Snell et al. 2024, arXiv:2408.03314. With the scores of steps, reduce
    each solution to one score first. The code of search-and-learn votes with the last step's score whatever
    the reduction; here the given scores vote.

    Args:
        keys: answer keys in order of sample index, shape [num_samples].
        scores: of the samples, >= 0, shape [num_samples]; ``None`` or NaN: not scored, does not vote.

    Returns:
        The winner, or ``None`` if no sample has both an answer and a score.

    Raises:
        ValueError: the shapes differ, or a voter's score is negative or infinite.
    """
    require_one_each(keys, scores, "scores")
    scored = [key if _is_scored(score) else None for key, score in zip(keys, scores, strict=True)]
    return weighted_vote(scored, [score if _is_scored(score) else 0.0 for score in scores])


def _is_scored(score: float | None) -> TypeGuard[float]:
    return score is not None and not math.isnan(score)
