"""Blocks: samples or tokens as they come, and nothing left running once the block is left."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Generic, Self, TypeVar

from ttscale.backends.base import Chunk
from ttscale.budget import Reservation
from ttscale.errors import BudgetExhausted
from ttscale.run.draw import Draw, booked
from ttscale.run.sampling import capped
from ttscale.scheduling import Job
from ttscale.trace import Span
from ttscale.types import Prompt, Sample, Sampling

if TYPE_CHECKING:
    from ttscale.run.run import Run

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """New tokens of a sample that is being streamed."""

    text: str
    token_ids: tuple[int, ...]
    logprobs: tuple[float, ...] | None = None
    top_logprobs: tuple[Mapping[int, float], ...] | None = None
    """As `Sampling.logprobs` asked for them, one mapping a token."""


class Block(ABC, Generic[T]):
    """An async context manager over `n` draws of one prompt, iterated for what they bring.

    Entering starts the draws, as many as budget and window allow at once; the rest follow, those that wait for
    the budget as earlier ones settle, those that wait for the window as the next result is asked for: a result
    is looked at before anything is begun in its place. Leaving aborts in the engine whatever still runs and
    waits for its account, even if it is cancelled meanwhile. When nothing more fits the
    budget, iteration raises `BudgetExhausted` after everything that was drawn has been delivered.
    """

    def __init__(
        self,
        run: Run,
        prompt: Prompt,
        sampling: Sampling,
        indices: Sequence[int],
        *,
        stream: bool,
        window: int | None = None,
    ) -> None:
        self._run = run
        self._prompt = prompt
        self._sampling = sampling
        self._stream = stream
        self._window = len(indices) if window is None else window
        self._is_windowed = self._window < len(indices)
        self._waiting = list(reversed(indices))
        self._draws: dict[int, Draw] = {}
        self._queue: asyncio.Queue[T | BudgetExhausted | None] = asyncio.Queue()
        self._idle = asyncio.Event()
        self._launcher: asyncio.Task[None] | None = None
        self._exhausted: BudgetExhausted | None = None
        self._path_before = run.critical_path_tokens, run.critical_path_seconds

    @abstractmethod
    def _on_chunk(self, draw: Draw, chunk: Chunk) -> None:
        """Deliver what a chunk brings, if anything."""

    @abstractmethod
    def _on_sample(self, sample: Sample) -> None:
        """Deliver a sample that has ended."""

    async def __aenter__(self) -> Self:
        self._launch()
        self._check_idle()
        return self

    @property
    def _is_open(self) -> bool:
        """Whether another draw may be begun: fewer than the window are at work or not yet looked at."""
        return bool(self._waiting) and len(self._draws) + self._queue.qsize() < self._window

    def _launch(self) -> None:
        """Start what may be started now; where the budget makes it wait, a task goes on."""
        if self._launcher is not None and not self._launcher.done():
            return
        try:
            while self._is_open:
                reservation = self._run.try_reserve_sample(self._prompt, self._sampling)
                if reservation is None:
                    self._launcher = self._run.room.keeper.spawn(self._launch_later())
                    break
                self._start(reservation)
        except BudgetExhausted as error:
            self._stop_launching(error)

    async def _launch_later(self) -> None:
        try:
            while self._is_open:
                reservation = await self._run.reserve_sample(self._prompt, self._sampling)
                if not self._waiting:  # aborted meanwhile
                    reservation.release()
                    break
                self._start(reservation)
        except BudgetExhausted as error:
            self._stop_launching(error)
        self._check_idle()

    def _stop_launching(self, error: BudgetExhausted) -> None:
        self._waiting.clear()
        self._exhausted = error

    def _start(self, reservation: Reservation) -> None:
        index = self._waiting.pop()
        run = self._run
        seed = run.sample_seed(index)
        path = (run.critical_path_tokens, run.critical_path_seconds) if self._is_windowed else self._path_before
        job = Job(
            prompt=self._prompt,
            sampling=capped(self._sampling, reservation.units),
            seed=seed,
            on_chunk=lambda chunk: self._take(draw, chunk),
            stream=self._stream,
            order=run.order,
            start_by=run.start_by(),
            on_begin=lambda: run.trace.begin_prompt(draw.span, run.room.backend, self._prompt.token_ids),
        )
        draw = Draw(
            index=index,
            job=job,
            reservation=reservation,
            span=run.open_span("sample", f"sample {index}", seed=seed),
            submitted=run.now(),
            critical_path_before=path[0],
            seconds_before=path[1],
        )
        self._draws[index] = draw
        run.room.scheduler.submit(job)

    def _take(self, draw: Draw, chunk: Chunk) -> None:
        now = self._run.now()
        draw.add(chunk, now)
        if draw.wanted:
            self._on_chunk(draw, chunk)
        if chunk.finish_reason is not None:
            self._settle(draw, draw.sample(chunk, now))

    def _settle(self, draw: Draw, sample: Sample) -> None:
        ended_itself = sample.finish_reason in ("stop", "length")
        usage = booked(
            sample.usage, bucket=self._run.bucket, ended_itself=ended_itself, cost=self._run.room.cost
        )
        draw.reservation.commit(usage)
        if ended_itself:
            self._run.note_length(sample.usage.generated)
        self._close_span(draw.span, sample)
        del self._draws[draw.index]
        if draw.wanted:
            self._on_sample(sample)
        self._check_idle()

    def _close_span(self, span: Span, sample: Sample) -> None:
        """End a sample's span with what is known of it."""
        trace = self._run.trace
        span.began = trace.at(sample.timings.began)
        trace.end_prompt(span, self._run.room.backend, sample.token_ids, sample.usage)
        trace.close(
            span,
            finish_reason=sample.finish_reason,
            prompt_computed=sample.usage.prompt_computed,
            prompt_cached=sample.usage.prompt_cached,
            generated=sample.usage.generated,
            critical_path_tokens=sample.critical_path_tokens,
            critical_path_seconds=round(sample.critical_path_seconds, 6),
            text=sample.text,
            error=sample.error,
        )

    def _check_idle(self) -> None:
        if not self._draws and not self._waiting and not self._idle.is_set():
            self._idle.set()
            self._queue.put_nowait(self._exhausted)

    def _cancel(self, draw: Draw) -> None:
        if self._run.room.scheduler.cancel(draw.job):  # it never started
            draw.reservation.release()
            self._run.trace.close(draw.span, finish_reason="abort", generated=0)
            del self._draws[draw.index]

    def abort(self, index: int) -> None:
        """Stop one sample; if it had started, it is delivered with finish reason ``"abort"``."""
        if index in self._waiting:
            self._waiting.remove(index)
        if index in self._draws:
            self._cancel(self._draws[index])
        self._check_idle()

    def stop(self) -> None:
        """Abort everything; what has not been delivered yet never will be, and iteration ends."""
        self._waiting.clear()
        if self._launcher is not None:
            self._launcher.cancel()
        for draw in list(self._draws.values()):
            draw.wanted = False
            self._cancel(draw)
        self._check_idle()

    def __aiter__(self) -> Self:
        return self

    @property
    def has_more(self) -> bool:
        """Whether something has ended that has not been delivered yet."""
        return not self._queue.empty()

    async def _next(self) -> T:
        self._launch()
        self._check_idle()
        item = await self._queue.get()
        if item is None:
            self._queue.put_nowait(None)
            raise StopAsyncIteration
        if isinstance(item, BudgetExhausted):
            self._queue.put_nowait(None)
            raise item
        return item

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        cancelled: asyncio.CancelledError | None = None
        while not self._idle.is_set():
            try:
                await self._idle.wait()
            except asyncio.CancelledError as error:  # whoever cancels must find nothing running either
                cancelled = error
        if cancelled is not None:
            raise cancelled
        if self._launcher is not None:
            await asyncio.wait([self._launcher])


class SampleBlock(Block[Sample]):
    """Samples in order of completion. A failed sample is delivered too, with finish reason ``"error"``."""

    def _on_chunk(self, draw: Draw, chunk: Chunk) -> None:
        pass

    def _on_sample(self, sample: Sample) -> None:
        self._queue.put_nowait(sample)

    async def __anext__(self) -> Sample:
        sample = await self._next()
        self._run.advance(sample.critical_path_tokens, sample.critical_path_seconds)
        return sample


class PieceBlock(Block[Piece]):
    """One sample, token by token."""

    sample: Sample | None = None
    """The whole sample, once it has ended."""

    def _on_chunk(self, draw: Draw, chunk: Chunk) -> None:
        if chunk.text or chunk.token_ids:
            piece = Piece(
                text=chunk.text,
                token_ids=chunk.token_ids,
                logprobs=chunk.logprobs,
                top_logprobs=chunk.top_logprobs,
            )
            self._queue.put_nowait(piece)

    def _on_sample(self, sample: Sample) -> None:
        self.sample = sample
        self._run.advance(sample.critical_path_tokens, sample.critical_path_seconds)

    async def __anext__(self) -> Piece:
        return await self._next()
