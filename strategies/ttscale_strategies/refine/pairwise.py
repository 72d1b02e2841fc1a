"""Pairwise: every two candidates are compared, in both orders."""

from __future__ import annotations

from dataclasses import dataclass

from ttscale.run import Run
from ttscale.types import Outcome, Problem
from ttscale_strategies.refine._contest import PairContest, Standing
from ttscale_strategies.refine._judge_options import ComparingOptions
from ttscale_strategies.refine.rules import PairScore, pairwise_standing
from ttscale_strategies.refine.rules.league import Meeting


@dataclass(frozen=True, kw_only=True)
class Pairwise(ComparingOptions):
    """The candidate that comes off best when every two are compared, once in each order.

    Scored by how many others it is preferred to (Copeland 1951), by the comparisons that named it, or by the
    strength that makes them likeliest (Bradley & Terry 1952; a fit of Hunter 2004). The best score wins, and of
    equals the first candidate.

    Cost: n samples and at most ``K * n * (n - 1) / 2`` comparisons, of two solutions each; with
    ``verdict=label`` two calls a meeting. Two with the same answer are even without a comparison, so that it is
    less, the more candidates agree, and nothing if all do; who has no answer, or failed, loses without one. A
    meeting begins the moment both its candidates exist. A meeting whose winner is certain is aborted where only
    that counts (``copeland``), and everything once nobody can overtake the leader (not ``bradley_terry``, whose
    scores depend on all comparisons). What runs out of budget takes the candidate that is sure of most so far,
    of equals that whose answer has the most votes. `confidence` is the share of the candidates with an answer
    that have the winner's.
    """

    n: int = 8
    """Candidates, >= 1."""
    num_comparisons: int = 2
    """K, of each meeting, >= 1, half of them in each order."""
    score: PairScore = "copeland"
    """``copeland``, ``points`` or ``bradley_terry``."""

    async def solve(self, problem: Problem, run: Run) -> Outcome:
        """Draw and compare until nobody can overtake the leader, or the budget is spent."""
        return await _Pairwise(self, run).outcome(problem)


class _Pairwise(PairContest[Pairwise]):
    def standing(self) -> Standing[Meeting]:
        """Return who meets whom now, and the scores so far."""
        options, keys = self.options, self.keys
        found = pairwise_standing(
            options.n, keys, self.tallies, score=options.score, num_comparisons=options.num_comparisons
        )
        merits = {index: (found.scores[index],) for index in keys}
        return Standing({meeting: meeting for meeting in found.ready}, found.champion, merits)
