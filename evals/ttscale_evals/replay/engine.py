"""An engine for replays: no queue, and nothing compared twice."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Final, cast

from ttscale.answers import WORKER_FUNCTION
from ttscale.backends import Backend
from ttscale.backends.replay import ReplayBackend
from ttscale.budget import PriceTable
from ttscale.engine import Engine
from ttscale.types import JSON
from ttscale.workers import WorkerFailure, Workers

_NO_LIMIT: Final = 2**31


class ReplayEngine(Engine):
    """An engine whose samples start when they are asked for, and which remembers which formulas are equal.

    Recorded samples take the time they took, under the load there was: to let them wait for room in a batch as
    well would count it twice, and samples of one problem would no longer begin together. The same answers come
    back in every strategy and order, so each pair of them goes to math-verify once.
    """

    def __init__(
        self,
        backend: ReplayBackend,
        *,
        prices: PriceTable | None = None,
        models: Mapping[str, Backend] | None = None,
    ) -> None:
        super().__init__(backend, prices=prices, models=models, max_in_flight=_NO_LIMIT)

    def _new_workers(self) -> Workers:
        return RememberingWorkers(super()._new_workers())


class RememberingWorkers(Workers):
    """Workers that have each pair of formulas compared once, time-outs included."""

    def __init__(self, inner: Workers) -> None:
        """Make workers whose calls are those of others."""
        super().__init__(inner.num_processes)
        self._inner = inner
        self._known = dict[str, bool | WorkerFailure]()

    async def call(self, function: str, *arguments: JSON, timeout_seconds: float = 5.0) -> JSON:
        """Run a function in a worker process; see `Workers.call`."""
        if function != WORKER_FUNCTION:
            return await self._inner.call(function, *arguments, timeout_seconds=timeout_seconds)
        pairs = cast("Sequence[Sequence[str]]", arguments[0])
        for index, pair in enumerate(pairs):
            if await self._is_same(pair, timeout_seconds):
                return index
        return None

    async def _is_same(self, pair: Sequence[str], timeout_seconds: float) -> bool:
        name = json.dumps(pair)
        if name not in self._known:
            try:
                found = await self._inner.call(WORKER_FUNCTION, [list(pair)], timeout_seconds=timeout_seconds)
                self._known[name] = found is not None
            except WorkerFailure as error:
                self._known[name] = error
        known = self._known[name]
        if isinstance(known, WorkerFailure):
            raise known
        return known

    async def warm(self, function: str) -> None:
        """Start every process; see `Workers.warm`."""
        await self._inner.warm(function)

    async def aclose(self) -> None:
        """End the processes."""
        await self._inner.aclose()
