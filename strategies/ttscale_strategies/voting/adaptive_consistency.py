"""Adaptive-Consistency: draw until the leading answer is probably the most frequent one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ttscale.run import Run
from ttscale.types import Outcome, Problem
from ttscale_strategies.checks import require_positive
from ttscale_strategies.voting._options import DrawOptions
from ttscale_strategies.voting.agreement import Agreement
from ttscale_strategies.voting.poll import Ballot, DecideBy, Poll, keys_of
from ttscale_strategies.voting.rules import Criterion, is_consistent


@dataclass(frozen=True, kw_only=True)
class AdaptiveConsistency(DrawOptions):
    """Majority vote that stops once the answers agree enough (Aggarwal et al. 2023, arXiv:2305.11860).

    Cost: 2 to n calls, the fewer the easier the question; the prompt once and as many answers. One sample is
    drawn after another, as in the paper: nothing is drawn that the rule could have saved. A greater `window`
    keeps more at work at once, which is quicker and draws up to window - 1 samples in vain. The rule looks at
    the first samples drawn, all of which have ended; with ``decide_by="arrival"`` at whatever has ended, which
    is quicker still and favours the answers of short samples. `confidence` is the winner's share of the votes.
    """

    n: int = 40
    criterion: Criterion = "beta"
    """What is compared with the threshold, see `ttscale_strategies.voting.rules.is_consistent`."""
    threshold: float | None = None
    """In [0, 1]; ``None``: the paper's code's, 0.95 for ``"beta"``."""
    window: int = 1
    """Samples at work at once, >= 1."""
    decide_by: DecideBy = "index"

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(self.window, "window")
        is_consistent([], self.criterion, threshold=self.threshold)

    async def solve(self, problem: Problem, run: Run) -> Outcome:
        """Vote when the answers agree enough, all samples are in, or the budget is spent."""

        def agree(ballots: Sequence[Ballot]) -> bool:
            return is_consistent(keys_of(ballots), self.criterion, threshold=self.threshold)

        agreement = Agreement(agree, self.decide_by)
        poll = Poll(run, electorate=agreement, decide_by=self.decide_by)
        return await poll.draw(
            problem,
            n=self.n,
            sampling=self.sampling(),
            until=lambda: agreement.is_reached,
            window=self.window,
        )
