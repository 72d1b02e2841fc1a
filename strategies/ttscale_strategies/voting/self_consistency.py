"""Self-consistency: sample side by side, take the most frequent answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ttscale.run import Run
from ttscale.types import Outcome, Problem
from ttscale_strategies.voting._options import DrawOptions
from ttscale_strategies.voting.agreement import Agreement
from ttscale_strategies.voting.poll import Poll, Rule, keys_of, plain_majority
from ttscale_strategies.voting.rules import is_consistent, is_vote_decided
from ttscale_strategies.voting.shortest_majority import shortest_rule


@dataclass(frozen=True, kw_only=True)
class SelfConsistency(DrawOptions):
    """Vote over `n` samples (Wang et al. 2022, arXiv:2203.11171).

    Cost: at most n calls; the prompt once and at most n answers. The paper draws all, ``stop="never"``. With
    ``stop="decided"`` the samples still running are aborted as soon as none of their outcomes can change the
    winner of a plain majority, so the answer is that of all n at a part of the cost; no such bound is known
    for the other rule, which waits for all. ``stop="consistent"`` ends as Adaptive-Consistency does, which may
    change the answer (see `AdaptiveConsistency` for its options). `confidence` is the winner's share of the
    votes counted.
    """

    rule: Literal["majority", "shortest"] = "majority"
    """``"shortest"``: votes count for less, the longer an answer's samples (see `ShortestMajority`)."""
    stop: Literal["decided", "consistent", "never"] = "decided"

    async def solve(self, problem: Problem, run: Run) -> Outcome:
        """Vote until all samples are in, the vote is settled, or the budget is spent."""
        rule: Rule = plain_majority if self.rule == "majority" else shortest_rule("ln")
        if self.stop == "consistent":
            agreement = Agreement(lambda ballots: is_consistent(keys_of(ballots)), "index")
            poll = Poll(run, rule, electorate=agreement, decide_by="index")
        else:
            agreement = None
            poll = Poll(run, rule)

        def is_settled() -> bool:
            return self._is_decided(poll) if agreement is None else agreement.is_reached

        return await poll.draw(problem, n=self.n, sampling=self.sampling(), until=is_settled)

    def _is_decided(self, poll: Poll) -> bool:
        if self.stop == "never" or self.rule != "majority":
            return False
        votes = {ballot.sample.index: ballot.key for ballot in poll.ballots}
        return is_vote_decided(votes, set(range(self.n)) - set(votes))
