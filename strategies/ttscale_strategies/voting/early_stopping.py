"""Early-stopping self-consistency: draw small windows of samples until one is unanimous."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ttscale.run import Run
from ttscale.types import Outcome, Problem
from ttscale_strategies.checks import require_positive
from ttscale_strategies.voting._options import DrawOptions
from ttscale_strategies.voting.poll import Ballot, Poll, keys_of
from ttscale_strategies.voting.rules import unanimous


@dataclass(frozen=True, kw_only=True)
class EarlyStopping(DrawOptions):
    """ESC: windows of samples, until all of a window agree (Li et al. 2024, arXiv:2401.10480).

    Cost: `window` to n calls, on average ``window * (1 - (1 - q)^(n / window)) / q`` where a window agrees
    with probability q; the prompt once and as many answers. A window is drawn side by side, and the next one
    only when all of it has ended: the method waits there, other questions use the engine meanwhile. The answer
    is the unanimous window's; if none is, the majority of all. A sample without an answer breaks unanimity.
    `confidence` is the winner's share of the votes of its window, or of all.
    """

    n: int = 40
    window: int = 5
    """Samples in a window, >= 1."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(self.window, "window")

    async def solve(self, problem: Problem, run: Run) -> Outcome:
        """Draw windows until one is unanimous, all samples are in, or the budget is spent."""
        poll = Poll(run, electorate=self._voters)
        for start in range(0, self.n, self.window):
            size = min(self.window, self.n - start)
            async with run.sample(problem.prompt, n=size, sampling=self.sampling()) as samples:
                if not await poll.hear(samples):
                    break
            if self._unanimous(poll.ballots) is not None:
                poll.stop_reason = "decided" if len(poll.ballots) < self.n else "finished"
                break
        return poll.outcome()

    def _unanimous(self, ballots: Sequence[Ballot]) -> str | None:
        """Return what all of the last window say, if it is full and was drawn to its end."""
        last = ballots[-self.window :]
        is_full = len(ballots) % self.window == 0 and len(last) == self.window
        return unanimous(keys_of(last)) if is_full else None

    def _voters(self, ballots: Sequence[Ballot]) -> Sequence[Ballot]:
        """Let a unanimous window vote, else all."""
        return ballots if self._unanimous(ballots) is None else ballots[-self.window :]
