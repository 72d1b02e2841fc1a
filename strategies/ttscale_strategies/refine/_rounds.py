"""Rounds of drafts: drawn one round after the other, counted, and voted on."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import ClassVar, Literal, TypeAlias

from ttscale.errors import BudgetExhausted
from ttscale.run import Run
from ttscale.types import Prompt, Sample, Sampling
from ttscale_strategies.checks import require_positive
from ttscale_strategies.refine.rules import CallTokens, sequential_tokens, total_tokens
from ttscale_strategies.voting.poll import Ballot, Measure, Poll, Rule, keys_of
from ttscale_strategies.voting.rules import (
    Election,
    is_consistent,
    majority,
    secretary_stop,
    semantic_entropy,
    threshold_stop,
)

StopRule: TypeAlias = Literal["never", "entropy", "secretary", "consistent"]
"""After which round nothing more is drawn: ``"entropy"``, one whose answers' semantic entropy is at most the
threshold; ``"secretary"``, the first with less than those watched; ``"consistent"``, one whose answers agree
enough, see `ttscale_strategies.voting.rules.is_consistent`."""

OwnPrompt: TypeAlias = Callable[[int, Run], Awaitable[Prompt]]
"""The prompt of the draft at a place of a round, which its run may draw samples to find."""

Asked: TypeAlias = Prompt | OwnPrompt
"""What the drafts of a round are drawn from: one prompt for all, or for each its own."""

Reading: TypeAlias = Callable[[int, Sample], Sample]
"""What a sample at a place of a round is taken for."""


@dataclass(frozen=True, kw_only=True)
class RoundOptions:
    """The options of every strategy that draws rounds of drafts."""

    stop: StopRule = "never"
    """Which rule of the voting family may end it after a round of drafts; the majority of that round
    answers."""
    threshold: float | None = None
    """Of ``stop=entropy``, in nats, by default 0: all agree; of ``stop=consistent``, in [0, 1], by default
    0.95."""
    max_workspace_tokens: int | None = None
    """κ, the most tokens of earlier drafts in a prompt, >= 1; ``None``: half of the model's context."""
    temperature: float | None = None
    """``None``: the model's own."""
    max_tokens: int | None = None
    """Most generated tokens per call; ``None``: what the context leaves."""

    needs: ClassVar[frozenset[str]] = frozenset()

    def __post_init__(self) -> None:
        if self.max_workspace_tokens is not None:
            require_positive(self.max_workspace_tokens, "max_workspace_tokens")
        if self.threshold is not None and self.stop not in ("entropy", "consistent"):
            raise ValueError(f"threshold={self.threshold!r} means nothing with stop={self.stop}; leave it out")
        self.is_settled([["a"]], num_rounds=1)
        self.sampling()

    def sampling(self, *, logprobs: int | None = None) -> Sampling:
        """Return how tokens are drawn."""
        return Sampling(temperature=self.temperature, max_tokens=self.max_tokens, logprobs=logprobs)

    def is_settled(self, keys: Sequence[Sequence[str | None]], *, num_rounds: int) -> bool:
        """Return whether the rounds so far need no other.

        Args:
            keys: of each round, one or more.
            num_rounds: of all rounds there may be, the last answer's included.
        """
        match self.stop:
            case "never":
                return False
            case "consistent":
                return is_consistent(keys[-1], threshold=self.threshold)
            case "entropy":
                return threshold_stop(_entropies(keys), self.threshold or 0.0, max_rounds=num_rounds)
            case "secretary":
                return secretary_stop(_entropies(keys), max_rounds=num_rounds)


def _entropies(keys: Sequence[Sequence[str | None]]) -> list[float]:
    return [semantic_entropy(answers) for answers in keys]


def call_tokens(sample: Sample) -> CallTokens:
    """Return the tokens of the call that a sample came of, those of its prompt that were cached included."""
    usage = sample.usage
    return CallTokens(usage.prompt_computed + usage.prompt_cached, usage.generated)


async def one_sample(run: Run, prompt: Prompt, sampling: Sampling) -> Sample:
    """Draw one sample.

    Raises:
        BudgetExhausted: it does not fit the budget.
    """
    async with run.sample(prompt, sampling=sampling) as samples:
        return await anext(samples)


