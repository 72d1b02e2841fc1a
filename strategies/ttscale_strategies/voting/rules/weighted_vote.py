"""The vote in which samples weigh differently, and the election every scored vote ends in."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ttscale_strategies.checks import require_all_at_least, require_at_least, require_one_each

TIE_TOLERANCE = 1e-12
"""Totals that differ by less than this share are equal: they would differ by rounding alone."""


@dataclass(frozen=True, slots=True)
class Election:
    """The winner of a vote, with what every key got."""

    key: str
    totals: Mapping[str, float]
    """Total by key, >= 0, in the order in which the keys were first seen."""

    @property
    def total(self) -> float:
        """What the winner got."""
        return self.totals[self.key]

    @property
    def share(self) -> float:
        """The winner's share of all totals, in [0, 1]; 0 if nobody got anything."""
        everything = math.fsum(self.totals.values())
        return self.total / everything if everything > 0 else 0.0


def elected(totals: Mapping[str, float]) -> Election | None:
    """Return the key with the greatest total; ties go to the key that comes first.

    Args:
        totals: by key, >= 0, in the order in which the keys were first seen.

    Returns:
        The winner, or ``None`` without keys.
    """
    leaders = leading(totals)
    return Election(leaders[0], dict(totals)) if leaders else None


def leading(totals: Mapping[str, float]) -> list[str]:
    """Return the keys with the greatest total, up to `TIE_TOLERANCE`, in the order given."""
    if not totals:
        return []
    least = max(totals.values()) * (1.0 - TIE_TOLERANCE)
    return [key for key, total in totals.items() if total >= least]


def weighted_vote(
    keys: Sequence[str | None], weights: Sequence[float], *, preference: Sequence[float] | None = None
) -> Election | None:
    """Return the key whose samples weigh most together; ``None`` never votes.

    Sums are exact up to one rounding, so the order of the samples changes nothing but who was seen first. If
    no voter weighs anything, each weighs 1: weights that tell nothing apart leave the plain majority.

    Args:
        keys: answer keys in order of sample index, shape [num_samples].
        weights: of the samples, >= 0, shape [num_samples]; those without an answer are not looked at.
        preference: breaks ties, shape [num_samples]: among the tied keys the one with the most preferred voter
            wins. Minus the length prefers the shortest sample, a confidence the surest, seeded random numbers
            any. Without it, or where it ties too, the key seen first wins.

    Returns:
        The winner, or ``None`` if nobody voted.

    Raises:
        ValueError: the shapes differ, a voter's weight is negative or not finite, or the sum of them is.
    """
    require_one_each(keys, weights, "weights")
    ballots: dict[str, list[float]] = {}
    for index, (key, weight) in enumerate(zip(keys, weights, strict=True)):
        if key is not None:
            require_at_least(weight, 0.0, f"weights[{index}]")
            ballots.setdefault(key, []).append(float(weight))
    totals = _sums(ballots)
    if not any(totals.values()):
        totals = {key: float(len(cast)) for key, cast in ballots.items()}
    election = elected(totals)
    if election is None or preference is None:
        return election
    return Election(_preferred(leading(totals), keys, preference), totals)


def _sums(ballots: Mapping[str, Sequence[float]]) -> dict[str, float]:
    try:
        return {key: math.fsum(cast) for key, cast in ballots.items()}
    except OverflowError:
        raise ValueError("the weights are too great to be summed; divide them all by the greatest") from None


def _preferred(tied: Sequence[str], keys: Sequence[str | None], preference: Sequence[float]) -> str:
    require_one_each(keys, preference, "preference")
    best = {
        key: max(liked for voter, liked in zip(keys, preference, strict=True) if voter == key) for key in tied
    }
    require_all_at_least(list(best.values()), -math.inf, "preference of the tied keys")
    return max(tied, key=best.__getitem__)
