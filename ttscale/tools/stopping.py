"""Awaiting a tool that may not stop when it is told to."""

from __future__ import annotations

import asyncio
import types
from collections.abc import Awaitable, Generator
from contextlib import suppress
from typing import Any, Final, TypeVar

T = TypeVar("T")

STOP_SECONDS: Final = 5.0
"""How long a tool may clean up after it was cancelled."""


@types.coroutine
def stoppable(work: Awaitable[T], *, seconds: float = STOP_SECONDS) -> Generator[Any, Any, T]:
    """Await something that ends soon after it is cancelled, whether it wants to or not.

    A coroutine may catch its cancellation and go on; whoever waits for it, a time-out included, would then wait
    for ever. Here it has some seconds to clean up, and is closed after that: it gets no more turns, so nothing
    of it stays behind but tasks that it began itself. It runs in the caller's task. A cancellation is never
    lost: where the work ends all the same, its value comes too late.

    Args:
        work: a coroutine, say.
        seconds: >= 0, from its cancellation to its end.

    Raises:
        CancelledError: the caller's task was cancelled.
        TimeoutError: a time-out of its own has cancelled the work, and it did not stop.
    """
    task = asyncio.current_task()
    assert task is not None
    before, until = task.cancelling(), None
    coroutine = _awaited(work)
    waits_for: asyncio.Future[object] | None = None
    try:
        waits_for = coroutine.send(None)
        while True:
            try:
                if until is None:
                    yield waits_for
                elif not (yield from _turn(waits_for, until).__await__()):
                    break
            except asyncio.CancelledError as error:
                waits_for = coroutine.throw(error)
            else:
                waits_for = coroutine.send(None)
            if task.cancelling() <= before:  # it was a time-out within the work, which has dealt with it
                until = None
            elif until is None:
                until = task.get_loop().time() + seconds
    except StopIteration as ended:
        if task.cancelling() > before:
            raise asyncio.CancelledError from None
        value: T = ended.value
        return value
    finally:
        with suppress(Exception):  # it is not asked any more what it thinks of that
            coroutine.close()
    if waits_for is not None:
        waits_for.cancel()
    if task.cancelling() > before:
        raise asyncio.CancelledError
    raise TimeoutError(f"it did not stop within {seconds:g} s")


async def _awaited(work: Awaitable[T]) -> T:
    return await work


async def _turn(waits_for: asyncio.Future[object] | None, until: float) -> bool:
    """Wait for what a coroutine waits for; whether it is there in time, and the coroutine has another turn."""
    loop = asyncio.get_running_loop()
    if waits_for is None:
        await asyncio.sleep(0)
        return loop.time() < until
    await asyncio.wait({waits_for}, timeout=until - loop.time())
    return waits_for.done()
