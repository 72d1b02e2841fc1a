"""One run of a strategy on a scripted engine, watched from all sides."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Final, cast

from ttscale.backends.base import Generation, Request
from ttscale.budget import Amount, Budget
from ttscale.budget.ledger import QUANTITIES
from ttscale.engine import Engine
from ttscale.errors import BudgetExhausted
from ttscale.run import Run
from ttscale.strategy import Strategy
from ttscale.testing import characters
from ttscale.testing.clauses import expect
from ttscale.testing.fake import FakeBackend, Record
from ttscale.testing.script import Reply, Rule, Script, reply_of
from ttscale.testing.workers import VirtualEngine
from ttscale.types import Outcome, Problem, Prompt, SampleUsage
from ttscale.virtual import BlockingWorkers

ABORT_SECONDS: Final = 0.05
"""What the scripted engine takes to account for an aborted sample."""
_TURNS: Final = 10
"""Turns of the event loop within which tasks that are done with their work end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What a strategy is tried on."""

    strategy: Strategy
    problem: Problem
    script: Script
    workers: BlockingWorkers
    models: tuple[str, ...] = ()
    """Names of the other models that it asks; the script is theirs too."""
    order: int = 0
    """Decides how long each sample takes, and so the order in which they end."""
    batch_size: int = 64
    engine_budget: Budget | None = None

    def with_(self, **changes: object) -> Trial:
        """Return a copy with the named fields replaced."""
        return replace(self, **changes)  # type: ignore[arg-type]  # names are checked by replace

    async def run(self, budget: Budget | None = None) -> Result:
        """Solve the problem once, and check what must hold of every run.

        Raises:
            AssertionError: the strategy raised, left something running, or its account is wrong.
        """
        async with self.stage() as stage:
            witness = Witness(strategy=self.strategy)
            outcome = await stage.engine.solve(self.problem, strategy=witness, budget=budget)
            await stage.check_nothing_runs()
            witness.check()
            stage.check_account(outcome)
            return Result(
                outcome=outcome,
                num_samples=stage.engine.ledger.committed.samples,
                prompts=tuple(request.prompt for backend in stage.backends for request in backend.requests),
            )

    @asynccontextmanager
    async def stage(self) -> AsyncGenerator[Stage]:
        """Start scripted models, on an engine whose ledger is checked whenever something is asked of them."""
        script = paced(self.script, self.order)
        own = _Watched(script, batch_size=self.batch_size)
        others = {name: _Watched(script, batch_size=self.batch_size) for name in self.models}
        async with VirtualEngine(own, self.workers, budget=self.engine_budget, models=others) as engine:
            backends = (own, *others.values())
            stage = Stage(engine=engine, backends=backends, tasks=frozenset(asyncio.all_tasks()))
            for backend in backends:
                backend.on_request = stage.check_ledger
            yield stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A started engine, and what must hold of it."""

    engine: Engine
    backends: Sequence[FakeBackend]
    """The model that samples, then the others."""
    tasks: frozenset[asyncio.Task[Any]]
    """Those there were at the start."""

    @property
    def tokens(self) -> int:
        """Tokens the engine has really spent, computed prompts included."""
        usages = [*(record.usage for record in self.records), *self.readings]
        return sum(usage.prompt_computed + usage.generated for usage in usages)

    @property
    def records(self) -> list[Record]:
        """What happened to every sample, model by model."""
        return [record for backend in self.backends for record in backend.records]

    @property
    def readings(self) -> list[SampleUsage]:
        """What every given text took that was read, model by model."""
        return [usage for backend in self.backends for usage in backend.readings]

    async def check_nothing_runs(self) -> None:
        """Raise an AssertionError if the engine still works, or tasks or claims on the budget are left."""
        now = asyncio.get_running_loop().time()
        running = sum(backend.num_running for backend in self.backends)
        waiting = sum(backend.num_waiting for backend in self.backends)
        expect(not running, f"{running} samples still run in the engine")
        expect(not waiting, f"{waiting} samples still wait in the engine")
        waiting = self.engine.room.scheduler.statistics().waiting
        expect(not waiting, f"{waiting} samples still wait for admission")
        claims = self.engine.ledger.reserved
        expect(claims == Amount(), f"claims on the budget are left: {claims}")
        self.check_ledger()
        for _ in range(_TURNS):
            await asyncio.sleep(0)
        left = asyncio.all_tasks() - self.tasks - {asyncio.current_task()}
        expect(not left, f"tasks are left: {sorted(str(task.get_coro()) for task in left if task)}")
        expect(asyncio.get_running_loop().time() == now, "time went by after the end")

    def check_ledger(self) -> None:
        """Raise an AssertionError if more is committed and reserved than the engine's budget."""
        scope = self.engine.ledger
        for name in QUANTITIES:
            limit: float | None = getattr(scope.budget, name)
            used: float = getattr(scope.committed, name) + getattr(scope.reserved, name)
            expect(limit is None or used <= limit * (1 + 1e-9), f"{used:g} of {limit} {name} are taken")

    def check_account(self, outcome: Outcome) -> None:
        """Raise an AssertionError if an outcome contradicts itself or what the engine did."""
        expect(outcome.key is None or outcome.answer is not None, f"a key without an answer: {outcome.key!r}")
        sure = outcome.confidence
        expect(sure is None or 0 <= sure <= 1, f"the confidence is {sure!r}, not in [0, 1]")
        indices = [candidate.index for candidate in outcome.candidates]
        expect(indices == sorted(set(indices)), f"candidates are not in order of sample index: {indices}")
        booked, asked = outcome.usage, len(self.records) + len(self.readings)
        expect(booked.tokens == self.tokens, f"{booked.tokens} tokens booked, {self.tokens} really spent")
        expect(booked.calls == asked, f"{booked.calls} calls booked, {asked} samples asked for")


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of a trial."""

    outcome: Outcome
    num_samples: int
    """The strategy's own, verifiers' not counted."""
    prompts: tuple[Prompt, ...]
    """That the models were sent, in token ids."""


@dataclass(kw_only=True)
class Witness:
    """A strategy that does what another, nested in it, does and remembers how that failed."""

    strategy: Strategy
    needs: ClassVar[frozenset[str]] = frozenset()
    _failure: BaseException | None = field(default=None, init=False)

    def max_samples(self) -> int | None:
        """Return what the other returns."""
        return self.strategy.max_samples()

    async def solve(self, problem: Problem, run: Run) -> Outcome:
        """Do what the other does."""
        try:
            return await self.strategy.solve(problem, run)
        except Exception as error:
            self._failure = error
            raise

    def check(self) -> None:
        """Raise an AssertionError if it failed, other than for want of budget."""
        for cause in _leaves(self._failure):
            if not isinstance(cause, BudgetExhausted):
                raise AssertionError(f"it raised {type(cause).__name__}: {cause}") from self._failure


@dataclass(frozen=True, kw_only=True)
class Rephrasing:
    """A strategy that hands another a problem whose last words are different ones."""

    strategy: Strategy
    mark: str
    """Put behind what the user said last, or behind the bare prompt."""
    needs: ClassVar[frozenset[str]] = frozenset()

    def max_samples(self) -> int | None:
        """Return what the other returns."""
        return self.strategy.max_samples()

    async def solve(self, problem: Problem, run: Run) -> Outcome:
        """Have the other solve it in a child run."""
        changed = replace(problem, prompt=_behind(problem.prompt, self.mark))
        async with run.child(label="rephrased", problem=changed) as child:
            return await self.strategy.solve(changed, child)


def _behind(prompt: Prompt, words: str) -> Prompt:
    """Return a prompt with words behind what the user said last, or behind all of it where it is bare."""
    if not prompt.messages:
        return Prompt(text=characters.decode(characters.encode(prompt)) + words)
    messages = list(prompt.messages)
    last = max(place for place, message in enumerate(messages) if message.role == "user")
    messages[last] = replace(messages[last], content=messages[last].content + words)
    return Prompt(messages=tuple(messages))


def _leaves(error: BaseException | None) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in cast("BaseExceptionGroup[BaseException]", error).exceptions:
            yield from _leaves(inner)
    elif error is not None:
        yield error


class _Watched(FakeBackend):
    """A scripted engine that tells of every request."""

    def __init__(self, script: Script, *, batch_size: int) -> None:
        super().__init__(script, batch_size=batch_size, abort_seconds=ABORT_SECONDS)
        self.on_request: Callable[[], None] = lambda: None

    def generate(self, request: Request) -> Generation:
        generation = super().generate(request)
        self.on_request()
        return generation


def paced(script: Script, order: int) -> Rule:
    """Return the script with a duration for each sample that depends on its seed and `order` alone."""

    def rule(prompt: Prompt, seed: int, ordinal: int) -> Reply:
        seconds = random.Random(f"{order} {seed}").uniform(0.1, 10.0)
        return replace(reply_of(script, prompt, seed, ordinal), seconds=seconds)

    return rule
