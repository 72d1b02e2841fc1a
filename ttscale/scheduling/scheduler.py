"""Admission: which samples are in the engine, in which order, joined how.

About `backend.batch_size` samples are kept in flight, with a small reserve so that a finished one is replaced
at once: a narrower window starves the batch (a sliding window of 16 runs at 0.60 of an open throttle, one of 64
at 0.95), a wider one starts work that an early decision would have saved. Jobs wait in order of priority, then
of the question they belong to, so that questions finish one after the other instead of all at the end. Those of
questions with a deadline (`ttscale.scheduling.urgency`) wait in order of the time at which they must begin; the
next of the others goes before them once it has waited for longer than its patience and than they can. Jobs of
equal prompt and sampling that are admitted together become one request of several samples, whoever asked.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from ttscale.backends.base import Backend, Chunk, Generation, Request
from ttscale.scheduling.urgency import PATIENCE_SECONDS
from ttscale.tasks import TaskKeeper
from ttscale.types import Prompt, SampleUsage, Sampling


@dataclass(slots=True, eq=False, kw_only=True)
class Job:
    """One sample to draw. `on_chunk` is called once for each of its chunks, the last one included."""

    prompt: Prompt
    sampling: Sampling
    seed: int
    on_chunk: Callable[[Chunk], None]
    stream: bool = False
    priority: int = 0
    """Lower first."""
    order: int = 0
    """Number of the question, lower first among equal priorities."""
    start_by: float | None = None
    """When it must begin, by the event loop's clock, the earliest first among equal priorities; ``None``: its
    question has no deadline."""
    on_begin: Callable[[], None] | None = None
    """Called once the engine has been given it."""
    state: Literal["new", "waiting", "running", "done"] = field(default="new", init=False)
    generation: Generation | None = field(default=None, init=False)
    index: int = field(default=0, init=False)
    submitted: float = field(default=0.0, init=False)
    began: float | None = field(default=None, init=False)
    """When the engine was given it, by the event loop's clock."""

    @property
    def joins(self) -> tuple[Prompt, Sampling, bool, int]:
        """What must be equal for two jobs to share a request."""
        return self.prompt, self.sampling, self.stream, self.priority


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """A look at the scheduler."""

    in_flight: int
    waiting: int
    max_in_flight: int
    peak_in_flight: int


class Scheduler:
    """Feeds one backend. Belongs to the event loop it is used on; `keeper` owns its tasks."""

    def __init__(
        self,
        backend: Backend,
        keeper: TaskKeeper,
        *,
        max_in_flight: int | None = None,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        """Begin with nothing in flight.

        Args:
            backend: what is fed.
            keeper: owns the tasks.
            max_in_flight: most samples in the backend at once; default a little over its batch size.
            patience_seconds: within which a job without a deadline is to begin where others have one, >= 0.
        """
        self._backend = backend
        self._keeper = keeper
        self._max_in_flight = max_in_flight or backend.batch_size + max(1, backend.batch_size // 8)
        self._waiting: list[tuple[int, int, int, Job]] = []
        self._pressing: list[tuple[int, float, int, int, Job]] = []
        self._patience_seconds = patience_seconds
        self._num_withdrawn = 0
        self._numbers = itertools.count()
        self._in_flight = 0
        self._peak = 0
        self._admission_due = False

    def statistics(self) -> Statistics:
        """Return how much is in flight and waiting."""
        return Statistics(
            in_flight=self._in_flight,
            waiting=len(self._waiting) + len(self._pressing) - self._num_withdrawn,
            max_in_flight=self._max_in_flight,
            peak_in_flight=self._peak,
        )

    def submit(self, job: Job) -> None:
        """Queue a job; it is admitted at the next turn of the event loop if there is room."""
        job.state, job.submitted = "waiting", asyncio.get_running_loop().time()
        number = next(self._numbers)
        if job.start_by is None:
            heapq.heappush(self._waiting, (job.priority, job.order, number, job))
        else:
            heapq.heappush(self._pressing, (job.priority, job.start_by, job.order, number, job))
        self._admit_soon()

    def cancel(self, job: Job) -> bool:
        """Stop a job.

        Returns:
            True if it had not started: it spent nothing and no chunk will come. False if it has ended, or runs
            in the engine and its last chunk, with its usage, is still to come.
        """
        if job.state == "waiting":
            job.state = "done"
            self._num_withdrawn += 1
            return True
        if job.state == "running" and job.generation is not None:
            job.generation.abort([job.index])
        return False

    def _admit_soon(self) -> None:
        if not self._admission_due:
            self._admission_due = True
            asyncio.get_running_loop().call_soon(self._admit)

    def _admit(self) -> None:
        self._admission_due = False
        groups: dict[tuple[Prompt, Sampling, bool, int], list[Job]] = {}
        while self._in_flight < self._max_in_flight and (job := self._next()) is not None:
            self._in_flight += 1
            groups.setdefault(job.joins, []).append(job)
        self._peak = max(self._peak, self._in_flight)
        for jobs in groups.values():
            self._start(jobs)

    def _next(self) -> Job | None:
        """Take the job whose turn it is out of those that wait; ``None``: nobody waits."""
        while self._waiting and self._waiting[0][-1].state == "done":
            heapq.heappop(self._waiting)
            self._num_withdrawn -= 1
        while self._pressing and self._pressing[0][-1].state == "done":
            heapq.heappop(self._pressing)
            self._num_withdrawn -= 1
        if self._pressing and (not self._waiting or self._is_pressing_first()):
            return heapq.heappop(self._pressing)[-1]
        return heapq.heappop(self._waiting)[-1] if self._waiting else None

    def _is_pressing_first(self) -> bool:
        priority, start_by, *_ = self._pressing[0]
        other = self._waiting[0][-1]
        return (priority, start_by) <= (other.priority, other.submitted + self._patience_seconds)

    def _start(self, jobs: list[Job]) -> None:
        first, now = jobs[0], asyncio.get_running_loop().time()
        generation = self._backend.generate(
            Request(
                prompt=first.prompt,
                sampling=first.sampling,
                seeds=tuple(job.seed for job in jobs),
                stream=first.stream,
                priority=first.priority,
            )
        )
        for index, job in enumerate(jobs):
            job.state, job.generation, job.index = "running", generation, index
            job.began = now
            if job.on_begin is not None:
                job.on_begin()
        follower = self._keeper.spawn(self._follow(generation, jobs))
        follower.add_done_callback(lambda _: self._fail_open(jobs))

    async def _follow(self, generation: Generation, jobs: list[Job]) -> None:
        """Hand a generation's chunks to their jobs until all have ended."""
        async for chunk in generation:
            self._hand_over(jobs[chunk.index], chunk)

    def _fail_open(self, jobs: list[Job]) -> None:
        """End the jobs that are still open because the engine is closing."""
        error = "the engine was closed while this sample ran"
        for job in jobs:
            if job.state != "done":
                self._hand_over(job, Chunk(index=0, finish_reason="error", error=error, usage=SampleUsage()))

    def _hand_over(self, job: Job, chunk: Chunk) -> None:
        if chunk.finish_reason is not None:
            job.state = "done"
            self._in_flight -= 1
            self._admit_soon()
        job.on_chunk(chunk)
