"""Knockout tournaments: pairs of candidates meet, and the winners meet, until one is left.

All of it follows from what is known so far: which candidates exist, and what the comparisons said. So a driver
may start a meeting the moment its two candidates exist, and whatever ends first, the champion is the same.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from hashlib import blake2b
from types import MappingProxyType
from typing import Literal

from ttscale_strategies.checks import require_at_least, require_share
from ttscale_strategies.refine.rules.comparisons import Tally, agreed, meeting_winner

EarlyStop = Literal["pair", "round", "never"]
"""When a winner needs no comparisons, as the answers agree.

``"pair"``: in every meeting of two candidates with the same answer. ``"round"``: once all candidates left have
the same answer, as in the paper; a meeting of two with the same answer must wait until that is known of the
whole round. ``"never"``.
"""


@dataclass(frozen=True, slots=True)
class Pairing:
    """A place in the bracket; its number is its index among all.

    Entrants below the number of candidates N are candidates; N + m is the winner of the pairing of index m.
    """

    round: int
    """From 0."""
    first: int
    second: int


@dataclass(frozen=True, slots=True)
class Match:
    """A meeting of two candidates that exist."""

    number: int
    """Of the pairing, from 0; comparisons are counted under it."""
    round: int
    """From 0."""
    first: int
    """A candidate."""
    second: int
    """Another."""


@dataclass(frozen=True, slots=True)
class KnockoutStanding:
    """What is known of a tournament."""

    ready: tuple[Match, ...]
    """Meetings whose two candidates exist and whose winner only comparisons can tell."""
    winners: Mapping[int, int] = field(default_factory=lambda: MappingProxyType({}))
    """Of the meetings that are decided, number to candidate."""
    walkovers: tuple[int, ...] = ()
    """Numbers of those decided without comparisons."""
    champion: int | None = None
    """The last winner; ``None`` as long as there is none."""


@cache
def knockout_bracket(num_candidates: int) -> tuple[Pairing, ...]:
    """Return who meets whom, round by round: N - 1 pairings, the last one the final.

    Chen et al. 2024, arXiv:2411.19477: consecutive entrants of a round meet; an odd last one goes on without
    a meeting and stands first in the next round.

    Args:
        num_candidates: N, >= 1; of one candidate there are no pairings.

    Raises:
        ValueError: there are no candidates.
    """
    require_at_least(num_candidates, 1, "num_candidates")
    pairings: list[Pairing] = []
    entrants, number_of_round = list(range(num_candidates)), 0
    while len(entrants) > 1:
        byes = entrants[-1:] if len(entrants) % 2 else []
        met = list(zip(entrants[::2], entrants[1::2], strict=False))
        winners = [num_candidates + len(pairings) + place for place in range(len(met))]
        pairings += [Pairing(number_of_round, first, second) for first, second in met]
        entrants, number_of_round = byes + winners, number_of_round + 1
    return tuple(pairings)


def knockout_standing(
    num_candidates: int,
    keys: Mapping[int, str | None],
    tallies: Mapping[int, Tally],
    *,
    num_comparisons: int = 4,
    early_stop: EarlyStop = "pair",
    seed: int = 0,
) -> KnockoutStanding:
    """Return how a knockout tournament stands, given all that is known.

    arXiv:2411.19477: the winner of a meeting is who more of K comparisons name; once all answers left agree,
    the first of each pair goes on without comparisons. Ours: a candidate without an answer loses to one with
    an answer, without comparisons; a tie of points is broken by a coin of this seed and meeting; and with
    ``early_stop="pair"``, the default, two candidates of one answer never need comparisons, as the answer
    that goes on is known. That saves at least what the paper's rule saves, and nothing has to be waited for.

    Args:
        num_candidates: N, >= 1.
        keys: the answer keys of the candidates that exist, by candidate; ``None``: it has no answer, or failed.
        tallies: what the comparisons said so far, by number of the meeting, its first and second as in `Match`.
        num_comparisons: K, a meeting's, >= 1; an even one treats both places the same.
        early_stop: see `EarlyStop`.
        seed: of the coins.

    Raises:
        ValueError: a number is out of its range, or there is no such candidate or meeting.
    """
    require_at_least(num_comparisons, 1, "num_comparisons")
    pairings = knockout_bracket(num_candidates)
    _require_known(keys, num_candidates, "candidate")
    _require_known(tallies, len(pairings), "meeting")
    if not pairings:
        return KnockoutStanding((), champion=0 if 0 in keys else None)
    # an entrant that is no candidate yet is not in here
    at: dict[int, int] = {candidate: candidate for candidate in keys}
    ready: list[Match] = []
    walkovers: list[int] = []
    winners: dict[int, int] = {}
    for number, pairing in enumerate(pairings):
        if pairing.first not in at or pairing.second not in at:
            continue
        match = Match(number, pairing.round, at[pairing.first], at[pairing.second])
        walkover = _walkover(match, keys)
        if walkover is None and keys[match.first] == keys[match.second] and early_stop != "never":
            agrees = True if early_stop == "pair" else _round_agrees(num_candidates, pairing.round, at, keys)
            if agrees is None:
                continue
            walkover = match.first if agrees else None
        if walkover is not None:
            winner: int | None = walkover
            walkovers.append(number)
        else:
            winner = _compared(match, tallies.get(number, Tally()), num_comparisons, seed)
        if winner is None:
            ready.append(match)
        else:
            winners[number] = at[num_candidates + number] = winner
    champion = winners.get(len(pairings) - 1)
    return KnockoutStanding(tuple(ready), MappingProxyType(winners), tuple(walkovers), champion)


def _walkover(match: Match, keys: Mapping[int, str | None]) -> int | None:
    """Return who goes on as only one, or neither, has an answer."""
    if keys[match.first] is not None and keys[match.second] is not None:
        return None
    return match.second if keys[match.first] is None and keys[match.second] is not None else match.first


def _compared(match: Match, tally: Tally, num_comparisons: int, seed: int) -> int | None:
    side = meeting_winner(tally, num_comparisons, seed=coin_seed(seed, match.number))
    return None if side is None else (match.first, match.second)[side]


def _round_agrees(
    num_candidates: int, number_of_round: int, at: Mapping[int, int], keys: Mapping[int, str | None]
) -> bool | None:
    """Return whether all candidates left at the start of a round agree, ``None`` where that is open."""
    pairings = knockout_bracket(num_candidates)
    before = {
        place
        for pairing in pairings
        for place in (pairing.first, pairing.second)
        if pairing.round < number_of_round
    }
    born = num_candidates + sum(pairing.round < number_of_round for pairing in pairings)
    entrants = [place for place in range(born) if place not in before]
    return agreed([at.get(place, -1) for place in entrants], keys)


def coin_seed(seed: int, number: int) -> int:
    """Return the seed of one meeting's coin: the coins of different meetings, or seeds, are not related."""
    return int.from_bytes(blake2b(f"{seed} {number}".encode(), digest_size=8).digest(), "big")


