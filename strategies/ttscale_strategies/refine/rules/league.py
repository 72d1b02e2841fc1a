"""Tournaments in which a candidate meets several others: leagues, and those that drop who is surely behind."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from ttscale_strategies.checks import require_at_least, require_share
from ttscale_strategies.refine.rules.comparisons import Tally, agreed
from ttscale_strategies.refine.rules.tournaments import coin_seed

Meeting = tuple[int, int]
"""Two candidates, in the order in which the first comparison shows them."""


@dataclass(frozen=True, slots=True)
class LeagueStanding:
    """What is known of a league."""

    ready: tuple[Meeting, ...]
    """Meetings that need comparisons and whose two candidates exist; none once the champion is certain."""
    points: tuple[int, ...]
    """Of each candidate so far, shape [num_candidates]."""
    champion: int | None = None
    """``None`` as long as it is not certain."""


class WinRateInterval(NamedTuple):
    """Where the win rate of a candidate is believed to lie, within [0, 1]."""

    low: float
    rate: float
    high: float


def league_schedule(num_candidates: int, num_opponents: int | None = None) -> tuple[Meeting, ...]:
    """Return all meetings of a league.

    Chen et al. 2024, arXiv:2411.19477: candidate i meets i + 1, …, i + m (modulo N). With m = N - 1 every two
    meet twice.

    Args:
        num_candidates: N, >= 1.
        num_opponents: m, in [1, N - 1]; ``None``: N - 1. A single candidate has none.

    Raises:
        ValueError: a number is out of its range.
    """
    require_at_least(num_candidates, 1, "num_candidates")
    most = num_candidates - 1
    opponents = most if num_opponents is None else num_opponents
    if not min(1, most) <= opponents <= most:
        raise ValueError(f"num_opponents must lie in [{min(1, most)}, {most}], got {opponents!r}")
    return tuple(
        (candidate, (candidate + distance) % num_candidates)
        for candidate in range(num_candidates)
        for distance in range(1, opponents + 1)
    )


def league_points(num_candidates: int, tallies: Mapping[Meeting, Tally]) -> tuple[int, ...]:
    """Return the points of all candidates: one for every comparison that named them (arXiv:2411.19477).

    Args:
        num_candidates: N, >= 1.
        tallies: of the meetings so far.

    Returns:
        Shape [num_candidates].

    Raises:
        ValueError: a candidate does not exist, or meets itself.
    """
    require_at_least(num_candidates, 1, "num_candidates")
    points = [0] * num_candidates
    for (first, second), tally in tallies.items():
        if first == second or not 0 <= min(first, second) <= max(first, second) < num_candidates:
            raise ValueError(f"there is no meeting {(first, second)!r} of {num_candidates} candidates")
        points[first] += tally.first
        points[second] += tally.second
    return tuple(points)


def league_standing(
    num_candidates: int,
    keys: Mapping[int, str | None],
    tallies: Mapping[Meeting, Tally],
    *,
    num_opponents: int | None = None,
    num_comparisons: int = 4,
) -> LeagueStanding:
    """Return how a league stands, given all that is known; in whatever order that came, it ends the same.

    arXiv:2411.19477: the most points win, and of equals the first candidate; where all answers agree, the
    first candidate wins without comparisons. Ours: a candidate without an answer loses all its meetings without
    comparisons, and is champion only if nobody has one; a meeting of two with the same answer waits until
    some other answer is known; and the champion is named as soon as nobody can overtake.

    Args:
        num_candidates: N, >= 1.
        keys: the answer keys of the candidates that exist, by candidate; ``None``: it has no answer, or failed.
        tallies: what the comparisons said so far, by meeting of `league_schedule`.
        num_opponents: see `league_schedule`.
        num_comparisons: K, of each meeting, >= 1.

    Raises:
        ValueError: a number is out of its range, or there is no such meeting.
    """
    require_at_least(num_comparisons, 1, "num_comparisons")
    schedule = league_schedule(num_candidates, num_opponents)
    if unknown := tallies.keys() - set(schedule):
        raise ValueError(f"there is no meeting {min(unknown)!r} in this league of {num_candidates} candidates")
    answered = [candidate for candidate in range(num_candidates) if keys.get(candidate, "") is not None]
    agrees = agreed(answered, keys)
    if agrees:
        points = league_points(num_candidates, tallies)
        return LeagueStanding((), points, champion=answered[0] if answered else 0)
    counted = {
        meeting: _counted(meeting, keys, tallies.get(meeting, Tally()), num_comparisons) for meeting in schedule
    }
    points = league_points(num_candidates, counted)
    gains = [0] * num_candidates
    for meeting, tally in counted.items():
        for candidate in meeting:
            gains[candidate] += num_comparisons - tally.num_comparisons
    # as long as all known answers agree, those of others might too, and then the first of all wins
    champion = None if agrees is None else _certain_leader(points, gains, answered)
    if champion not in keys:
        champion = None
    ready = tuple(
        meeting
        for meeting, tally in counted.items()
        if tally.num_comparisons < num_comparisons
        and all(candidate in keys for candidate in meeting)
        and (keys[meeting[0]] != keys[meeting[1]] or agrees is not None)
    )
    return LeagueStanding(() if champion is not None else ready, points, champion)


def _counted(meeting: Meeting, keys: Mapping[int, str | None], tally: Tally, num_comparisons: int) -> Tally:
    """Return what a meeting counts for: where only one has an answer, it has all points."""
    if tally.num_comparisons > num_comparisons:
        raise ValueError(
            f"{tally.num_comparisons} comparisons are too many for the meeting {meeting!r} of {num_comparisons}"
        )
    silent = [keys.get(candidate, "") is None for candidate in meeting]
    if not any(silent):
        return tally
    if all(silent):
        return Tally(void=num_comparisons)
    is_known = all(candidate in keys for candidate in meeting)
    if not is_known:
        return Tally()
    return Tally(second=num_comparisons) if silent[0] else Tally(first=num_comparisons)


def _certain_leader(points: Sequence[int], gains: Sequence[int], answered: Sequence[int]) -> int | None:
    """Return the candidate that nobody can overtake, whoever gets all that is left to get."""
    leader = max(answered, key=points.__getitem__)
    for other in answered:
        most = points[other] + gains[other]
        if other != leader and (most > points[leader] or (most == points[leader] and other < leader)):
            return None
    return leader


def league_failure_bound(num_candidates: int, num_comparisons: int, *, p_strong: float, gap: float) -> float:
    """Return an upper bound of the chance that a league in which all meet ends with a wrong answer.

    arXiv:2411.19477: (1 - p_cs)^N + 2N exp(-KΔ²/8) + 2N exp(-(N - 1)Δ²/8).

    Args:
        num_candidates: N, >= 1.
        num_comparisons: K, of each meeting, >= 1.
        p_strong: p_cs, the chance that a candidate is right and, on average over opponents, wins clearly,
            in [0, 1].
        gap: Δ, by how much the mean win rate of such a candidate is above that of any wrong one, in [0, 1].

    Returns:
        At least 0; above 1 it says nothing.

    Raises:
        ValueError: a number is out of its range.
    """
    require_at_least(num_candidates, 1, "num_candidates")
    require_at_least(num_comparisons, 1, "num_comparisons")
    require_share(p_strong, "p_strong")
    require_share(gap, "gap")
    noise = math.exp(-num_comparisons * gap**2 / 8.0) + math.exp(-(num_candidates - 1) * gap**2 / 8.0)
    return (1.0 - p_strong) ** num_candidates + 2.0 * num_candidates * noise


def win_rate_interval(num_wins: int, num_comparisons: int, *, bonus: float = 0.99) -> WinRateInterval:
    """Return rate ± sqrt(bonus / comparisons), within [0, 1]: wide where little is known.

    arXiv:2411.19477, the LUCB variant of its code.

    Args:
        num_wins: >= 0.
        num_comparisons: that named somebody, >= num_wins; of none, the rate is ½ and the interval [0, 1].
        bonus: >= 0.

    Raises:
        ValueError: a number is out of its range.
    """
    require_at_least(num_wins, 0, "num_wins")
    require_at_least(num_comparisons, num_wins, "num_comparisons")
    require_at_least(bonus, 0.0, "bonus")
    if num_comparisons == 0:
        return WinRateInterval(0.0, 0.5, 1.0)
    rate, half = num_wins / num_comparisons, math.sqrt(bonus / num_comparisons)
    return WinRateInterval(max(0.0, rate - half), rate, min(1.0, rate + half))


@dataclass(frozen=True, slots=True)
class Lucb:
    """A tournament in rounds, after each of which those surely behind are dropped.

    arXiv:2411.19477, the variant of its code, after LUCB (Kalyanakrishnan et al. 2012). A round's meetings
    may run in any order; only once all of them are counted is the next round known.

    Raises:
        ValueError: no candidate is left, or one does not exist.
    """

    num_candidates: int
    """N, >= 1."""
    survivors: tuple[int, ...]
    """Candidates not dropped, in order; at least one. Those without an answer should not even begin."""
    wins: tuple[tuple[int, ...], ...] = ()
    """wins[i][j]: comparisons with j that named i, shape [N, N]; left out: none yet."""
    num_rounds: int = 0
    """Rounds counted."""
    bonus: float = 0.99
    """Of `win_rate_interval`."""

    def __post_init__(self) -> None:
        require_at_least(self.num_candidates, 1, "num_candidates")
        if not self.survivors:
            raise ValueError("a tournament needs at least one survivor")
        if sorted(set(self.survivors)) != list(self.survivors) or not (
            self.survivors[0] >= 0 and self.survivors[-1] < self.num_candidates
        ):
            raise ValueError(
                f"survivors must be different candidates below {self.num_candidates}, in order, "
                f"got {self.survivors!r}"
            )

    def interval(self, candidate: int) -> WinRateInterval:
        """Return the interval of a candidate's win rate against those not dropped."""
        return self._interval(candidate, self.survivors)

    def _interval(self, candidate: int, others: Sequence[int]) -> WinRateInterval:
        won = sum(self.wins[candidate][other] for other in others) if self.wins else 0
        lost = sum(self.wins[other][candidate] for other in others) if self.wins else 0
        return win_rate_interval(won, won + lost, bonus=self.bonus)

    def next_meetings(self, *, num_opponents: int = 1, seed: int = 0) -> tuple[Meeting, ...]:
        """Return the meetings of the next round: every survivor with so many others, drawn with the seed.

        Args:
            num_opponents: >= 1; more than there are: each of them once.
            seed: the same seed gives the same meetings of each round, whatever was drawn before.

        Returns:
            None where one survivor is left.

        Raises:
            ValueError: num_opponents is less than 1.
        """
        require_at_least(num_opponents, 1, "num_opponents")
        rng = random.Random(coin_seed(seed, self.num_rounds))
        meetings: list[Meeting] = []
        for candidate in self.survivors:
            others = [other for other in self.survivors if other != candidate]
            drawn = rng.sample(others, min(num_opponents, len(others)))
            meetings += [(candidate, other) for other in drawn]
        return tuple(meetings)

    def after(self, tallies: Mapping[Meeting, Tally]) -> Lucb:
        """Return the tournament after a round: a candidate is dropped if high < max(greatest low, ½).

        Comparisons with those dropped no longer count, so dropping goes on until nobody is. Somebody is always
        left: the wins of those left are half of their comparisons. Comparisons that named nobody do not count.

        Args:
            tallies: all of the round's.

        Raises:
            ValueError: a candidate does not exist, or meets itself.
        """
        league_points(self.num_candidates, tallies)  # refuses meetings that cannot be
        none = [[0] * self.num_candidates for _ in range(self.num_candidates)]
        wins = [list(row) for row in self.wins] if self.wins else none
        for (first, second), tally in tallies.items():
            wins[first][second] += tally.first
            wins[second][first] += tally.second
        counted = replace(self, wins=tuple(map(tuple, wins)), num_rounds=self.num_rounds + 1)
        left = counted.survivors
        while (kept := counted._kept(left)) != left:
            left = kept
        return replace(counted, survivors=left)

    def _kept(self, left: tuple[int, ...]) -> tuple[int, ...]:
        intervals = {candidate: self._interval(candidate, left) for candidate in left}
        least = max(0.5, *(interval.low for interval in intervals.values()))
        return tuple(candidate for candidate in left if intervals[candidate].high >= least)

    def champion(self, keys: Mapping[int, str | None]) -> int | None:
        """Return the champion if no further round is needed: one survivor, or all have the same answer.

        Of several it is the one with the best win rate, and of equals the first.

        Args:
            keys: of the survivors at least.
        """
        return self.leader if agreed(self.survivors, keys) else None

    @property
    def leader(self) -> int:
        """The survivor with the best win rate, of equals the first; the champion where rounds run out."""
        return max(self.survivors, key=lambda candidate: self.interval(candidate).rate)
