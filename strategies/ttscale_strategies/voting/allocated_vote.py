"""Allocated vote: one budget for many questions, and the next sample for the one that needs it most."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from ttscale.run import Run
from ttscale.types import Outcome, Problem
from ttscale_strategies.checks import require_positive
from ttscale_strategies.voting._options import DrawOptions
from ttscale_strategies.voting.poll import Poll, keys_of
from ttscale_strategies.voting.rules import marginal_value


@dataclass(frozen=True, kw_only=True)
class AllocatedVote(DrawOptions):
    """Majority vote whose questions share a budget, spent where it may still change an answer.

    The setting is that of Damani et al. 2024 (arXiv:2410.04707) and Zuo and Zhu 2025 (arXiv:2506.12721): a
    total for all questions, spent on the go. Neither's predictor or reward is used; a question is known by its
    answers so far, as in Adaptive-Consistency (arXiv:2305.11860). Every question has its `first` samples before
    any has more. After that each bids the chance that the samples it still may have would change its majority,
    and the highest bid has the next `step` samples; a question whose vote is decided asks for no more.

    Cost: `first` to n calls a question, and as many answers; the prompt once where the engine keeps a prefix
    cache, else once a turn, which a greater `step` makes fewer. Where questions share a budget
    (`Engine.purse`, or the engine's own) the answers of the others decide how many: the same question may
    have fewer beside harder ones. So outcomes depend on what else is solved and on which of several samples at
    work ends first; on a virtual clock that is the same each time. Alone, or without a shared budget, every bid
    wins: samples are drawn one after another until the vote is decided, and the answer is that of all n.
    Waiting for a turn costs no tokens, but time: a limit of seconds goes on. `confidence` is the winner's share
    of the votes.
    """

    first: int = 1
    """Samples that every question is asked for at first, drawn side by side, >= 1; at most n."""
    step: int = 1
    """Samples a turn after that, drawn side by side, >= 1."""

    takes_turns: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(self.first, "first")
        require_positive(self.step, "step")
        if self.first > self.n:
            raise ValueError(f"first must be at most n = {self.n}, got {self.first!r}")

    async def solve(self, problem: Problem, run: Run) -> Outcome:
        """Draw as long as the vote is open, in turn with all others, until n are in or the budget is spent."""
        poll = Poll(run)
        num, value = self.first, math.inf
        async with run.bidder() as bidder:
            while value > 0.0:
                await bidder.claim(value)
                async with run.sample(problem.prompt, n=num, sampling=self.sampling()) as samples:
                    if not await poll.hear(samples):
                        break
                num = min(self.step, self.n - len(poll.ballots))
                value = marginal_value(keys_of(poll.ballots), max_samples=self.n)
        if poll.stop_reason == "finished" and len(poll.ballots) < self.n:
            poll.stop_reason = "decided"
        return poll.outcome()
