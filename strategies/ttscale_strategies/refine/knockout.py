"""Knockout: pairs of candidates meet before a judge, the winners meet, until one is left."""

from __future__ import annotations

from dataclasses import dataclass

from ttscale.run import Run
from ttscale.types import Outcome, Problem
from ttscale_strategies.refine._contest import Contest, Standing
from ttscale_strategies.refine._judge_options import ComparingOptions
from ttscale_strategies.refine.rules import EarlyStop, knockout_bracket, knockout_standing


@dataclass(frozen=True, kw_only=True)
class Knockout(ComparingOptions):
    """A knockout tournament of n candidates (Chen et al. 2024, arXiv:2411.19477).

    Candidates are paired in order of their indices; the winner of a meeting is who more of K comparisons name,
    half of which show the second candidate first; winners meet until one is left. If a candidate is right with
    probability p > 0, and the judge prefers right to wrong ones more often than not, the chance of a wrong
    answer falls exponentially: ``(1 - p)^n + ceil(log2 n) * exp(-2 K (p_cmp - 1/2)^2)`` at most
    (`ttscale_strategies.refine.rules.knockout_failure_bound`).

    Cost: n samples and at most ``(n - 1) * K`` comparisons, so at most ``n * (K + 1)`` calls; with
    ``verdict=label`` two calls a meeting. Each comparison reads two solutions. A meeting begins the moment both
    its candidates exist, while others still decode, and its rest is aborted once its winner is certain; on an
    idle engine it all takes one sample and ``ceil(log2 n)`` comparisons one after another.

    Departures: two with the same answer do not meet, the first goes on (``early_stop=round`` waits until all
    left agree, as the paper does); who has no answer, or failed, loses without comparisons; ties are broken by
    a coin of the run's seed. What runs out of budget takes the most frequent answer of those not beaten.
    `confidence` is the share of the candidates with an answer that have the winner's: the judge has no part in
    it.
    """

    early_stop: EarlyStop = "pair"
    """When agreement makes comparisons needless: ``pair``, ``round`` or ``never``."""

    async def solve(self, problem: Problem, run: Run) -> Outcome:
        """Draw and compare until one candidate is left, or the budget is spent."""
        return await _Knockout(self, run).outcome(problem)


class _Knockout(Contest[int, Knockout]):
    """Meetings are known by their number in the bracket."""

    def __init__(self, options: Knockout, run: Run) -> None:
        super().__init__(options, run)
        self._seed = run.rng.getrandbits(63)
        self._bracket = knockout_bracket(options.n)

    def standing(self) -> Standing[int]:
        """Return which pairs meet next; those beaten are out."""
        options, keys = self.options, self.keys
        found = knockout_standing(
            options.n,
            keys,
            self.tallies,
            num_comparisons=options.num_comparisons,
            early_stop=options.early_stop,
            seed=self._seed,
        )
        entrant = {index: index for index in keys}
        beaten = set[int]()
        for number, winner in found.winners.items():
            pairing = self._bracket[number]
            beaten |= {entrant[pairing.first], entrant[pairing.second]} - {winner}
            entrant[options.n + number] = winner
        return Standing(
            {match.number: (match.first, match.second) for match in found.ready},
            found.champion,
            {index: () for index in keys if index not in beaten},
        )

    def label(self, meeting: int) -> str:
        """Return its number, and the round."""
        return f"meeting {meeting} of round {self._bracket[meeting].round}"