def _require_known(numbers: Mapping[int, object], count: int, kind: str) -> None:
    for number in numbers:
        if not 0 <= number < count:
            raise ValueError(f"there is no {kind} {number!r}, only {count} from 0")


def num_knockout_rounds(num_candidates: int) -> int:
    """Return ⌈log2 N⌉: the rounds of meetings that follow one another (arXiv:2411.19477).

    Raises:
        ValueError: there are no candidates.
    """
    require_at_least(num_candidates, 1, "num_candidates")
    return (num_candidates - 1).bit_length()


def max_knockout_calls(num_candidates: int, num_comparisons: int) -> int:
    """Return the most calls of a model: N candidates and (N - 1) · K comparisons, at most N · (K + 1).

    arXiv:2411.19477.

    Raises:
        ValueError: a number is less than 1.
    """
    require_at_least(num_candidates, 1, "num_candidates")
    require_at_least(num_comparisons, 1, "num_comparisons")
    return num_candidates + (num_candidates - 1) * num_comparisons


def knockout_failure_bound(
    num_candidates: int, num_comparisons: int, *, p_correct: float, p_compare: float
) -> float:
    """Return an upper bound of the chance that a knockout tournament ends with a wrong answer.

    arXiv:2411.19477: (1 - p_gen)^N + ⌈log2 N⌉ · exp(-2K (p_cmp - ½)²), for independent candidates and
    comparisons.

    Args:
        num_candidates: N, >= 1.
        num_comparisons: K, of each meeting, >= 1.
        p_correct: p_gen, the chance that a candidate is right, in [0, 1].
        p_compare: p_cmp, the chance that a comparison of a right with a wrong candidate names the right one,
            in [0.5, 1].

    Returns:
        At least 0; above 1 it says nothing.

    Raises:
        ValueError: a number is out of its range. A judge that is worse than a coin has no bound.
    """
    require_at_least(num_candidates, 1, "num_candidates")
    require_at_least(num_comparisons, 1, "num_comparisons")
    require_share(p_correct, "p_correct")
    if not 0.5 <= p_compare <= 1.0:
        raise ValueError(f"p_compare must lie in [0.5, 1], got {p_compare!r}")
    lost = math.exp(-2.0 * num_comparisons * (p_compare - 0.5) ** 2)
    return (1.0 - p_correct) ** num_candidates + num_knockout_rounds(num_candidates) * lost
