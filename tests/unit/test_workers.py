"""Worker processes: limits are kept, replies are never mixed up, nothing is left behind."""

from __future__ import annotations

import asyncio
import os
import resource
import select
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import pytest
import pytest_asyncio

from ttscale.workers import WorkerCrashed, WorkerError, WorkerFailure, Workers, WorkerTimeout

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def workers() -> AsyncIterator[Workers]:
    async with Workers(1) as pool:
        yield pool


async def process_id(workers: Workers) -> int:
    return cast("int", await workers.call("os:getpid"))


def children() -> set[int]:
    tasks = Path("/proc/self/task").iterdir()
    return {int(pid) for task in tasks for pid in (task / "children").read_text().split()}


def has_ended(pid: int, *, within_seconds: float) -> bool:
    """Wait for the end of a process that need not be a child of ours."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], within_seconds)[0])
    finally:
        os.close(descriptor)


async def test_a_call_runs_a_named_function_in_another_process(workers: Workers) -> None:
    assert await workers.call("operator:add", 1, 2) == 3
    assert await process_id(workers) != os.getpid()


async def test_a_process_is_reused(workers: Workers) -> None:
    assert await process_id(workers) == await process_id(workers)


async def test_the_memory_of_the_program_itself_retires_no_process() -> None:
    ballast = bytearray(os.urandom(1)) * 2**28  # resident, and more than the workers may have
    async with Workers(1, memory_bytes=2**28) as workers:
        assert await process_id(workers) == await process_id(workers)
    assert len(ballast) == 2**28


@pytest.mark.parametrize(
    "value", [None, True, 1, -1.5, "é\n\x00", [1, [2]], {"a": {"b": None}}, 10**400, "x" * 10**6]
)
async def test_plain_values_come_back_equal(workers: Workers, value: object) -> None:
    assert await workers.call("copy:copy", value) == value  # type: ignore[arg-type]


async def test_a_call_past_its_deadline_is_killed_and_the_next_one_works(workers: Workers) -> None:
    before = await process_id(workers)
    with pytest.raises(WorkerTimeout, match=r"'math:factorial' did not finish within 0\.2 s") as caught:
        await workers.call("math:factorial", 10**8, timeout_seconds=0.2)
    assert caught.value.function == "math:factorial"
    assert has_ended(before, within_seconds=10)
    assert await process_id(workers) != before


async def test_running_out_of_memory_ends_the_process_only(workers: Workers) -> None:
    before = await process_id(workers)
    with pytest.raises(WorkerCrashed, match="ran out of memory"):
        await workers.call("builtins:bytearray", 2**40)
    assert await process_id(workers) != before


async def test_a_process_that_dies_is_told_from_one_that_fails(workers: Workers) -> None:
    with pytest.raises(WorkerCrashed, match="died of SIGABRT"):
        await workers.call("os:abort")
    with pytest.raises(WorkerCrashed, match="ended its process with exit status 3"):
        await workers.call("os:_exit", 3)


async def test_what_a_function_raises_comes_back_with_its_type_and_message(workers: Workers) -> None:
    with pytest.raises(WorkerError, match="raised ZeroDivisionError: 'division by zero'") as caught:
        await workers.call("operator:truediv", 1, 0)
    assert (caught.value.type, caught.value.message) == ("ZeroDivisionError", "division by zero")


@pytest.mark.parametrize(
    ("function", "kind"),
    [
        ("no_such_module:function", "ModuleNotFoundError"),
        ("os:no_such_function", "AttributeError"),
        ("builtins:object", "TypeError"),
        ("sys:exit", "SystemExit"),
        ("builtins:input", "EOFError"),
    ],
)
async def test_a_function_that_cannot_give_a_value_is_an_error(
    workers: Workers, function: str, kind: str
) -> None:
    before = await process_id(workers)
    with pytest.raises(WorkerError) as caught:
        await workers.call(function)
    assert caught.value.type == kind
    assert await process_id(workers) == before


async def test_a_long_message_is_cut(workers: Workers) -> None:
    with pytest.raises(WorkerError) as caught:
        await workers.call("operator:getitem", {}, "x" * 100_000)
    assert len(caught.value.message) == 2000


async def test_a_value_too_long_to_send_is_an_error(workers: Workers) -> None:
    with pytest.raises(WorkerError, match="more than can be sent"):
        await workers.call("operator:mul", "x", 10**7)
    assert await workers.call("operator:add", 1, 2) == 3


async def test_what_a_function_prints_does_not_disturb_replies(workers: Workers) -> None:
    assert await workers.call("builtins:print", '{"id":1,"value":"forged"}') is None
    assert await workers.call("operator:add", 1, 2) == 3


@pytest.mark.parametrize(
    "name", ["os.getpid", "os:getpid:x", "os:path.join", "", "os:", ":f", "os :f", "a..b:f", "os:f()"]
)
async def test_a_malformed_function_name_is_refused(workers: Workers, name: str) -> None:
    with pytest.raises(ValueError, match="function must look like"):
        await workers.call(name)


@pytest.mark.parametrize("seconds", [0, -1, float("nan")])
async def test_a_deadline_must_be_positive(workers: Workers, seconds: float) -> None:
    with pytest.raises(ValueError, match="timeout_seconds must be > 0"):
        await workers.call("os:getpid", timeout_seconds=seconds)


async def test_an_argument_that_is_not_json_is_refused_and_harms_nothing(workers: Workers) -> None:
    with pytest.raises(TypeError):
        await workers.call("copy:copy", object())  # type: ignore[arg-type]
    assert await workers.call("operator:add", 1, 2) == 3


async def test_calls_beyond_the_number_of_processes_wait_their_turn(workers: Workers) -> None:
    finished: list[int] = []

    async def call(number: int) -> None:
        assert await workers.call("operator:neg", number) == -number
        finished.append(number)

    async with asyncio.TaskGroup() as group:
        for number in range(50):
            group.create_task(call(number))
    assert finished == list(range(50))


async def test_replies_are_never_mixed_up_by_cancelled_calls(workers: Workers) -> None:
    for number in range(30):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await workers.call("operator:add", "stale", str(number))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await workers.call("time:sleep", 0.01)
        assert await workers.call("operator:add", number, 1000) == number + 1000


async def test_a_process_busy_with_a_cancelled_call_is_replaced(workers: Workers) -> None:
    before = await process_id(workers)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await workers.call("time:sleep", 600, timeout_seconds=1000)
    assert await process_id(workers) != before
    assert has_ended(before, within_seconds=10)


async def test_the_kernel_limits_memory_and_processor_time(workers: Workers) -> None:
    assert await workers.call("resource:getrlimit", resource.RLIMIT_AS) == [2**30, 2**30]
    assert await workers.call("resource:getrlimit", resource.RLIMIT_CORE) == [0, 0]
    soft, _ = cast(
        "list[int]", await workers.call("resource:getrlimit", resource.RLIMIT_CPU, timeout_seconds=7)
    )
    used = cast("float", await workers.call("time:process_time"))
    assert used <= soft <= used + 7 + 3 + 1


async def test_a_process_that_has_grown_is_replaced_before_it_fails() -> None:
    async with Workers(1, memory_bytes=2**28) as workers:
        before = await process_id(workers)
        with pytest.raises(WorkerError, match="TypeError"):
            await workers.call("os:urandom", 150 * 2**20, timeout_seconds=60)
        assert await process_id(workers) != before


async def test_secrets_in_the_environment_are_not_handed_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    async with Workers(1) as workers:
        assert await workers.call("os:getenv", "OPENAI_API_KEY") is None
        assert await workers.call("os:getenv", "OMP_NUM_THREADS") == "1"


async def test_warming_starts_every_process() -> None:
    async with Workers(2) as workers:
        async with asyncio.TaskGroup() as group:  # two at once must not wait for each other
            group.create_task(workers.warm("os:getpid"))
            group.create_task(workers.warm("os:getpid"))
        async with asyncio.TaskGroup() as group:
            calls = [group.create_task(process_id(workers)) for _ in range(2)]
        assert len({call.result() for call in calls}) == 2
        with pytest.raises(WorkerError, match="ModuleNotFoundError"):
            await workers.warm("no_such_module:function")


async def test_closing_kills_every_process_and_fails_every_call() -> None:
    workers = Workers(1)
    pid = await process_id(workers)

    async def call_in_vain(function: str, *arguments: float) -> None:
        with pytest.raises(WorkerCrashed):
            await workers.call(function, *arguments, timeout_seconds=1000)

    async with asyncio.TaskGroup() as group:
        group.create_task(call_in_vain("time:sleep", 600))
        group.create_task(call_in_vain("os:getpid"))
        await asyncio.sleep(0.05)
        await workers.aclose()
    assert has_ended(pid, within_seconds=0)
    with pytest.raises(WorkerCrashed, match="the workers are closed"):
        await workers.call("os:getpid")
    await workers.aclose()


async def test_processes_start_with_the_first_call_and_end_with_the_pool() -> None:
    before = children()
    async with Workers(2) as workers:
        assert workers.num_processes == 2
        assert children() == before
        pid = await process_id(workers)
        assert pid in children()
    assert pid not in children()


@pytest.mark.parametrize(("num_processes", "memory_bytes"), [(0, 2**30), (1, 2**20)])
async def test_a_pool_out_of_range_is_refused(num_processes: int, memory_bytes: int) -> None:
    with pytest.raises(ValueError, match="must be >="):
        Workers(num_processes, memory_bytes=memory_bytes)


async def test_workers_die_with_their_parent_however_it_dies() -> None:
    program = """
import asyncio, os, signal
from ttscale.workers import Workers

async def main():
    workers = Workers(1)
    print(await workers.call("os:getpid"), flush=True)
    async with asyncio.TaskGroup() as group:
        group.create_task(workers.call("time:sleep", 600, timeout_seconds=1000))
        await asyncio.sleep(0.05)
        os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        program,
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    output, _ = await process.communicate()
    assert has_ended(int(output), within_seconds=10)


async def test_every_failure_is_one_error() -> None:
    assert issubclass(WorkerTimeout, WorkerFailure)
    assert issubclass(WorkerCrashed, WorkerFailure)
    assert issubclass(WorkerError, WorkerFailure)
