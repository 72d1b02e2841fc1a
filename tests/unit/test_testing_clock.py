"""The virtual clock: timers at once and in order, everything real refused, a deadlock named."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from ttscale.testing import Deadlock, RealWait, VirtualLoop, run_virtual, virtual_clock


def _now() -> float:
    return asyncio.get_running_loop().time()


def test_a_year_passes_in_no_time() -> None:
    async def sleep() -> float:
        await asyncio.sleep(365 * 24 * 3600)
        return _now()

    began = time.process_time()
    assert run_virtual(sleep()) == 365 * 24 * 3600
    assert time.process_time() - began < 60


@virtual_clock
async def test_the_clock_starts_at_zero_and_stands_still_between_timers() -> None:
    assert _now() == 0
    for _ in range(1000):
        await asyncio.sleep(0)
    assert _now() == 0


@virtual_clock
async def test_sleepers_wake_in_the_order_of_their_times() -> None:
    log = list[tuple[float, str]]()

    async def sleeper(name: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        log.append((_now(), name))

    async with asyncio.TaskGroup() as group:
        for name, seconds in (("c", 3.0), ("a", 1.0), ("d", 3.5), ("b", 2.0)):
            group.create_task(sleeper(name, seconds))
    assert log == [(1.0, "a"), (2.0, "b"), (3.0, "c"), (3.5, "d")]


@virtual_clock
async def test_a_timeout_strikes_at_its_very_time() -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(2.5):
            await asyncio.sleep(1000)
    assert _now() == 2.5


@virtual_clock
async def test_wait_for_returns_what_comes_in_time() -> None:
    async def late() -> str:
        await asyncio.sleep(2)
        return "here"

    assert await asyncio.wait_for(late(), 3) == "here"
    assert _now() == 2


def test_the_same_run_has_the_same_history() -> None:
    async def history() -> list[tuple[float, int]]:
        log = list[tuple[float, int]]()

        async def walk(number: int) -> None:
            for step in range(5):
                await asyncio.sleep((number * 7 + step * 3) % 5 / 7)
                log.append((_now(), number))

        async with asyncio.TaskGroup() as group:
            for number in range(10):
                group.create_task(walk(number))
        return log

    assert run_virtual(history()) == run_virtual(history())


def test_a_deadlock_is_an_error_that_names_who_waits_where() -> None:
    async def wait_for_nobody() -> None:
        await asyncio.Event().wait()

    with pytest.raises(Deadlock, match="wait_for_nobody"):
        run_virtual(wait_for_nobody())


def test_the_tasks_of_a_deadlock_are_cancelled() -> None:
    log = list[str]()

    async def wait_for_nobody() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            log.append("cleaned up")

    with pytest.raises(Deadlock):
        run_virtual(wait_for_nobody())
    assert log == ["cleaned up"]


@pytest.mark.parametrize(
    "real",
    [
        lambda: asyncio.to_thread(print),
        lambda: asyncio.get_running_loop().run_in_executor(ThreadPoolExecutor(), print),
        lambda: asyncio.create_subprocess_exec("true"),
        lambda: asyncio.create_subprocess_shell("true"),
        lambda: asyncio.open_connection("127.0.0.1", 9),
    ],
    ids=["to_thread", "executor", "exec", "shell", "connection"],
)
def test_whatever_takes_real_time_is_refused(real: Callable[[], Awaitable[object]]) -> None:
    async def ask() -> None:
        await real()

    with pytest.raises(RealWait, match=r"asyncio\.run"):
        run_virtual(ask())


def test_results_and_errors_come_through() -> None:
    async def answer() -> int:
        return 42

    async def fail() -> None:
        raise ValueError("broken")

    assert run_virtual(answer()) == 42
    with pytest.raises(ValueError, match="broken"):
        run_virtual(fail())


def test_a_thread_may_wake_the_loop() -> None:
    async def wait() -> str:
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        with ThreadPoolExecutor() as threads:
            threads.submit(loop.call_soon_threadsafe, future.set_result, "woken").result()
        return str(await future)

    assert run_virtual(wait()) == "woken"


@virtual_clock
async def test_a_decorated_test_may_take_fixtures(tmp_path: object) -> None:
    assert tmp_path is not None
    assert isinstance(asyncio.get_running_loop(), VirtualLoop)
