"""Beam search and DVTS: which candidates are kept, and how many children each of them gets."""

from __future__ import annotations

import math
from collections.abc import Sequence


def kept_beams(scores: Sequence[float], num_kept: int) -> tuple[int, ...]:
    """Return the indices of the best candidates, the best first; ties go to the smallest index.

    Beeching et al. 2024 (search-and-learn); Snell et al. 2024, arXiv:2408.03314. A subtree of DVTS keeps one:
    ``kept_beams(scores_of_the_subtree, 1)``.

    Args:
        scores: of the candidates, in any range, shape [num_candidates].
        num_kept: how many are kept, >= 0; all are where there are fewer.

    Returns:
        Indices by falling score, shape [min(num_kept, num_candidates)].

    Raises:
        ValueError: a score is NaN or `num_kept` is negative.
    """
    _require(num_kept, 0, "num_kept")
    for index, score in enumerate(scores):
        if math.isnan(score):
            raise ValueError(f"scores[{index}] is not a number")
    return tuple(sorted(range(len(scores)), key=lambda index: -scores[index])[:num_kept])


def certain_beams(scores: Sequence[float], num_kept: int, num_pending: int) -> tuple[int, ...]:
    """Return the indices of those that are kept whatever the scores still out turn out to be.

    Each candidate still out may be better than all that are known, or win a tie, or leave as completed: one is
    certain to be kept if fewer than `num_kept` are ahead of it even when all those still out are.

    Args:
        scores: of the candidates that are known, in any range, shape [num_known].
        num_kept: how many will be kept, >= 0.
        num_pending: candidates without a score yet, >= 0.

    Returns:
        Indices by falling score; ties go to the smallest index.

    Raises:
        ValueError: a score is NaN or a number is negative.
    """
    _require(num_kept, 0, "num_kept")
    _require(num_pending, 0, "num_pending")
    return kept_beams(scores, max(0, num_kept - num_pending))


def beam_widths(
    scores: Sequence[float], *, width: int, beam_width: int, num_completed: int = 0
) -> tuple[int, ...]:
    """Return how many children each candidate gets at a level of beam search.

    Beeching et al. 2024 (search-and-learn). The best ``width // beam_width`` candidates are kept and duplicated
    in turn, the best first, until there are `width` beams again; each duplicate is a child. Where fewer
    candidates live, all of them are kept and share the same `width`; where none does, there are no children.

    A completed beam leaves: it is no candidate. In the reference its place is filled again, which is what the
    default does; with `num_completed` it keeps its place, so that the search spends less and less, and never
    has more than `width` solutions. The reference duplicates in order of index, not of score: that
    differs where `width` is no multiple of the number kept, and here the better ones get the odd child.

    Args:
        scores: of the candidates that live, in any range, shape [num_candidates].
        width: n, beams in all, >= 1.
        beam_width: m, children of each kept beam, in [1, width].
        num_completed: completed beams that keep their places, >= 0; from `width` on nobody gets a child.

    Returns:
        Children in the order of the candidates, shape [num_candidates]; their sum is `width` less
        `num_completed`.

    Raises:
        ValueError: a score is NaN, or a number is out of its range.
    """
    num_kept = num_beams_kept(width, beam_width)
    _require(num_completed, 0, "num_completed")
    kept = kept_beams(scores, num_kept)
    widths = [0] * len(scores)
    for rank, index in enumerate(kept):
        widths[index] = _turns(rank, len(kept), width - num_completed)
    return tuple(widths)


def least_beam_widths(
    scores: Sequence[float], *, width: int, beam_width: int, num_pending: int, num_completed: int = 0
) -> tuple[int, ...]:
    """Return how many children each known candidate gets at least, whatever those still out turn out to be.

    Each one still out either lives, with any score, or completes and leaves, whether its place is filled again
    or not. At worst all of them live and rank first: that costs a candidate as many ranks as there are, while
    one that completes costs it no rank and at most one child in all, and fewer may share the rest.

    Args:
        scores: of the candidates that are known, in any range, shape [num_known].
        width: n, beams in all, >= 1.
        beam_width: m, children of each kept beam, in [1, width].
        num_pending: candidates of which nothing is known yet, >= 0; with 0 the result is that of `beam_widths`.
        num_completed: as in `beam_widths`, of those that are known, >= 0.

    Returns:
        Children in the order of the known candidates, shape [num_known].

    Raises:
        ValueError: a score is NaN, or a number is out of its range.
    """
    if num_pending == 0:
        return beam_widths(scores, width=width, beam_width=beam_width, num_completed=num_completed)
    num_kept = num_beams_kept(width, beam_width)
    _require(num_completed, 0, "num_completed")
    widths = [0] * len(scores)
    sharing = min(num_kept, len(scores) + num_pending)
    for rank, index in enumerate(certain_beams(scores, num_kept, num_pending)):
        widths[index] = _turns(rank + num_pending, sharing, width - num_completed)
    return tuple(widths)


def num_beams_kept(width: int, beam_width: int) -> int:
    """Return how many beams of a level are kept: ``width // beam_width``.

    Args:
        width: n, beams in all, >= 1.
        beam_width: m, children of each kept beam, in [1, width].

    Raises:
        ValueError: a number is out of its range.
    """
    _require(width, 1, "width")
    if not 1 <= beam_width <= width:
        raise ValueError(f"beam_width must lie in [1, {width}], the width, got {beam_width!r}")
    return width // beam_width


def _turns(rank: int, num_sharing: int, total: int) -> int:
    """Return how often the one of this rank is dealt to when `total` are dealt in turn."""
    return max(0, -((rank - total) // num_sharing))


def _require(value: int, least: int, name: str) -> None:
    if value < least:
        raise ValueError(f"{name} must be >= {least}, got {value!r}")
