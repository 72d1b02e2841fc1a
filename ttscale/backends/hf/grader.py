"""The grading loop: texts that wait are graded together, in a thread of their own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from typing import Final

import torch

from ttscale.backends.hf.reading import Reading, Result, batch_length, describe, settle_all
from ttscale.backends.hf.reward_model import RewardModel
from ttscale.errors import BackendError

_CLOSED: Final = "the backend was closed while this text waited or was graded"


class Grader:
    """Grades what waits, batch by batch, in the order of arrival.

    `grade` and `close` are called from the event loop's thread, `run` is the body of the grading thread.

    Args:
        model: the model.
        loop: where the texts come from.
        batch_size: most texts in a batch.
        max_tokens: most tokens in a batch, texts filled up to the longest; a longer text comes alone.
    """

    def __init__(
        self, model: RewardModel, loop: asyncio.AbstractEventLoop, *, batch_size: int, max_tokens: int
    ) -> None:
        self.head = model.head
        self._model = model
        self._loop = loop
        self._batch_size = batch_size
        self._max_tokens = max_tokens
        self._wake = threading.Condition()
        self._waiting: list[Reading] = []
        self._closing = False

    async def grade(self, token_ids: tuple[int, ...], positions: Sequence[int]) -> tuple[float, ...]:
        """Return the rewards of a text, each in [0, 1].

        Args:
            token_ids: at least one.
            positions: where its rewards are read off.

        Raises:
            BackendError: the model failed on it, or is closing.
        """
        grading = Reading(token_ids, self._loop.create_future(), positions)
        with self._wake:
            if self._closing:
                raise BackendError(_CLOSED)
            self._waiting.append(grading)
            self._wake.notify()
        return await grading.values

    def close(self) -> None:
        """Make `run` end after the batch it is in; texts that still wait fail."""
        with self._wake:
            self._closing = True
            self._wake.notify()

    def run(self) -> None:
        """Grade texts until `close`."""
        try:
            with torch.inference_mode():
                while batch := self._next_batch():
                    self._grade(batch)
        finally:
            self.close()
            self._deliver([(grading, BackendError(_CLOSED)) for grading in self._waiting])

    def _next_batch(self) -> list[Reading]:
        """Take the next texts out of the queue; sleep while there is none. Empty: time to end."""
        with self._wake:
            self._wake.wait_for(lambda: self._closing or self._waiting)
            if self._closing:
                return []
            lengths = [len(grading.token_ids) for grading in self._waiting]
            count = batch_length(lengths, self._batch_size, self._max_tokens)
            batch, self._waiting = self._waiting[:count], self._waiting[count:]
        return batch

    def _grade(self, batch: Sequence[Reading]) -> None:
        try:
            rewards = self._model.rewards([(grading.token_ids, grading.positions) for grading in batch])
        except Exception as error:
            failure = BackendError(describe(error, "text"))
            self._deliver([(grading, failure) for grading in batch])
        else:
            self._deliver(list(zip(batch, rewards, strict=True)))

    def _deliver(self, results: Sequence[tuple[Reading, Result]]) -> None:
        """Hand results to the event loop."""
        try:
            self._loop.call_soon_threadsafe(settle_all, results)
        except RuntimeError:  # the event loop was closed before the backend: nobody is left to serve
            self.close()
