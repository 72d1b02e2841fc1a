"""Worker processes for code on a virtual clock, which knows no processes of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self, TypeVar

from ttscale.types import JSON
from ttscale.workers import Workers

T = TypeVar("T")


class BlockingWorkers(Workers):
    """Real worker processes whose calls stop the virtual clock until they are done: they take no virtual time.

    They belong to an ordinary event loop in a thread, which starts with the first call. They are closed by
    `aclose`, like others; within ``with`` they are closed at its end only, so that several engines can use them
    one after the other.
    """

    def __init__(self) -> None:
        super().__init__(1)
        self._real: Workers | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._is_shared = False

    def __enter__(self) -> Self:
        self._is_shared = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def _close(self) -> None:
        if self._loop is None or self._thread is None:
            return
        if self._real is not None:
            self._wait(self._loop, self._real.aclose())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._real = self._loop = self._thread = None

    async def call(self, function: str, *arguments: JSON, timeout_seconds: float = 5.0) -> JSON:
        """Run a function in a worker process; see `Workers.call`."""
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(target=self._loop.run_forever, name="worker processes", daemon=True)
            self._thread.start()
        return self._wait(self._loop, self._call(function, *arguments, timeout_seconds=timeout_seconds))

    async def _call(self, function: str, *arguments: JSON, timeout_seconds: float) -> JSON:
        if self._real is None:
            self._real = Workers(self.num_processes)
        return await self._real.call(function, *arguments, timeout_seconds=timeout_seconds)

    @staticmethod
    def _wait(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, loop).result()

    async def warm(self, function: str) -> None:
        """Do nothing: the first call waits as long as it must."""

    async def aclose(self) -> None:
        """End the processes, unless a ``with`` will."""
        if not self._is_shared:
            self._close()
