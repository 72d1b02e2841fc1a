"""Sorting the answers to one question into classes of the same answer."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from typing import Final

from ttscale.answers.equivalence import first_equivalent, has_math_verify, needs_algebra
from ttscale.answers.key import answer_key
from ttscale.workers import WorkerFailure, Workers

_MAX_CLASSES: Final = 32
_MAX_FAILURES: Final = 3


class AnswerClasses:
    r"""Gives the answers to one question keys that are equal when the answers are.

    First by `answer_key`; then formulas that math-verify finds equivalent (``x+1`` and ``1+x``) share the key
    of the one seen first. Where nothing can be decided in time the answers stay apart; after three such
    failures, and beyond 32 classes, math-verify is not asked any more. Numbers and words never need it.
    """

    def __init__(self, workers: Workers | None = None, *, timeout_seconds: float = 5.0) -> None:
        """Make classes for one question.

        Args:
            workers: where math-verify runs; ``None``, or math-verify not installed: keys are `answer_key`'s.
            timeout_seconds: deadline of each comparison with all classes so far, > 0.
        """
        self._workers = workers
        self._timeout_seconds = timeout_seconds
        self._classes: list[str] = []
        self._verdicts: dict[tuple[str, str], bool] = {}
        self._num_failures = 0
        self._lock = asyncio.Lock()

    async def key(self, answer: str | None) -> str | None:
        """Return an answer's key, given the answers asked about before; ``None`` for no answer."""
        async with self._lock:
            return await self._place(answer_key(answer), self._classes)

    async def keys(self, answers: Sequence[str | None]) -> list[str | None]:
        """Return the keys of answers given in sample order, whatever was asked before.

        Ask again with more answers as samples arrive, always in the order of their indices: the keys then do
        not depend on the order of arrival, and what was compared once is remembered.
        """
        async with self._lock:
            classes: list[str] = []
            return [await self._place(answer_key(answer), classes) for answer in answers]

    async def _place(self, key: str | None, classes: list[str]) -> str | None:
        """Find the class of a key, or make it one."""
        if key is None or key in classes:
            return key
        same = await self._first_same(key, classes)
        if same is None:
            classes.append(key)
        return same or key

    async def _first_same(self, key: str, classes: Sequence[str]) -> str | None:
        # A pair is compared in one order, whichever was seen first, so that its verdict is the same.
        pairs = {other: (min(other, key), max(other, key)) for other in classes if needs_algebra(other, key)}
        known = (other for other, pair in pairs.items() if self._verdicts.get(pair, False))
        same = next(known, None)
        before = itertools.takewhile(lambda other: other != same, pairs)
        unknown = [pairs[other] for other in before if pairs[other] not in self._verdicts]
        if unknown and len(classes) <= _MAX_CLASSES:
            await self._compare(unknown)
        return next((other for other, pair in pairs.items() if self._verdicts.get(pair, False)), None)

    async def _compare(self, pairs: Sequence[tuple[str, str]]) -> None:
        """Have math-verify compare pairs up to the first that is equivalent."""
        if self._workers is None or self._num_failures >= _MAX_FAILURES or not has_math_verify():
            return
        try:
            found = await first_equivalent(self._workers, pairs, self._timeout_seconds)
        except WorkerFailure:
            self._num_failures += 1
            self._verdicts |= dict.fromkeys(pairs, False)
            return
        compared = pairs if found is None else pairs[: found + 1]
        self._verdicts |= {pair: index == found for index, pair in enumerate(compared)}
