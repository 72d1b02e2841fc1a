"""Drawing into a bank the samples of problems that it does not hold yet."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import ClassVar, TypeAlias

from ttscale.backends import Backend
from ttscale.bank import Bank, Recorder, Settings
from ttscale.engine import Engine
from ttscale.errors import CapabilityError
from ttscale.run import Run
from ttscale.types import JSON, Outcome, Problem, Sample, Sampling


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be in the bank."""

    problems: Sequence[tuple[str, Problem]]
    """Each with its benchmark; empty: none."""
    num_samples: int
    """Of each problem, >= 1. At temperature 0, where all would be the same, one is drawn."""
    sampling: Sampling = field(default_factory=Sampling)
    seed: int = 0
    """With another one, other samples."""
    concurrency: int = 64
    """Problems at work at once, >= 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A sample that failed, or a problem of which none could be drawn."""

    benchmark: str
    problem: str
    sample: int | None
    """Its number, from 0; ``None``: the problem as a whole failed."""
    error: str


@dataclass(slots=True, kw_only=True)
class Tally:
    """How far a recording is."""

    num_wanted: int = 0
    """Samples of all problems."""
    num_there: int = 0
    """Samples that the bank held before."""
    num_drawn: int = 0
    """Whole ones."""
    generated_tokens: int = 0
    """Those of failed samples included."""
    failures: list[Failure] = field(default_factory=list[Failure])

    @property
    def num_done(self) -> int:
        """Samples that are there, or that failed."""
        return self.num_there + self.num_drawn + len(self.failures)

    def to_json(self) -> dict[str, JSON]:
        """Return a plain JSON object."""
        return {**asdict(self), "failures": [asdict(failure) for failure in self.failures]}


Listener: TypeAlias = Callable[[Tally, float], None]
"""Told the tally and the seconds since the start whenever something has ended; it must return at once."""


async def record_samples(
    backend: Backend, bank: Bank, order: Order, *, listener: Listener | None = None
) -> Tally:
    """Draw what is missing; every sample is in the bank as soon as it has ended.

    A problem's sample i has the seed that sample i of any strategy has on a problem of this id, so the bank's
    samples are those that a run with this seed would have drawn.

    Args:
        backend: generates; it must not have started.
        bank: where samples go, and what is there already.
        order: what is wanted.
        listener: hears how far it is.

    Raises:
        CapabilityError: the model is a reward model, or does not give the log-probabilities.
        BackendUnavailable: the model cannot be loaded or reached.
        BackendError: samples could not be kept.
    """
    recorder = Recorder(backend, bank)
    async with Engine(recorder) as engine:
        _check_logprobs(recorder, order.sampling.logprobs)
        session = _Session(recorder, engine, order, listener)
        await session.run()
    return session.tally


def _check_logprobs(backend: Backend, wanted: int | None) -> None:
    can = backend.capabilities
    if wanted is None or (can.logprobs and can.max_top_logprobs >= wanted):
        return
    most = f"at most {can.max_top_logprobs}" if can.logprobs else "none"
    raise CapabilityError(
        f"{wanted} log-probabilities of each token were asked for, and the backend {backend.name!r} of "
        f"{backend.profile.name!r} gives {most}; ask for fewer, or choose another model URI."
    )


class _Session:
    """One recording at work."""

    def __init__(self, recorder: Recorder, engine: Engine, order: Order, listener: Listener | None) -> None:
        given = order.sampling.temperature
        is_greedy = (recorder.profile.temperature if given is None else given) == 0
        self.order = order
        self.recorder = recorder
        self.num_each = 1 if is_greedy else order.num_samples
        self.tally = Tally(num_wanted=self.num_each * len(order.problems))
        self._engine = engine
        self._listener = listener
        self._now = asyncio.get_running_loop().time
        self._began = self._now()

    async def run(self) -> None:
        """Draw until everything is there."""
        self._engine.check(_Drawing(self, ""))
        for benchmark, problem in self.order.problems:
            self.recorder.add_problem(problem, benchmark=benchmark)
        waiting = iter(self.order.problems)
        async with asyncio.TaskGroup() as group:
            for _ in range(min(self.order.concurrency, len(self.order.problems))):
                group.create_task(self._work(waiting))

    async def _work(self, waiting: Iterator[tuple[str, Problem]]) -> None:
        """Take problems until there are none left; as many of these run at once as the order says."""
        for benchmark, problem in waiting:
            drawing = _Drawing(self, benchmark)
            outcome = await self._engine.solve(problem, strategy=drawing, seed=self.order.seed)
            if outcome.stop_reason == "error":
                self.fail(benchmark, problem, None, outcome.error)

    def count_there(self, number: int) -> None:
        """Count samples that need not be drawn."""
        self.tally.num_there += number
        self._report()

    def count(self, benchmark: str, problem: Problem, sample: Sample) -> None:
        """Count a sample that has ended."""
        self.tally.generated_tokens += sample.num_tokens
        if sample.is_error:
            self.fail(benchmark, problem, sample.index, sample.error)
        else:
            self.tally.num_drawn += 1
            self._report()

    def fail(self, benchmark: str, problem: Problem, sample: int | None, error: str | None) -> None:
        """Count what failed."""
        message = error or "it failed without saying why"
        self.tally.failures.append(
            Failure(benchmark=benchmark, problem=problem.id, sample=sample, error=message)
        )
        self._report()

    def _report(self) -> None:
        if self._listener is not None:
            self._listener(self.tally, self._now() - self._began)


class _Drawing:
    """What is missing of one problem: for the engine a strategy, one that answers nothing."""

    needs: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, session: _Session, benchmark: str) -> None:
        self._session = session
        self._benchmark = benchmark

    def max_samples(self) -> int:
        """Return how many samples are wanted."""
        return self._session.num_each

    async def solve(self, problem: Problem, run: Run) -> Outcome:
        """Draw the samples that the bank does not hold."""
        session = self._session
        prompt = session.recorder.encode(problem.prompt)
        sampling = run.resolved(session.order.sampling, prompt)
        serving = [head for head in session.recorder.heads(prompt, sampling) if head.serves(sampling)]
        seeds = {head.seed for head in serving}
        is_greedy = Settings.of(sampling).is_greedy
        there = [
            index
            for index in range(session.num_each)
            if run.sample_seed(index) in seeds or (is_greedy and serving)
        ]
        session.count_there(len(there))
        block = run.sample(problem.prompt, n=session.num_each, sampling=sampling)
        for index in there:
            block.abort(index)  # it never starts
        async with block as samples:
            async for sample in samples:
                session.count(self._benchmark, problem, sample)
        return Outcome(answer=None)
