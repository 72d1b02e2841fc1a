"""Running functions that block beside the event loop."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from ttscale.virtual import VirtualLoop

T = TypeVar("T")


async def in_thread(function: Callable[[], T]) -> T:
    """Run a function in a thread of its own and return its value; on a virtual clock it runs at once.

    A thread cannot be stopped. Where the caller no longer waits the thread ends when the function does; it
    never keeps the program from ending.
    """
    loop = asyncio.get_running_loop()
    if isinstance(loop, VirtualLoop):
        return function()
    done: asyncio.Future[T] = loop.create_future()
    context = contextvars.copy_context()

    def settle(value: T | None, error: BaseException | None) -> None:
        if done.done():  # nobody waits any more
            return
        if error is None:
            done.set_result(value)  # type: ignore[arg-type]  # without an error there is a value
        else:
            done.set_exception(error)

    def run() -> None:
        value: T | None = None
        error: BaseException | None = None
        try:
            value = context.run(function)
        except StopIteration as stopped:  # no future takes it
            error = RuntimeError(f"the function raised {stopped!r}")
        except BaseException as raised:
            error = raised
        with suppress(RuntimeError):  # the loop has been closed
            loop.call_soon_threadsafe(settle, value, error)

    threading.Thread(target=run, name="a tool's function", daemon=True).start()
    return await done


async def in_real_time(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Await what needs processes or sockets; on a virtual clock it stops the clock and takes no time."""
    if not isinstance(asyncio.get_running_loop(), VirtualLoop):
        return await work()
    outcome = list[T]()
    failure = list[BaseException]()

    def run() -> None:
        try:
            outcome.append(asyncio.run(work()))
        except BaseException as error:
            failure.append(error)

    thread = threading.Thread(target=run, name="a tool in real time")
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return outcome[0]
