"""All pairs of candidates compared: by how many others each is better than, or how strong it must be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final, Literal

import numpy as np

from ttscale_strategies.checks import require_at_least
from ttscale_strategies.refine.rules.comparisons import Tally
from ttscale_strategies.refine.rules.league import Meeting

PairScore = Literal["copeland", "points", "bradley_terry"]
"""What all the comparisons together say of a candidate.

``"copeland"``: how many others more comparisons prefer it to; half a point where they are even. ``"points"``:
the comparisons that named it rather than the other, as shares of a meeting. ``"bradley_terry"``: the strength
that makes them likeliest.
"""

_ITERATIONS: Final = 10_000
_TOLERANCE: Final = 1e-10
_NUM_DIGITS: Final = 7
"""To which strengths are equal."""


@dataclass(frozen=True, slots=True)
class PairwiseStanding:
    """What is known of a contest of all pairs."""

    ready: tuple[Meeting, ...]
    """Meetings that need comparisons and whose two candidates exist; none once the champion is certain."""
    scores: tuple[float, ...]
    """Of each candidate; the least that it is sure of as long as comparisons are missing."""
    champion: int | None = None
    """``None`` as long as it is not certain."""


def pairwise_standing(
    num_candidates: int,
    keys: Mapping[int, str | None],
    tallies: Mapping[Meeting, Tally],
    *,
    score: PairScore = "copeland",
    num_comparisons: int = 2,
) -> PairwiseStanding:
    """Return how a contest of all pairs stands, given all that is known; in whatever order that came.

    The best score wins, and of equals the first candidate. Copeland 1951; Bradley & Terry 1952. A candidate
    without an answer loses to all that have one, and two with the same answer are even, both without
    comparisons: it does not matter which of these is chosen.

    Args:
        num_candidates: N, >= 1.
        keys: the answer keys of the candidates that exist, by candidate; ``None``: it has no answer, or failed.
        tallies: what the comparisons said so far, by meeting, the lower number first.
        score: see `PairScore`.
        num_comparisons: K, of each meeting, >= 1; an even one treats both places the same.

    Raises:
        ValueError: a number is out of its range, or there is no such meeting.
    """
    require_at_least(num_candidates, 1, "num_candidates")
    require_at_least(num_comparisons, 1, "num_comparisons")
    pairs = list(combinations(range(num_candidates), 2))
    if unknown := tallies.keys() - set(pairs):
        raise ValueError(f"there is no meeting {min(unknown)!r} of {num_candidates} candidates")
    low, high = [0] * num_candidates, [0] * num_candidates
    ready = list[Meeting]()
    for first, second in pairs:
        tally = tallies.get((first, second), Tally())
        least, most = _share(first, second, keys, tally, score, num_comparisons)
        for candidate, (at_least, at_most) in ((first, (least, most)), (second, (-most, -least))):
            low[candidate] += num_comparisons + at_least
            high[candidate] += num_comparisons + at_most
        if least < most and first in keys and second in keys:
            ready.append((first, second))
    unit = 2.0 * num_comparisons
    scores = tuple(value / unit for value in low)
    champion: int | None = None
    if score != "bradley_terry":
        champion = _certain(low, high, keys, num_candidates)
    elif not ready and len(keys) == num_candidates:
        scores = bradley_terry(_wins(pairs, keys, tallies, num_comparisons))
        champion = _best(scores, keys)
    return PairwiseStanding(() if champion is not None else tuple(ready), scores, champion)


def _share(
    first: int,
    second: int,
    keys: Mapping[int, str | None],
    tally: Tally,
    score: PairScore,
    num_comparisons: int,
) -> tuple[int, int]:
    """Return between which bounds the lead of the first over the second will end, in [-K, K]."""
    num_left = num_comparisons - tally.num_comparisons
    if num_left < 0:
        raise ValueError(f"{tally.num_comparisons} comparisons are too many for a meeting of {num_comparisons}")
    if first not in keys or second not in keys:
        return -num_comparisons, num_comparisons
    silent = keys[first] is None, keys[second] is None
    if any(silent) or keys[first] == keys[second]:
        lead = (silent[1] - silent[0]) * num_comparisons
        return lead, lead
    lead = tally.first - tally.second
    least, most = lead - num_left, lead + num_left
    if score != "copeland":
        return least, most
    return _sign(least) * num_comparisons, _sign(most) * num_comparisons


def _sign(value: int) -> int:
    return (value > 0) - (value < 0)


def _certain(
    low: Sequence[int], high: Sequence[int], keys: Mapping[int, str | None], num_candidates: int
) -> int | None:
    """Return the candidate that nobody can overtake; of those without an answer only if nobody has one."""
    if all(keys.get(candidate, "") is None for candidate in range(num_candidates)):
        return 0
    rivals = [candidate for candidate in range(num_candidates) if keys.get(candidate, "") is not None]
    leader = max(rivals, key=low.__getitem__)
    if leader not in keys:
        return None
    for other in rivals:
        if other != leader and (high[other] > low[leader] or (high[other] == low[leader] and other < leader)):
            return None
    return leader


def _wins(
    pairs: Sequence[Meeting],
    keys: Mapping[int, str | None],
    tallies: Mapping[Meeting, Tally],
    num_comparisons: int,
) -> list[list[float]]:
    """Return wins[i][j]; two of the same answer have won half of their comparisons each."""
    wins = [[0.0] * len(keys) for _ in keys]
    for first, second in pairs:
        if keys[first] is None or keys[second] is None:
            continue
        tally = tallies.get((first, second), Tally())
        is_even = keys[first] == keys[second]
        wins[first][second] = num_comparisons / 2 if is_even else tally.first
        wins[second][first] = num_comparisons / 2 if is_even else tally.second
    return wins


def _best(scores: Sequence[float], keys: Mapping[int, str | None]) -> int:
    answered = [candidate for candidate in range(len(scores)) if keys[candidate] is not None]
    return max(answered, key=lambda candidate: round(scores[candidate], _NUM_DIGITS)) if answered else 0


def bradley_terry(wins: Sequence[Sequence[float]]) -> tuple[float, ...]:
    """Return how strong candidates are: i beats j with probability s_i / (s_i + s_j).

    Bradley & Terry 1952, by the iteration of Hunter 2004 (MM algorithms). Ours: each has won and lost half a
    comparison with a candidate of strength 1, so that whoever never lost is not infinitely strong.

    Args:
        wins: wins[i][j] >= 0, comparisons of i and j that named i; shape [N, N].

    Returns:
        Shares, > 0, of sum 1; shape [N]. Without comparisons all are equal.

    Raises:
        ValueError: the shape is another, or a number negative.
    """
    won = np.asarray(wins, dtype=np.float64)
    if won.ndim != 2 or won.shape[0] != won.shape[1] or not won.size:
        raise ValueError(f"wins must have the shape [N, N], got {won.shape!r}")
    if not (won >= 0).all():
        raise ValueError("wins must be >= 0")
    met, total = won + won.T, won.sum(axis=1) + 0.5
    strengths = np.ones(len(won))
    for _ in range(_ITERATIONS):
        against = (met / (strengths[:, None] + strengths[None, :])).sum(axis=1) + 1.0 / (strengths + 1.0)
        after = total / against
        is_settled = bool(np.abs(np.log(after / strengths)).max() < _TOLERANCE)
        strengths = after
        if is_settled:
            break
    return tuple(float(share) for share in strengths / strengths.sum())
