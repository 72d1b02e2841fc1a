"""Worker processes for code on a virtual clock, which knows no processes of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self, TypeVar

from ttscale.backends.base import Backend
from ttscale.budget import Budget
from ttscale.engine import Engine
from ttscale.types import JSON
from ttscale.workers import Workers

T = TypeVar("T")


class BlockingWorkers(Workers):
    """Real worker processes whose calls stop the virtual clock until they are done: they take no virtual time.

    They belong to an ordinary event loop in a thread, and are closed by `with`, not by the engines they serve.
    """

    def __init__(self) -> None:
        super().__init__(1)
        self._real: Workers | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="worker processes", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._real is not None:
            self._wait(self._real.aclose())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def call(self, function: str, *arguments: JSON, timeout_seconds: float = 5.0) -> JSON:
        """Run a function in a worker process; see `Workers.call`."""
        return self._wait(self._call(function, *arguments, timeout_seconds=timeout_seconds))

    async def _call(self, function: str, *arguments: JSON, timeout_seconds: float) -> JSON:
        if self._real is None:
            self._real = Workers(self.num_processes)
        return await self._real.call(function, *arguments, timeout_seconds=timeout_seconds)

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def warm(self, function: str) -> None:
        """Do nothing: the first call waits as long as it must."""

    async def aclose(self) -> None:
        """Do nothing: it outlives the engines that use it."""


class VirtualEngine(Engine):
    """An engine on a virtual clock, with `BlockingWorkers`."""

    def __init__(self, backend: Backend, workers: BlockingWorkers, *, budget: Budget | None = None) -> None:
        super().__init__(backend, budget=budget)
        self._blocking = workers

    def _new_workers(self) -> Workers:
        return self._blocking
