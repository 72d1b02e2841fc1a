"""Worker processes on a virtual clock: their calls take no virtual time, and they end with their owner."""

from __future__ import annotations

import asyncio
import threading

import pytest

from ttscale.virtual import BlockingWorkers, run_virtual
from ttscale.workers import WorkerError


def threads() -> int:
    return sum(thread.name == "worker processes" for thread in threading.enumerate())


def test_a_call_takes_no_virtual_time_and_closing_ends_the_processes() -> None:
    async def main() -> None:
        async with BlockingWorkers() as workers:
            assert threads() == 0  # nothing starts before it is needed
            assert await workers.call("math:gcd", 12, 18) == 6
            with pytest.raises(WorkerError):
                await workers.call("math:sqrt", -1)
            assert asyncio.get_running_loop().time() == 0.0
            assert threads() == 1
        assert threads() == 0

    run_virtual(main())


def test_within_with_they_outlive_the_engines_that_use_them() -> None:
    async def main(workers: BlockingWorkers) -> None:
        async with workers:
            assert await workers.call("math:gcd", 12, 18) == 6

    with BlockingWorkers() as workers:
        run_virtual(main(workers))
        run_virtual(main(workers))
        assert threads() == 1
    assert threads() == 0


def test_closing_workers_that_were_never_called_is_harmless() -> None:
    async def main() -> None:
        await BlockingWorkers().aclose()

    run_virtual(main())
