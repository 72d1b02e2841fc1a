"""Shortest-majority voting: answers whose samples are short count for more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ttscale.run import Run
from ttscale.types import Outcome, Problem
from ttscale_strategies.voting._options import DrawOptions
from ttscale_strategies.voting.poll import Ballot, Poll, Rule, keys_of
from ttscale_strategies.voting.rules import Election, LengthLaw, shortest_majority


def shortest_rule(law: LengthLaw) -> Rule:
    """Return the rule of shortest-majority voting for a poll."""

    def elect(ballots: Sequence[Ballot]) -> Election | None:
        return shortest_majority(keys_of(ballots), [ballot.sample.num_tokens for ballot in ballots], law=law)

    return elect


@dataclass(frozen=True, kw_only=True)
class ShortestMajority(DrawOptions):
    """The answer with the greatest votes / law(mean length) (Zeng et al. 2025, arXiv:2502.12215).

    Cost: n calls; the prompt once and n answers. Nothing is stopped early: a sample that still runs is a long
    one, and how long it gets decides. `confidence` is the winner's share of the quotients.
    """

    law: LengthLaw = "ln"
    """What of a mean length the votes are divided by; the paper found ``"ln"`` the most stable."""

    async def solve(self, problem: Problem, run: Run) -> Outcome:
        """Vote when all samples are in, or the budget is spent."""
        poll = Poll(run, shortest_rule(self.law))
        return await poll.draw(problem, n=self.n, sampling=self.sampling())
