"""Tools that do not stop when they are told to: nobody waits for them for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from tests.unit.dag_calls import call
from ttscale.budget import Budget
from ttscale.engine import Engine
from ttscale.run import Run
from ttscale.testing import FakeBackend, virtual_clock
from ttscale.testing.function_strategy import FunctionStrategy
from ttscale.tools import FunctionTool, LimitedTool, ToolResult
from ttscale.tools.stopping import STOP_SECONDS, stoppable
from ttscale.types import JSON, Outcome, Problem
from ttscale_strategies.dag import Executor, Graph, Node


@dataclass
class Stubborn:
    """Goes on whenever it is cancelled."""

    name: str = "stubborn"
    description: str = "Knows no end."
    parameters: Mapping[str, JSON] = field(default_factory=dict)
    num_cancelled: int = 0
    is_closed: bool = False

    async def call(self, arguments: Mapping[str, JSON], /) -> ToolResult:
        try:
            while True:
                try:
                    await asyncio.sleep(1)
                except asyncio.CancelledError:
                    self.num_cancelled += 1
        finally:
            self.is_closed = True


def now() -> float:
    return asyncio.get_running_loop().time()


async def solved(body: object, budget: Budget | None = None) -> Outcome:
    async with Engine(FakeBackend("x")) as engine:
        return await engine.solve(Problem.ask("Q"), strategy=FunctionStrategy(body=body), budget=budget)  # type: ignore[arg-type]


@virtual_clock
async def test_a_coroutine_function_that_goes_on_is_late_and_over() -> None:
    stubborn = Stubborn()

    async def endless() -> ToolResult:
        return await stubborn.call({})

    result = await FunctionTool(function=endless, timeout_seconds=2).call({})
    assert (result.error, result.is_transient) == ("endless took longer than 2 s", True)
    assert (now(), stubborn.is_closed, len(asyncio.all_tasks())) == (2 + STOP_SECONDS, True, 1)


@virtual_clock
async def test_limits_hold_for_a_tool_that_goes_on_and_its_turn_is_free_again() -> None:
    tool = LimitedTool(tool=Stubborn(), timeout_seconds=2, concurrency=1)
    for end in (1, 2):
        assert (await tool.call({})).error == "stubborn took longer than 2 s"
        assert now() == end * (2 + STOP_SECONDS)


@virtual_clock
async def test_a_graph_ends_beside_a_call_that_goes_on_and_so_does_one_that_is_left() -> None:
    stubborn = Stubborn()

    async def make(node: Node, arguments: Mapping[str, JSON]) -> ToolResult:
        return await stubborn.call(arguments)

    async with Executor(make, graph=Graph([call("1"), call("2", "1")]), timeout_seconds=3) as executor:
        graph = await executor.finish()
    assert graph.results["2"].error == "tool 2 took longer than 3 s"
    assert now() == 2 * (3 + STOP_SECONDS)
    async with Executor(make, graph=Graph([call("1")])) as executor:
        await asyncio.sleep(1)
    assert (executor.graph.states, executor.num_running) == ({"1": "pending"}, 0)


@virtual_clock
async def test_a_graph_whose_editor_goes_on_is_not_frozen() -> None:
    async def quick(node: Node, arguments: Mapping[str, JSON]) -> ToolResult:
        return ToolResult(value=node.id)

    async def edit(graph: Graph, ended: object) -> tuple[()]:
        await Stubborn().call({})
        return ()

    nodes = Graph([call("1"), call("2", "1")])
    async with Executor(quick, graph=nodes, editor=edit, editor_timeout_seconds=10) as executor:
        await executor.finish()
    assert executor.refused == ["It took longer than 10 s."] * 2


@virtual_clock
async def test_a_run_ends_though_its_tool_goes_on() -> None:
    async def body(run: Run) -> str:
        run.best("so far")
        return (await run.call(Stubborn())).text

    outcome = await solved(body, Budget(seconds=4))
    assert (outcome.answer, outcome.stop_reason) == ("so far", "budget")
    assert now() == pytest.approx(4 + STOP_SECONDS)


@virtual_clock
async def test_a_tools_own_time_out_that_its_work_ignores_is_an_observation() -> None:
    class Hasty(Stubborn):
        async def call(self, arguments: Mapping[str, JSON], /) -> ToolResult:
            async with asyncio.timeout(1):
                return await Stubborn.call(self, arguments)

    async def body(run: Run) -> str:
        return (await run.call(Hasty())).text

    assert (await solved(body)).answer == "Error: stubborn failed: TimeoutError: it did not stop within 5 s"


@virtual_clock
async def test_who_cleans_up_in_time_may_and_a_value_that_comes_too_late_is_none() -> None:
    cleaned = list[float]()

    async def tidy() -> str:
        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            await asyncio.sleep(STOP_SECONDS - 1)
            cleaned.append(now())
        return "late"

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await stoppable(tidy())
    assert cleaned == [STOP_SECONDS]


@virtual_clock
async def test_time_outs_within_the_work_are_its_own_business() -> None:
    async def patient() -> int:
        for number in range(3):
            try:
                async with asyncio.timeout(1):
                    try:
                        await asyncio.sleep(100)
                    finally:
                        await asyncio.sleep(2)
            except TimeoutError:
                await asyncio.sleep(10 * STOP_SECONDS + number)
        return 3

    assert await stoppable(patient()) == 3
    assert now() == 3 * (1 + 2 + 10 * STOP_SECONDS) + 3


@virtual_clock
async def test_cancelled_again_and_again_it_ends_once() -> None:
    stubborn = Stubborn()
    async with asyncio.TaskGroup() as group:

        async def work() -> ToolResult:
            return await stoppable(stubborn.call({}))

        task = group.create_task(work())
        for _ in range(3):
            await asyncio.sleep(0.5)
            task.cancel()
    assert (task.cancelled(), stubborn.num_cancelled, now()) == (True, 3, 0.5 + STOP_SECONDS)


@virtual_clock
async def test_what_is_not_cancelled_runs_as_if_it_were_awaited() -> None:
    async def fails() -> None:
        await asyncio.sleep(1)
        raise LookupError("no luck")

    with pytest.raises(LookupError, match="no luck"):
        await stoppable(fails())
    assert await stoppable(asyncio.sleep(1, "value")) == "value"
