"""Background tasks that live exactly as long as their owner."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Self

from ttscale.errors import BackendError


class TaskKeeper:
    """Runs the background tasks of one owner, an engine or a backend, under one `asyncio.TaskGroup`.

    `start` and `aclose` may be called from different tasks, which a task group by itself forbids: the group
    lives in a supervisor task of its own. A task that fails never disturbs the others.

    Args:
        owner: whose tasks they are, for messages: ``"the engine"``.
    """

    def __init__(self, owner: str = "the backend") -> None:
        self._owner = owner
        self._group = asyncio.TaskGroup()
        self._tasks = set[asyncio.Task[None]]()
        self._supervisor: asyncio.Task[None] | None = None
        self._closing: asyncio.Event | None = None

    async def start(self) -> None:
        """Open the keeper on the running event loop; once only.

        Raises:
            BackendError: it was started before.
        """
        if self._supervisor is not None:
            raise BackendError(f"{self._owner} was started before; make a new one instead of starting it twice")
        loop = asyncio.get_running_loop()
        entered = loop.create_future()
        self._closing = asyncio.Event()
        # The one task that belongs to no group: it is the group. `aclose` waits for its end.
        self._supervisor = loop.create_task(self._supervise(entered, self._closing), name="task keeper")
        await entered

    async def _supervise(self, entered: asyncio.Future[None], closing: asyncio.Event) -> None:
        async with self._group:
            entered.set_result(None)
            await closing.wait()
            for task in self._tasks:
                task.cancel()

    def spawn(
        self,
        coroutine: Coroutine[Any, Any, None],
        *,
        on_error: Callable[[Exception], None] | None = None,
        name: str | None = None,
    ) -> asyncio.Task[None]:
        """Run a coroutine in the background until it ends or the keeper closes.

        Args:
            coroutine: what to run. A task that is cancelled before its first step never enters its body, so
                clean-up that must happen belongs in a done callback, not in the coroutine's ``finally``.
            on_error: told of an exception the coroutine raised; without it the event loop's handler is told.
            name: the task's name, for debugging.

        Raises:
            BackendError: the keeper is not running.
        """
        if self._supervisor is None or self._supervisor.done() or (self._closing and self._closing.is_set()):
            coroutine.close()
            raise BackendError(f"{self._owner} is not running; use it inside its `async with` block")
        task = self._group.create_task(self._guard(coroutine, on_error), name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        # Closes the inner coroutine where the task was cancelled before it began; harmless otherwise.
        task.add_done_callback(lambda _: coroutine.close())
        return task

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Cancel what still runs and wait for its end; calling it twice, or without `start`, is harmless."""
        if self._supervisor is None or self._closing is None:
            return
        self._closing.set()
        await asyncio.wait({self._supervisor})

    async def _guard(
        self, coroutine: Coroutine[Any, Any, None], on_error: Callable[[Exception], None] | None
    ) -> None:
        """Run a coroutine and keep its failure from the task group, which would cancel every sibling."""
        try:
            await coroutine
        except Exception as error:
            if on_error is not None:
                on_error(error)
                return
            message = f"a background task of {self._owner} failed"
            asyncio.get_running_loop().call_exception_handler({"message": message, "exception": error})
