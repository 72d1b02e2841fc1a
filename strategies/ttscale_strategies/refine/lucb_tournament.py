"""LUCB tournament: rounds of meetings, after each of which those surely behind are dropped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from ttscale.run import Run
from ttscale.types import Outcome, Problem
from ttscale_strategies.checks import require_at_least, require_positive
from ttscale_strategies.refine._contest import Contest, Standing
from ttscale_strategies.refine._judge_options import ComparingOptions
from ttscale_strategies.refine.rules import Lucb, Tally, league_schedule
from ttscale_strategies.refine.rules.league import Meeting

RoundMeeting: TypeAlias = tuple[int, int, int]
"""The round, from 0, and the two candidates."""

_MAX_DRAWS: Final = 100
"""Rounds drawn in search of one in which somebody meets somebody of another answer."""


@dataclass(frozen=True, kw_only=True)
class LucbTournament(ComparingOptions):
    """Comparisons go to those who may still be best (Chen et al. 2024, arXiv:2411.19477).

    A variant of the paper's code, after LUCB (Kalyanakrishnan et al. 2012). In each round every candidate left
    meets `num_opponents` others, drawn with the run's seed, K comparisons a meeting, half in each order. A win
    rate is known up to ``± sqrt(bonus / comparisons)``; after a round those are dropped whose interval ends
    below 1/2, or below the beginning of another's. It ends when one is left, all left agree, or
    `max_comparisons` are spent: then the best win rate wins, and of equals the first candidate.

    Cost: n samples and at most `max_comparisons` comparisons, of two solutions each; with ``verdict=label`` two
    calls a meeting. The meetings of a round run side by side, and who meets next is known when all of them have
    ended (delayed information), so that the order in which comparisons end is no matter. In the first round
    each candidate meets the next one of index (after the last comes the first), and each meeting begins the
    moment both exist.

    A judge's label has no chance in it: with ``verdict=label`` no two meet more than once, and it ends when
    nobody is left to meet.

    Departures: two with the same answer do not meet, as it does not matter which of them is chosen; who has no
    answer, or failed, is dropped at the beginning. Of a last round that `max_comparisons` does not pay, the
    first meetings are held. What runs out of budget takes the best win rate after the last whole round, and
    before the first the most frequent answer. `confidence` is the share of the candidates with an answer that
    have the winner's.
    """

    num_comparisons: int = 2
    """K, of each meeting, >= 1, half of them in each order."""
    num_opponents: int = 1
    """That each candidate draws in a round, from the second round on, >= 1."""
    max_comparisons: int = 128
    """>= `num_comparisons`."""
    bonus: float = 0.99
    """Of the intervals, >= 0: greater, and candidates are dropped later."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(self.num_opponents, "num_opponents")
        require_at_least(self.max_comparisons, self.num_comparisons, "max_comparisons")
        require_at_least(self.bonus, 0.0, "bonus")

    async def solve(self, problem: Problem, run: Run) -> Outcome:
        """Draw and compare until the champion is known, or the budget is spent."""
        return await _LucbTournament(self, run).outcome(problem)


class _LucbTournament(Contest[RoundMeeting, LucbTournament]):
    """Rounds already counted are remembered; the others follow from what is known."""

    def __init__(self, options: LucbTournament, run: Run) -> None:
        super().__init__(options, run)
        self._seed = run.rng.getrandbits(63)
        self._state: Lucb | None = None
        self._num_left = options.max_comparisons
        self._met = set[frozenset[int]]()
        ring = self._untold(league_schedule(options.n, min(1, options.n - 1)))
        self._round: Sequence[Meeting] = ring[: self._num_left // options.num_comparisons]
        self._champion: int | None = None

    def standing(self) -> Standing[RoundMeeting]:
        """Return the meetings of this round that have not ended, once the rounds that have are counted."""
        keys = self.keys
        if len(keys) == self.options.n:
            self._count_rounds(keys)
        number = 0 if self._state is None else self._state.num_rounds
        ready = {
            (number, *meeting): meeting
            for meeting in self._wanted(self._round, keys)
            if not self._is_whole(number, meeting)
        }
        if self._state is None:
            return Standing(ready, self._champion, dict.fromkeys(keys, ()))
        merits = {index: (self._state.interval(index).rate,) for index in self._state.survivors}
        return Standing(ready, self._champion, merits)

    def label(self, meeting: RoundMeeting) -> str:
        """Return the two candidates, and the round."""
        return f"{meeting[1]} and {meeting[2]} in round {meeting[0]}"

    def _count_rounds(self, keys: Mapping[int, str | None]) -> None:
        """Count the rounds that have ended, and draw the one that comes next, now that all candidates exist."""
        options = self.options
        state = self._state
        if state is None:
            answered = tuple(index for index in range(options.n) if keys[index] is not None)
            if not answered:
                self._champion = 0
                return
            state = Lucb(options.n, answered, bonus=options.bonus)
            self._champion = state.champion(keys)
            self._round = self._wanted(self._round, keys)
        while self._champion is None and all(self._is_whole(state.num_rounds, one) for one in self._round):
            self._num_left -= options.num_comparisons * len(self._round)
            self._met |= {frozenset(one) for one in self._round}
            tallies = {one: self.tallies.get((state.num_rounds, *one), Tally()) for one in self._round}
            self._state = state = state.after(tallies)
            self._champion = state.champion(keys)
            if self._champion is None:
                self._state = state = self._next_round(state, keys)
            if not self._round:
                self._champion = state.leader

    def _next_round(self, state: Lucb, keys: Mapping[int, str | None]) -> Lucb:
        """Draw a round in which somebody meets; return the state with the rounds passed over."""
        options, self._round = self.options, ()
        most = self._num_left // options.num_comparisons
        for _ in range(_MAX_DRAWS if most else 0):
            drawn = state.next_meetings(num_opponents=options.num_opponents, seed=self._seed)
            self._round = self._untold(self._wanted(drawn, keys))[:most]
            if self._round:
                break
            state = replace(state, num_rounds=state.num_rounds + 1)
        return state

    def _untold(self, meetings: Sequence[Meeting]) -> Sequence[Meeting]:
        """Return the meetings that may tell something new: a label says the same of a pair every time."""
        if self.options.verdict == "text":
            return meetings
        new = {pair: one for one in meetings if (pair := frozenset(one)) not in self._met}
        return list(new.values())

    def _is_whole(self, number: int, meeting: Meeting) -> bool:
        tally = self.tallies.get((number, *meeting), Tally())
        return tally.num_comparisons == self.options.num_comparisons

    def _wanted(self, meetings: Sequence[Meeting], keys: Mapping[int, str | None]) -> Sequence[Meeting]:
        """Return the meetings of candidates that exist and have answers, different ones."""
        return [
            (first, second)
            for first, second in meetings
            if (one := keys.get(first)) is not None and (other := keys.get(second)) is not None and one != other
        ]
