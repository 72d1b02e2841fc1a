"""What strategies share that ask a fitted table what to do: the pilots, and the vote that goes on from them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ttscale.errors import BudgetExhausted, ConfigError
from ttscale.run import Run
from ttscale.strategy import Strategy, demands, parts
from ttscale.types import Outcome, Problem, Sample, Sampling, Score
from ttscale.verifier import Verifier
from ttscale_strategies.effort.plain_vote import plain_vote
from ttscale_strategies.effort.table import EffortTable
from ttscale_strategies.voting.handing_on import handed_on
from ttscale_strategies.voting.poll import Poll, keys_of
from ttscale_strategies.voting.rules import is_vote_decided, majority
from ttscale_strategies.voting.self_consistency import SelfConsistency


def unseen(tables: Sequence[EffortTable], problem: Problem, run: Run) -> EffortTable:
    """Return the first table that was not fitted on a problem, in none of the forms in which it was asked.

    Raises:
        ConfigError: all of them were.
    """
    found = next((table for table in tables if not table.has_seen(problem, *run.asked)), None)
    if found is None:
        raise ConfigError(
            f"The problem {problem.id!r} is one of those that the table was fitted on, and what it chooses "
            f"would tell nothing; give a table of another fold too, or ask other questions."
        )
    return found


@dataclass(slots=True)
class Pilots:
    """The samples by which difficulty is told, and their votes.

    Attributes:
        run: draws them, as its first samples.
        poll: of their answers.
    """

    run: Run
    poll: Poll = field(init=False)
    _drawn: list[Sample] = field(default_factory=list[Sample], init=False)

    def __post_init__(self) -> None:
        self.poll = Poll(self.run)

    async def ease_of(self, table: EffortTable, problem: Problem, verifier: Verifier) -> float | None:
        """Return how easy a problem is, as a table has it; ``None``: it cannot be told.

        Raises:
            BudgetExhausted: the budget does not buy a single pilot sample.
            ConfigError: the table wants a pass rate, and the problem brings none.
        """
        if table.difficulty == "given":
            return _given(problem)
        is_scored = table.difficulty == "verifier"
        sampling = Sampling(logprobs=0 if is_scored and "logprobs" in verifier.needs else None)
        async with self.run.sample(problem.prompt, n=table.num_pilots, sampling=sampling) as samples:
            try:
                async for sample in samples:
                    self._drawn.append(sample)
                    await self.poll.add(sample)
            except BudgetExhausted:
                if not self._drawn:
                    raise
                self.poll.stop_reason = "budget"
        if is_scored:
            ordered = sorted(self._drawn, key=lambda sample: sample.index)
            return _mean(await self.run.score(ordered, verifier))
        winner = majority(keys_of(self.poll.ballots))
        return None if winner is None else winner.votes / len(self._drawn)

    async def concluded(self, strategy: Strategy, problem: Problem) -> Outcome:
        """Have a strategy answer, with the pilots' votes.

        A majority of n samples draws what the pilots lack of these, and all vote. Any other strategy draws its
        own; where it has no answer that of the pilots counts.
        """
        vote = plain_vote(strategy)
        if vote is not None and self._drawn:
            return await self._voted(vote, problem)
        outcome = await handed_on(strategy, problem, self.run, label="chosen")
        if outcome.answer is not None or not self._drawn:
            return outcome
        return replace(self.poll.outcome(), stop_reason=outcome.stop_reason)

    async def _voted(self, vote: SelfConsistency, problem: Problem) -> Outcome:
        """Return the vote of so many samples, or of the pilots where these are more."""
        poll, missing = self.poll, vote.n - len(self._drawn)

        def is_decided() -> bool:
            votes = {ballot.sample.index: ballot.key for ballot in poll.ballots}
            return vote.stop == "decided" and is_vote_decided(votes, set(range(vote.n)) - set(votes))

        if missing <= 0 or poll.stop_reason == "budget":
            return poll.outcome()
        if is_decided():
            poll.stop_reason = "decided"
            return poll.outcome()
        async with self.run.sample(problem.prompt, n=missing, sampling=vote.sampling()) as samples:
            await poll.hear(samples, until=is_decided, num_expected=vote.n)
        return poll.outcome()


def _given(problem: Problem) -> float:
    rate = problem.meta.get("pass_rate")
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0.0 <= rate <= 1.0:
        raise ConfigError(
            f"The problem {problem.id!r} needs its pass rate, in [0, 1], in its meta field 'pass_rate' for "
            f"this table; got {rate!r}."
        )
    return float(rate)


def _mean(scores: Sequence[Score]) -> float:
    """Return the mean score; what could not be scored counts as 0."""
    return math.fsum(score.relative or 0.0 for score in scores) / len(scores)


def all_demands(strategies: Sequence[Strategy]) -> Mapping[str | None, frozenset[str]]:
    """Return what strategies need of each model that they use."""
    found = dict[str | None, frozenset[str]]()
    for part in _all_parts(strategies):
        for model, needs in demands(part).items():
            found[model] = found.get(model, frozenset[str]()) | needs
    return found


def _all_parts(strategies: Sequence[Strategy]) -> Iterator[Strategy | Verifier]:
    for strategy in strategies:
        yield from parts(strategy, on_own_model=True)
