"""Chains of attempts: each attempt after those of its chain, the chains side by side, one vote over all."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from ttscale.errors import BudgetExhausted
from ttscale.run import Run
from ttscale.types import Outcome, Sample
from ttscale_strategies.refine._rounds import call_tokens
from ttscale_strategies.refine.rules import CallTokens
from ttscale_strategies.voting.poll import Ballot, Measure, Poll, Rule, keys_of
from ttscale_strategies.voting.rules import Election, majority


class Chains:
    """The attempts of several chains, counted and voted on.

    Attempts have their places as sample indices, chain after chain, whatever ends first. The trace tells the
    tokens of all calls, B_total, and of the chain with the most, B_seq (`total_tokens`, `sequential_tokens`),
    those of verifiers left out.

    Args:
        run: hears the best answer so far.
        num_attempts: of a chain, the most.
        rule: elects among all attempts; ``None``: the majority of the chains, each with its last answer.
        measure: what is measured of each attempt for the rule.
    """

    def __init__(self, run: Run, num_attempts: int, *, rule: Rule | None, measure: Measure | None) -> None:
        self._run = run
        self._num_attempts = num_attempts
        self._calls = dict[int, list[CallTokens]]()
        self._counts = Counter[int]()
        self._adding = asyncio.Lock()
        self._unpaid: BudgetExhausted | None = None
        if rule is None:
            self._poll = Poll(run, self._elect, electorate=self._last_first)
        else:
            self._poll = Poll(run, rule, measure=measure)

    def attempts(self, chain: int) -> tuple[Ballot, ...]:
        """Return the attempts of a chain, in their order."""
        return tuple(one for one in self._poll.ballots if self._chain_of(one) == chain)

    async def add(self, chain: int, sample: Sample) -> None:
        """Take in the next attempt of a chain."""
        self.spend(chain, sample)
        index = chain * self._num_attempts + self._counts[chain]
        self._counts[chain] += 1
        async with self._adding:
            await self._poll.add(replace(sample, index=index))

    def spend(self, chain: int, sample: Sample) -> None:
        """Count a call of a chain."""
        self._calls.setdefault(chain, []).append(call_tokens(sample))
        sums = [sum(call.prompt + call.generated for call in calls) for calls in self._calls.values()]
        self._run.note(total_tokens=sum(sums), sequential_tokens=max(sums))

    def settle(self) -> None:
        """Remember that a chain needed no other attempt."""
        if self._poll.stop_reason == "finished":
            self._poll.stop_reason = "decided"

    def cut(self, error: BudgetExhausted) -> None:
        """Remember that the budget did not pay what a chain wanted."""
        self._poll.stop_reason = "budget"
        self._unpaid = self._unpaid or error

    def outcome(self) -> Outcome:
        """Return who is elected.

        Raises:
            BudgetExhausted: the budget did not buy a single attempt.
        """
        if self._unpaid is not None and not self._poll.ballots:
            raise self._unpaid
        return self._poll.outcome()

    def _chain_of(self, ballot: Ballot) -> int:
        return ballot.sample.index // self._num_attempts

    def _last_first(self, ballots: Sequence[Ballot]) -> Sequence[Ballot]:
        """Put those first that decide, so that the answer's text is one of theirs."""
        deciding = self._deciding(ballots)
        return [*deciding, *(ballot for ballot in ballots if ballot not in deciding)]

    def _deciding(self, ballots: Sequence[Ballot]) -> Sequence[Ballot]:
        """Return of each chain the last attempt with an answer."""
        ordered = sorted(ballots, key=lambda ballot: ballot.sample.index)
        return list({self._chain_of(ballot): ballot for ballot in ordered if ballot.key is not None}.values())

    def _elect(self, voters: Sequence[Ballot]) -> Election | None:
        winner = majority(keys_of(self._deciding(voters)))
        if winner is None:
            return None
        counts = Counter(ballot.key for ballot in voters if ballot.key is not None)
        return Election(winner.key, {key: float(count) for key, count in counts.items()})
