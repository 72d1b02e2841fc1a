"""What strategies share that ask a fitted table what to do: the pilots, and handing the question on."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from ttscale.errors import BudgetExhausted, ConfigError
from ttscale.run import Run
from ttscale.strategy import Strategy, demands, parts
from ttscale.types import Outcome, Problem, Sample, Sampling, Score
from ttscale.verifier import Verifier
from ttscale_strategies.effort.table import EffortTable
from ttscale_strategies.voting.poll import Poll, keys_of
from ttscale_strategies.voting.rules import majority


async def handed_on(strategy: Strategy, problem: Problem, run: Run) -> Outcome:
    """Have a strategy answer in a run of its own; an answer that it says is known at once."""
    async with run.child(label="chosen") as child:
        try:
            return await strategy.solve(problem, child)
        finally:
            best = child.answer_so_far
            if best.answer is not None:
                run.best(best.answer, key=best.key, confidence=best.confidence, text=best.text)


def unseen(tables: Sequence[EffortTable], problem: Problem, run: Run) -> EffortTable:
    """Return the first table that was not fitted on a problem, nor on that which the run was asked.

    Raises:
        ConfigError: all of them were.
    """
    found = next((table for table in tables if not table.has_seen(problem, run.problem)), None)
    if found is None:
        raise ConfigError(
            f"The problem {problem.id!r} is one of those that the table was fitted on, and what it chooses "
            f"would tell nothing; give a table of another fold too, or ask other questions."
        )
    return found


async def ease_of(table: EffortTable, problem: Problem, run: Run, verifier: Verifier) -> float | None:
    """Return how easy a problem is, as the table has it; ``None``: it cannot be told.

    Raises:
        BudgetExhausted: the budget does not buy a single pilot sample.
        ConfigError: the table wants a pass rate, and the problem brings none.
    """
    if table.difficulty == "given":
        rate = run.problem.meta.get("pass_rate")
        if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0.0 <= rate <= 1.0:
            raise ConfigError(
                f"The problem {problem.id!r} needs its pass rate, in [0, 1], in its meta field 'pass_rate' for "
                f"this table; got {rate!r}."
            )
        return float(rate)
    scored = table.difficulty == "verifier"
    sampling = Sampling(logprobs=0 if scored and "logprobs" in verifier.needs else None)
    async with run.child(label="pilot") as child:
        try:
            drawn, poll = await _drawn(table.num_pilots, problem, child, sampling)
            if scored:
                return _mean(await child.score(drawn, verifier))
        finally:
            best = child.answer_so_far
            run.best(best.answer, key=best.key, confidence=best.confidence, text=best.text)
    winner = majority(keys_of(poll.ballots))
    return None if winner is None else winner.votes / len(drawn)


async def _drawn(num: int, problem: Problem, run: Run, sampling: Sampling) -> tuple[list[Sample], Poll]:
    """Return so many samples in the order of their indices, fewer if the budget ends, and their poll."""
    drawn, poll = list[Sample](), Poll(run)
    async with run.sample(problem.prompt, n=num, sampling=sampling) as samples:
        try:
            async for sample in samples:
                drawn.append(sample)
                await poll.add(sample)
        except BudgetExhausted:
            if not drawn:
                raise
    return sorted(drawn, key=lambda sample: sample.index), poll


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
