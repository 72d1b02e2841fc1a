"""REBASE: the better a step, the more children."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ttscale.run import Run
from ttscale.types import Outcome, Problem
from ttscale_strategies.search._options import WidthOptions
from ttscale_strategies.search.levels import Levels
from ttscale_strategies.search.rules import Rounding, least_rebase_widths, rebase_widths


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """The rule of REBASE: children by a softmax of the rewards."""

    temperature: float
    rounding: Rounding

    def widths(self, rewards: Sequence[float], budget: int) -> Sequence[int]:
        """See `rebase_widths`."""
        return rebase_widths(rewards, budget, temperature=self.temperature, rounding=self.rounding)

    def least(self, rewards: Sequence[float], budget: int, num_pending: int) -> Sequence[int]:
        """See `least_rebase_widths`; nothing is certain of shares that are rounded one by one."""
        if self.rounding == "nearest" and num_pending:
            return [0] * len(rewards)
        if self.rounding == "nearest":
            return self.widths(rewards, budget)
        return least_rebase_widths(rewards, budget, num_pending=num_pending, temperature=self.temperature)


@dataclass(frozen=True, kw_only=True)
class Rebase(WidthOptions):
    """Reward-balanced search: children by a softmax of rewards (Wu et al. 2024, arXiv:2408.00724).

    `width` first steps are drawn; then at each depth as many next steps as solutions have not ended yet, node j
    getting the share exp(R_j / T) of them. `confidence` is the answer's share of the votes.

    Cost: at most width · max_depth calls and as many verifications; a prefix cache computes prompts once.

    Departures: a node gets those children at once that are certain, whatever the scores still out will be; in
    the end each has the paper's number. The released code's greedy rounding up is the default, guarded against
    rounding noise; see `rebase_widths`. Equal steps below the same parent are one.
    """

    balance: float = 0.2
    """T of the softmax, > 0; the paper has 0.1, the released configuration 0.2."""
    rounding: Rounding = "ceil"
    """How shares become whole children: ``"ceil"`` as in the released code, ``"nearest"`` as in the paper."""

    def __post_init__(self) -> None:
        super().__post_init__()
        rebase_widths((), 0, temperature=self.balance, rounding=self.rounding)

    def max_samples(self) -> int | None:
        """Return width · max_depth; with rounding to the nearest there is no such bound."""
        return super().max_samples() if self.rounding == "ceil" else None

    async def solve(self, problem: Problem, run: Run) -> Outcome:
        """Search until all paths have ended, or the budget is spent."""
        rule = Balance(temperature=self.balance, rounding=self.rounding)
        return await self.search(run, Levels(rule, width=self.width, ahead=self.ahead)).outcome()
