"""A virtual clock: an event loop that jumps to the next timer instead of waiting for it.

On it `asyncio.sleep`, `asyncio.timeout` and every other timer take no real time, happen in the same order
each time, and read exactly the times they were set for. It knows nothing but timers: waiting for a socket, a
process or a thread is refused at once, since no jump of the clock makes those any faster. Where nothing is
ready and no timer is set, nothing can ever happen again, and `Deadlock` says who waits where.
"""

from __future__ import annotations

import asyncio
import math
import selectors
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar, TypeVarTuple, Unpack

from ttscale.errors import TTScaleError

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


_RESOLUTION: Final = 1e-9
"""Seconds; of the clock near its start."""


class Deadlock(TTScaleError):
    """On a virtual clock every task waits and no timer is set, so none of them can ever go on."""


class RealWait(TTScaleError):
    """On a virtual clock something asked for a socket, a process or a thread, which take real time."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """An asyncio event loop whose clock starts at 0 and moves only from timer to timer, in no real time.

    Raises:
        Deadlock: out of `run_until_complete`, when nothing is ready and no timer is set.
        RealWait: at whatever asks for real input and output, subprocesses or threads.
    """

    def __init__(self) -> None:
        self._now = 0.0
        super().__init__(_Jumping(self._jump))

    def time(self) -> float:
        """Return the virtual time in seconds since the loop was made."""
        return self._now

    def _jump(self, seconds: float | None) -> None:
        """Move the clock on to the next timer; ``None``: there is none."""
        if seconds is None:
            raise Deadlock(f"every task waits and no timer is set: {_waiting(self)}")
        self._now += seconds
        # What asyncio takes for the same time must not be finer than what a float can tell apart.
        self._clock_resolution = max(_RESOLUTION, 2 * math.ulp(self._now))

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[Ts]], T], *args: *Ts
    ) -> asyncio.Future[T]:
        """Refuse: a thread takes real time.

        Raises:
            RealWait: always.
        """
        raise RealWait(_refusal("threads"))

    async def subprocess_exec(self, *args: object, **kwargs: object) -> NoReturn:
        """Refuse: a process takes real time.

        Raises:
            RealWait: always.
        """
        raise RealWait(_refusal("processes"))

    async def subprocess_shell(self, *args: object, **kwargs: object) -> NoReturn:
        """Refuse: a process takes real time.

        Raises:
            RealWait: always.
        """
        raise RealWait(_refusal("processes"))


class _Jumping(selectors.DefaultSelector):
    """A selector that watches the loop's own wake-up pipe only and, instead of waiting, moves the clock."""

    def __init__(self, jump: Callable[[float | None], None]) -> None:
        super().__init__()
        self._jump = jump

    def register(self, fileobj: FileDescriptorLike, events: int, data: object = None) -> selectors.SelectorKey:
        if self.get_map():
            raise RealWait(_refusal("sockets and pipes"))
        return super().register(fileobj, events, data)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is not None and timeout <= 0:  # something is ready: whoever woke the loop is served with it
            return []
        woken = super().select(0)
        if not woken:
            self._jump(timeout)
        return woken


def _refusal(what: str) -> str:
    return f"a virtual clock has no {what}; run this on an ordinary event loop, with asyncio.run."


def _waiting(loop: asyncio.AbstractEventLoop) -> str:
    """Say of every unfinished task where it waits."""
    places = list[str]()
    for task in asyncio.all_tasks(loop):
        frames = task.get_stack()
        where = f"{frames[-1].f_code.co_qualname}, line {frames[-1].f_lineno}" if frames else "an unknown place"
        places.append(f"{task.get_name()} in {where}")
    return "; ".join(sorted(places)) or "there is no task at all"


def run_virtual(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on a new virtual clock and return its result, as `asyncio.run` does on a real one.

    Raises:
        Deadlock: it waits for something that can never happen.
        RealWait: it asked for a socket, a process or a thread, and let the refusal through.
    """
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