class Rounds:
    """Rounds of drafts of given sizes; the majority of the last whole round with an answer is the answer.

    Drafts have their places as sample indices, round after round, whatever ends first. `confidence` is the
    share of all drafts with an answer that agree with it. The trace tells B_total and B_seq (`total_tokens`,
    `sequential_tokens`), those of verifiers left out.

    Args:
        run: draws.
        sizes: of all rounds there may be.
        rule: elects among all drafts, instead of the last round's majority.
        measure: what is measured of each draft for the rule.
    """

    def __init__(
        self, run: Run, sizes: Sequence[int], *, rule: Rule | None = None, measure: Measure | None = None
    ) -> None:
        self._run = run
        self._ends = tuple(accumulate(sizes, initial=0))
        self._sizes = tuple(sizes)
        self._num_own = 0
        self._stages = list[list[CallTokens]]()
        self._before = dict[int, list[CallTokens]]()
        self._hearing = asyncio.Lock()
        self.num_drawn = 0
        """Whole rounds so far."""
        if rule is None:
            self.poll = Poll(run, self._elect, electorate=self._deciding_first)
        else:
            self.poll = Poll(run, rule, measure=measure)

    def drafts(self, number: int) -> tuple[Ballot, ...]:
        """Return the drafts of a round that are in, in their order."""
        return _of_round(self.poll.ballots, self._ends, number)

    async def draw(self, asked: Asked, sampling: Sampling, *, read: Reading | None = None) -> bool:
        """Draw the next round.

        Args:
            asked: see `Asked`.
            sampling: how tokens are drawn.
            read: where each has a prompt of its own, what is taken for the draft in its place.

        Returns:
            Whether it is whole; else the budget is spent.

        Raises:
            BudgetExhausted: the budget does not buy a single draft of the first round.
        """
        first, size = self._ends[self.num_drawn], self._sizes[self.num_drawn]
        if isinstance(asked, Prompt):
            async with self._run.sample(asked, n=size, sampling=sampling) as samples:
                is_whole = await self.poll.hear(samples, first_index=first - self._num_own)
            self._num_own += size
        else:
            is_whole = await self._draw_apart(asked, sampling, read or _as_it_is)
        drawn = self.drafts(self.num_drawn)
        self._count([self._path(ballot.sample) for ballot in drawn])
        self.num_drawn += is_whole
        return is_whole

    def spend(self, sample: Sample, place: int | None = None) -> None:
        """Count a call that prepares the next round.

        Args:
            sample: what came of it.
            place: of the one draft that waits for it; ``None``: all do.
        """
        if place is None:
            self._count([call_tokens(sample)])
        else:
            self._before.setdefault(self._ends[self.num_drawn] + place, []).append(call_tokens(sample))

    def is_settled(self, options: RoundOptions) -> bool:
        """Return whether a stopping rule ends it here, and remember that it did."""
        keys = [keys_of(self.drafts(number)) for number in range(self.num_drawn)]
        is_settled = self.num_drawn < len(self._sizes) and options.is_settled(keys, num_rounds=len(self._sizes))
        if is_settled:
            self.poll.stop_reason = "decided"
        return is_settled

    def _count(self, calls: list[CallTokens]) -> None:
        self._stages.append(calls)
        stages = self._stages
        self._run.note(total_tokens=total_tokens(stages), sequential_tokens=sequential_tokens(stages))

    def _path(self, sample: Sample) -> CallTokens:
        """Return the tokens of a draft and of the calls that it alone waited for."""
        calls = [*self._before.get(sample.index, ()), call_tokens(sample)]
        return CallTokens(sum(call.prompt for call in calls), sum(call.generated for call in calls))

    async def _draw_apart(self, asked: OwnPrompt, sampling: Sampling, read: Reading) -> bool:
        """Draw the drafts side by side, each as soon as its own prompt is known."""
        number, first = self.num_drawn, self._ends[self.num_drawn]
        unpaid = list[BudgetExhausted]()

        async def draw(place: int) -> None:
            try:
                async with self._run.child(label=f"round {number} draft {place}", numbered=False) as run:
                    sample = await one_sample(run, await asked(place, run), sampling)
            except BudgetExhausted as error:
                unpaid.append(error)
                return
            async with self._hearing:
                await self.poll.add(replace(read(place, sample), index=first + place))

        async with asyncio.TaskGroup() as group:
            for place in range(self._sizes[number]):
                group.create_task(draw(place))
        if unpaid and not self.poll.ballots:
            raise unpaid[0]
        if unpaid:
            self.poll.stop_reason = "budget"
        return not unpaid

    def _deciding(self, ballots: Sequence[Ballot]) -> Sequence[Ballot]:
        """Return the last whole round with an answer; all there are, if there is none."""
        for number in reversed(range(len(self._sizes))):
            drawn = _of_round(ballots, self._ends, number)
            if len(drawn) == self._sizes[number] and any(ballot.key is not None for ballot in drawn):
                return drawn
        return ballots

    def _deciding_first(self, ballots: Sequence[Ballot]) -> Sequence[Ballot]:
        """Put those first that decide, so that the answer's text is one of theirs."""
        deciding = self._deciding(ballots)
        return [*deciding, *(ballot for ballot in ballots if ballot not in deciding)]

    def _elect(self, voters: Sequence[Ballot]) -> Election | None:
        ordered = sorted(voters, key=lambda ballot: ballot.sample.index)
        winner = majority(keys_of(self._deciding(ordered)))
        if winner is None:
            return None
        counts = Counter(ballot.key for ballot in ordered if ballot.key is not None)
        return Election(winner.key, {key: float(count) for key, count in counts.items()})


def _as_it_is(place: int, sample: Sample) -> Sample:
    return sample


def _of_round(ballots: Sequence[Ballot], ends: Sequence[int], number: int) -> tuple[Ballot, ...]:
    return tuple(ballot for ballot in ballots if ends[number] <= ballot.sample.index < ends[number + 1])
