"""`Workers`: a few processes that run named functions within hard limits."""

from __future__ import annotations

import asyncio
import re
from collections import deque
from contextlib import AsyncExitStack, asynccontextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from ttscale.types import JSON
from ttscale.workers.errors import WorkerCrashed
from ttscale.workers.handle import WorkerProcess

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

_FUNCTION: Final = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", re.ASCII)


class Workers:
    """A pool of processes for untrusted or blocking functions; an async context manager.

    Processes start when first needed and are reused; one that breaks a limit is killed and replaced. Calls
    beyond the number of processes wait in the order they came. The pool belongs to one event loop.
    """

    def __init__(self, num_processes: int = 2, *, memory_bytes: int = 2**30) -> None:
        """Make a pool; nothing starts yet.

        Args:
            num_processes: most processes at once, >= 1.
            memory_bytes: limit on the address space of each process, >= 256 MiB.

        Raises:
            ValueError: an argument is out of range.
        """
        if num_processes < 1:
            raise ValueError(f"num_processes must be >= 1, got {num_processes!r}")
        if memory_bytes < 2**28:
            raise ValueError(f"memory_bytes must be >= 268435456 (256 MiB), got {memory_bytes!r}")
        self._num_processes = num_processes
        self._memory_bytes = memory_bytes
        self._slots = asyncio.Semaphore(num_processes)
        self._warming = asyncio.Lock()
        self._idle = deque[WorkerProcess]()
        self._all = set[WorkerProcess]()
        self._is_closed = False

    @property
    def num_processes(self) -> int:
        """Most calls that run at once."""
        return self._num_processes

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def call(self, function: str, *arguments: JSON, timeout_seconds: float = 5.0) -> JSON:
        """Run a function in a worker process and return its value.

        A cancelled call lets its process finish in the background; if that takes long, the process is replaced.

        Args:
            function: ``"package.module:function"``, a module-level function that takes and returns plain JSON.
                Only names the program itself writes, never text from a model or user.
            *arguments: passed by position.
            timeout_seconds: deadline of the call itself, > 0; waiting for a free process and importing the
                function's module do not count.

        Raises:
            ValueError: `function` or `timeout_seconds` is malformed.
            WorkerTimeout: the deadline passed.
            WorkerCrashed: the process died, or the pool was closed.
            WorkerError: the function raised, cannot be imported, or returned what is not JSON.
        """
        if not _FUNCTION.fullmatch(function):
            raise ValueError(f"function must look like 'package.module:function', got {function!r}")
        if not timeout_seconds > 0:
            raise ValueError(f"timeout_seconds must be > 0, got {timeout_seconds!r}")
        async with self._process(function) as process:
            await process.load(function)
            return await process.call(function, list(arguments), timeout_seconds)

    async def warm(self, function: str) -> None:
        """Start every process and import a function's module in each, so that the first calls are quick.

        Raises:
            WorkerFailure: the function cannot be imported.
        """
        # Two warmers that each held one process would wait for each other for ever.
        async with self._warming, AsyncExitStack() as stack:
            processes = [
                await stack.enter_async_context(self._process(function)) for _ in range(self._num_processes)
            ]
            try:
                async with asyncio.TaskGroup() as group:
                    for process in processes:
                        group.create_task(process.load(function))
            except ExceptionGroup as failures:
                raise failures.exceptions[0] from None

    async def aclose(self) -> None:
        """Kill every process and wait for its end; calls under way raise `WorkerCrashed`."""
        self._is_closed = True
        for process in self._all:
            process.kill()
        for process in list(self._all):
            await process.wait()
        self._all.clear()
        self._idle.clear()

    @asynccontextmanager
    async def _process(self, function: str) -> AsyncGenerator[WorkerProcess]:
        """Lend a process that has nothing else to do."""
        async with self._slots:
            process = await self._take(function)
            try:
                yield process
            finally:
                self._put_back(process)

    async def _take(self, function: str) -> WorkerProcess:
        if self._is_closed:
            raise WorkerCrashed(function, "was not called: the workers are closed.")
        while self._idle:
            process = self._idle.pop()
            try:
                is_free = await process.settle()
            except BaseException:
                self._put_back(process)
                raise
            if is_free:
                return process
            process.kill()
        self._all = {process for process in self._all if not process.is_gone}
        process = await WorkerProcess.start(self._memory_bytes)
        self._all.add(process)
        if self._is_closed:
            await self.aclose()
            raise WorkerCrashed(function, "was not called: the workers are closed.")
        return process

    def _put_back(self, process: WorkerProcess) -> None:
        """Take a process back; those that still work on an abandoned call are lent last."""
        if self._is_closed or not process.is_usable:
            process.kill()
        elif process.is_settled:
            self._idle.append(process)
        else:
            self._idle.appendleft(process)
