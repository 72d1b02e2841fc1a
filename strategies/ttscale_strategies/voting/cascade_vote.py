"""A plain vote as a stage of a cascade: it ends when what the cascade wants of it is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, TypeGuard

from ttscale.run import Run
from ttscale.strategy import Strategy
from ttscale.types import Outcome, Problem
from ttscale_strategies.voting.agreement import Agreement
from ttscale_strategies.voting.cascade_gate import Gate, is_share_decided
from ttscale_strategies.voting.poll import Ballot, Poll, keys_of, plain_majority
from ttscale_strategies.voting.rules import Majority, is_consistent, is_vote_decided
from ttscale_strategies.voting.self_consistency import SelfConsistency

Wanted: TypeAlias = Literal["winner", "passing", "votes"]
"""What is wanted of a vote: who wins; whether it passes and who wins then; or all votes where it does not."""


def is_plain_vote(stage: Strategy) -> TypeGuard[SelfConsistency]:
    """Return whether a strategy is a majority vote that may stop when what is wanted of it is decided."""
    return type(stage) is SelfConsistency and stage.rule == "majority" and stage.stop == "decided"


@dataclass(frozen=True, slots=True, kw_only=True)
class GatedVote:
    """A majority vote in front of a gate."""

    vote: SelfConsistency
    gate: Gate
    wanted: Wanted

    async def solve(self, problem: Problem, run: Run) -> Outcome:
        """Vote until what is wanted is known, all samples are in, or the budget is spent.

        The confidence is the winner's share of all n samples: what is missing or has no answer counts against.

        Raises:
            BudgetExhausted: the budget does not buy a single sample.
        """
        agreement = self._agreement()
        if agreement is None:
            poll = Poll(run, self._elect)
        else:
            poll = Poll(run, self._elect, electorate=agreement, decide_by="index")

        def is_settled() -> bool:
            return self._is_decided(poll) if agreement is None else agreement.is_reached

        n, sampling = self.vote.n, self.vote.sampling()
        async with run.sample(problem.prompt, n=n, sampling=sampling) as samples:
            await poll.hear(samples, until=is_settled, num_expected=n)
        return poll.outcome()

    def _agreement(self) -> Agreement | None:
        """Return what ends the vote where the gate is a criterion that the first samples must meet."""
        measure = self.gate.measure
        if measure == "confidence" or self.wanted == "winner":
            return None
        return Agreement(
            lambda ballots: is_consistent(keys_of(ballots), measure, threshold=self.gate.threshold), "index"
        )

    def _elect(self, ballots: Sequence[Ballot]) -> Majority | None:
        winner = plain_majority(ballots)
        return None if winner is None else Majority(winner.key, winner.votes, self.vote.n)

    def _is_decided(self, poll: Poll) -> bool:
        votes = {ballot.sample.index: ballot.key for ballot in poll.ballots}
        running = set(range(self.vote.n)) - set(votes)
        if self.wanted == "winner":
            return is_vote_decided(votes, running)
        return is_share_decided(votes, running, self.gate.least, gives_up=self.wanted == "passing")
