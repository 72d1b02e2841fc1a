"""The decoding loop: samples join and leave the running batch between any two tokens, in their own thread."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

import torch

from ttscale.backends.base import Chunk, Generation
from ttscale.backends.hf.reading import NOT_FINITE, Reading, Result, batch_length, describe, settle_all
from ttscale.backends.hf.runner import ModelRunner, prompt_batches
from ttscale.backends.hf.sample import SampleState, Token
from ttscale.backends.hf.sampler import Sampler
from ttscale.errors import BackendError
from ttscale.types import FinishReason

_T = TypeVar("_T")
_CLOSED = "the backend was closed while this sample waited or ran"
_CLOSED_TEXT = "the backend was closed while this text waited or was read"


class Batcher:
    """Advances up to `batch_size` samples by one token at a time and takes waiting ones in as others end.

    Given texts are read between two steps. `submit`, `logprobs`, `abort` and `close` are called from the event
    loop's thread, `run` is the body of the decoding thread. Chunks go back to the event loop, all of a step in
    one call.

    Args:
        runner: the model.
        loop: where the generations live.
        batch_size: most samples in the batch.
        max_prefill_tokens: most prompt tokens computed between two decoding steps; a longer prompt comes alone.
    """

    def __init__(
        self, runner: ModelRunner, loop: asyncio.AbstractEventLoop, *, batch_size: int, max_prefill_tokens: int
    ) -> None:
        self._runner = runner
        self._loop = loop
        self._batch_size = batch_size
        self._max_prefill_tokens = max_prefill_tokens
        self._wake = threading.Condition()
        # Shared by both threads, under the condition's lock.
        self._submitted: list[SampleState] = []
        self._aborted: list[SampleState] = []
        self._readings: list[Reading] = []
        self._closing = False
        # The decoding thread's own.
        self._waiting: list[tuple[int, int, SampleState]] = []
        self._numbers = itertools.count()
        self._rows: list[SampleState] = []
        self._sampler: Sampler | None = None
        self._chunks: list[tuple[Generation, Chunk]] = []

    def submit(self, states: Sequence[SampleState]) -> bool:
        """Queue samples; return False if it is too late, and nothing was queued."""
        with self._wake:
            if not self._closing:
                self._submitted += states
                self._wake.notify()
            return not self._closing

    async def logprobs(self, token_ids: tuple[int, ...]) -> tuple[float, ...]:
        """Return the log-probability of each token but the first of a given text, in nats.

        Raises:
            BackendError: the model failed on it, or is closing.
        """
        reading = Reading(token_ids, self._loop.create_future())
        with self._wake:
            if self._closing:
                raise BackendError(_CLOSED_TEXT)
            self._readings.append(reading)
            self._wake.notify()
        return await reading.values

    def abort(self, states: Sequence[SampleState]) -> None:
        """End samples with finish reason ``"abort"`` before the next decoding step; ended ones are ignored."""
        with self._wake:
            self._aborted += states
            self._wake.notify()

    def close(self) -> None:
        """Make `run` end after the step it is in; what has not ended by then fails."""
        with self._wake:
            self._closing = True
            self._wake.notify()

    def run(self) -> None:
        """Serve samples until `close`."""
        try:
            with torch.inference_mode():
                while self._receive():
                    self._read()
                    self._step()
                    self._deliver()
        finally:
            self.close()
            waiting = [state for _, _, state in self._waiting]
            for state in [*self._rows, *waiting, *self._submitted]:
                self._end(state, "error", _CLOSED)
            self._deliver()
            self._settle([(reading, BackendError(_CLOSED_TEXT)) for reading in self._readings])

    def _receive(self) -> bool:
        """Take in what was submitted and aborted; sleep while there is nothing to do. False: time to end."""
        with self._wake:
            self._wake.wait_for(self._has_work)
            if self._closing:
                return False
            submitted, self._submitted = self._submitted, []
            aborted, self._aborted = self._aborted, []
        for state in submitted:
            heapq.heappush(self._waiting, (state.priority, next(self._numbers), state))
        for state in aborted:
            self._end(state, "abort")
        if aborted:
            self._keep_running()
        return True

    def _has_work(self) -> bool:
        arrived = self._submitted or self._aborted or self._readings
        return bool(self._closing or arrived or self._rows or self._waiting)

    def _read(self) -> None:
        """Read the next texts that somebody still waits for, as many as make a batch."""
        with self._wake:
            self._readings = [reading for reading in self._readings if not reading.values.done()]
            lengths = [len(reading.token_ids) for reading in self._readings]
            count = batch_length(lengths, self._batch_size, self._max_prefill_tokens)
            batch, self._readings = self._readings[:count], self._readings[count:]
        if not batch:
            return
        try:
            found = self._runner.logprobs([reading.token_ids for reading in batch])
        except Exception as error:
            failure = BackendError(describe(error, "text"))
            self._settle([(reading, failure) for reading in batch])
        else:
            self._settle(list(zip(batch, found, strict=True)))

    def _settle(self, results: Sequence[tuple[Reading, Result]]) -> None:
        """Hand log-probabilities to the event loop."""
        self._call(settle_all, results)

    def _step(self) -> None:
        try:
            self._admit()
            if self._rows:
                self._advance()
        except Exception as error:
            for state in self._rows:
                self._end(state, "error", describe(error, "sample"))
            self._rows, self._sampler = [], None
            self._runner.reset()

    def _admit(self) -> None:
        """Let waiting samples join, in order of priority and arrival, as far as there are rows and time."""
        joining, prompts, num_tokens = list[SampleState](), set[tuple[int, ...]](), 0
        room = self._batch_size - len(self._rows)
        while self._waiting and len(joining) < room and num_tokens < self._max_prefill_tokens:
            state = heapq.heappop(self._waiting)[-1]
            if state.ended:
                continue
            joining.append(state)
            if state.prompt not in prompts:
                prompts.add(state.prompt)
                num_tokens += len(state.prompt)
        for batch in prompt_batches([state.prompt for state in joining], self._max_prefill_tokens):
            self._join([joining[index] for index in batch])

    def _join(self, states: Sequence[SampleState]) -> None:
        try:
            placed = self._runner.join([state.prompt for state in states])
        except Exception as error:
            for state in states:
                self._end(state, "error", describe(error, "sample"))
            return
        self._sampler = None
        for index, num_computed in placed:
            states[index].start(num_computed)
            self._rows.append(states[index])

    def _advance(self) -> None:
        """Draw a token for every row; rows that end leave."""
        logits = self._runner.decode([state.next_token for state in self._rows])
        if self._sampler is None:
            samplings = [state.sampling for state in self._rows]
            self._sampler = Sampler(samplings, [state.seed for state in self._rows], logits.device)
        tokens = self._sampler.draw(logits, [state.num_generated for state in self._rows])
        poisoned = [row for row, token in enumerate(tokens) if token is None]
        for state, token in zip(self._rows, tokens, strict=True):
            self._take(state, token)
        self._keep_running(poisoned)

    def _take(self, state: SampleState, token: Token | None) -> None:
        if token is None:
            self._end(state, "error", NOT_FINITE)
            return
        try:
            chunk = state.take(token)
        except Exception as error:  # text that the tokenizer cannot give is this sample's failure alone
            chunk = state.fail(describe(error, "sample"))
        if chunk is not None:
            self._chunks.append((state.generation, chunk))

    def _end(self, state: SampleState, reason: FinishReason, error: str | None = None) -> None:
        """End a sample from outside, unless it has ended."""
        if state.ended:
            return
        try:
            chunk = state.end(reason, error)
        except Exception as failure:
            chunk = state.fail(error or describe(failure, "sample"))
        self._chunks.append((state.generation, chunk))

    def _keep_running(self, poisoned: Sequence[int] = ()) -> None:
        """Take the rows of ended samples out of the batch."""
        running = [row for row, state in enumerate(self._rows) if not state.ended]
        if len(running) < len(self._rows):
            order = self._runner.keep(running, poisoned=poisoned)
            self._rows = [self._rows[row] for row in order]
            self._sampler = None

    def _deliver(self) -> None:
        """Hand this step's chunks to the event loop."""
        if not self._chunks:
            return
        chunks, self._chunks = self._chunks, []
        self._call(_push_all, chunks)

    def _call(self, function: Callable[[Sequence[_T]], None], results: Sequence[_T]) -> None:
        """Have the event loop take results."""
        try:
            self._loop.call_soon_threadsafe(function, results)
        except RuntimeError:  # the event loop was closed before the backend: nobody is left to serve
            self.close()


def _push_all(chunks: Sequence[tuple[Generation, Chunk]]) -> None:
    for generation, chunk in chunks:
        generation.push(chunk)
