"""League: every candidate meets several others before a judge, and the most points win."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ttscale.run import Run
from ttscale.types import Outcome, Problem
from ttscale_strategies.refine._contest import PairContest, Standing
from ttscale_strategies.refine._judge_options import ComparingOptions
from ttscale_strategies.refine.rules import league_schedule, league_standing
from ttscale_strategies.refine.rules.league import Meeting

_NUM_OPPONENTS: Final = 4
"""Where more did not help the paper."""


@dataclass(frozen=True, kw_only=True)
class League(ComparingOptions):
    """A league of n candidates (Chen et al. 2024, arXiv:2411.19477).

    Candidate i meets the m candidates after it (after the last comes the first), K comparisons a meeting, half
    in each order; a comparison is a point for whom it names, the most points win, and of equals the first
    candidate. Unlike a knockout it needs a candidate that is better than others on average only, not one that
    beats each wrong one.

    Cost: n samples and at most ``n * m * K`` comparisons, of two solutions each; with ``verdict=label`` two
    calls a meeting. A meeting begins the moment both its candidates exist, unless they agree and nobody is
    known to disagree; all meetings are independent, so that on an idle engine it takes one sample and one
    comparison one after another. All is aborted as soon as nobody can overtake the leader, and where all
    answers agree nothing is compared.

    A label has no chance in it: with ``verdict=label`` two who meet twice get the same verdict twice, and
    more than ``(n - 1) / 2`` opponents tell nothing new.

    Departures: who has no answer, or failed, loses its meetings without comparisons. What runs out of budget
    takes the candidate with the most points so far, of equals that whose answer has the most votes.
    `confidence` is the share of the candidates with an answer that have the winner's.
    """

    num_opponents: int | None = None
    """m, in [1, n - 1]; ``None``: 4, or all there are. With n - 1 every two meet twice."""

    def __post_init__(self) -> None:
        super().__post_init__()
        league_schedule(self.n, self.most_opponents)

    @property
    def most_opponents(self) -> int:
        """M."""
        return min(_NUM_OPPONENTS, self.n - 1) if self.num_opponents is None else self.num_opponents

    async def solve(self, problem: Problem, run: Run) -> Outcome:
        """Draw and compare until nobody can overtake the leader, or the budget is spent."""
        return await _League(self, run).outcome(problem)


class _League(PairContest[League]):
    def standing(self) -> Standing[Meeting]:
        """Return who meets whom now, and the points so far."""
        options, keys = self.options, self.keys
        found = league_standing(
            options.n,
            keys,
            self.tallies,
            num_opponents=options.most_opponents,
            num_comparisons=options.num_comparisons,
        )
        merits = {index: (float(found.points[index]),) for index in keys}
        return Standing({meeting: meeting for meeting in found.ready}, found.champion, merits)
