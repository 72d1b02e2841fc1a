"""The task keeper: background tasks end with their owner and never disturb one another."""

from __future__ import annotations

import asyncio
import inspect

import pytest

from ttscale.errors import BackendError
from ttscale.tasks import TaskKeeper


async def _forever(log: list[str]) -> None:
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        log.append("cancelled")
        raise


async def _fail() -> None:
    raise ValueError("broken")


async def test_closing_cancels_what_still_runs_and_waits_for_it() -> None:
    keeper, log = TaskKeeper(), list[str]()
    await keeper.start()
    task = keeper.spawn(_forever(log))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await keeper.aclose()
    assert task.cancelled()
    assert log == ["cancelled"]
    await keeper.aclose()


async def test_a_keeper_may_be_closed_by_another_task_than_started_it() -> None:
    keeper, log = TaskKeeper(), list[str]()
    async with asyncio.TaskGroup() as group:
        await group.create_task(keeper.start())
        keeper.spawn(_forever(log))
        await asyncio.sleep(0)
        await group.create_task(keeper.aclose())
    assert log == ["cancelled"]


async def test_a_failing_task_is_reported_and_leaves_the_others_alone() -> None:
    keeper, log, errors = TaskKeeper(), list[str](), list[Exception]()
    await keeper.start()
    survivor = keeper.spawn(_forever(log))
    failed = keeper.spawn(_fail(), on_error=errors.append)
    await asyncio.wait({failed})
    assert [str(error) for error in errors] == ["broken"]
    assert not survivor.done()
    await keeper.aclose()


async def test_a_failure_nobody_listens_to_reaches_the_event_loop() -> None:
    contexts = list[dict[str, object]]()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: contexts.append(context))
    keeper = TaskKeeper()
    await keeper.start()
    await asyncio.wait({keeper.spawn(_fail())})
    await keeper.aclose()
    assert str(contexts[0]["exception"]) == "broken"


async def test_a_task_cancelled_before_its_first_step_leaves_no_unawaited_coroutine() -> None:
    keeper, log = TaskKeeper(), list[str]()
    await keeper.start()
    coroutine = _forever(log)
    task = keeper.spawn(coroutine)
    task.cancel()
    await asyncio.wait({task})
    assert inspect.getcoroutinestate(coroutine) == inspect.CORO_CLOSED
    assert log == []
    await keeper.aclose()


async def test_tasks_may_spawn_tasks() -> None:
    keeper, log = TaskKeeper(), list[str]()
    await keeper.start()

    async def parent() -> None:
        keeper.spawn(_forever(log))

    await asyncio.wait({keeper.spawn(parent())})
    await asyncio.sleep(0)
    await keeper.aclose()
    assert log == ["cancelled"]


async def test_spawning_outside_the_keepers_life_is_an_error() -> None:
    keeper = TaskKeeper()
    with pytest.raises(BackendError, match="not running"):
        keeper.spawn(_forever([]))
    await keeper.aclose()
    await keeper.start()
    with pytest.raises(BackendError, match="started before"):
        await keeper.start()
    await keeper.aclose()
    with pytest.raises(BackendError, match="not running"):
        keeper.spawn(_forever([]))


async def test_cancelling_the_closer_does_not_leave_tasks_behind() -> None:
    keeper, log = TaskKeeper(), list[str]()
    await keeper.start()
    keeper.spawn(_forever(log))
    await asyncio.sleep(0)
    async with asyncio.TaskGroup() as group:
        closer = group.create_task(keeper.aclose())
        await asyncio.sleep(0)
        closer.cancel()
    await keeper.aclose()
    assert log == ["cancelled"]


async def test_a_task_may_close_its_own_keeper() -> None:
    keeper = TaskKeeper()
    await keeper.start()
    task = keeper.spawn(keeper.aclose())
    await asyncio.wait({task})
    await keeper.aclose()
    assert task.cancelled()
