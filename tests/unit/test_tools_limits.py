"""Limits of tools: turns, time, repetitions, results that are there already, and dollars."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from ttscale.budget import Budget, PriceTable
from ttscale.budget.cost import Price
from ttscale.engine import Engine
from ttscale.errors import ToolError
from ttscale.run import Run
from ttscale.testing import FakeBackend, virtual_clock
from ttscale.testing.function_strategy import FunctionStrategy
from ttscale.tools import FunctionTool, LimitedTool, Limits, Toolbox, ToolResult, with_limits
from ttscale.types import JSON, Outcome, Problem


@dataclass
class Slow:
    """Takes a second a call, and gives the results it was made with, the last one for ever."""

    results: list[ToolResult] = field(default_factory=lambda: [ToolResult(value="done")])
    seconds: float = 1.0
    name: str = "slow"
    description: str = "Takes its time."
    parameters: Mapping[str, JSON] = field(default_factory=dict)
    began: list[float] = field(default_factory=list)
    most_at_once: int = 0
    at_once: int = 0

    async def call(self, arguments: Mapping[str, JSON], /) -> ToolResult:
        self.began.append(now())
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(self.seconds)
        finally:
            self.at_once -= 1
        return self.results[min(len(self.began), len(self.results)) - 1]


PRICES = PriceTable(date="2026-11-01", models={"fake": Price(prompt=1.0, generated=1.0)})
LATE = ToolResult(error="try again", is_transient=True)


def now() -> float:
    return asyncio.get_running_loop().time()


async def all_of(tool: LimitedTool, *arguments: Mapping[str, JSON]) -> list[ToolResult]:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(tool.call(given)) for given in arguments]
    return [task.result() for task in tasks]


@virtual_clock
async def test_calls_wait_for_their_turn_first_come_first_served_and_say_how_long() -> None:
    slow = Slow()
    results = await all_of(
        LimitedTool(tool=slow, concurrency=2), {"a": 1}, {"a": 2}, {"a": 3}, {"a": 4}, {"a": 5}
    )
    assert slow.began == [0, 0, 1, 1, 2]
    assert slow.most_at_once == 2
    assert [result.waited_seconds for result in results] == [0, 0, 1, 1, 2]


@virtual_clock
async def test_waiting_does_not_count_against_the_time_of_a_call() -> None:
    results = await all_of(LimitedTool(tool=Slow(), concurrency=1, timeout_seconds=1.5), {"a": 1}, {"a": 2})
    assert [result.error for result in results] == [None, None]


@virtual_clock
async def test_a_call_that_hangs_is_given_up() -> None:
    result = await LimitedTool(tool=Slow(seconds=1e9), timeout_seconds=2, retries=1).call({})
    assert (result.error, result.is_transient) == ("slow took longer than 2 s", True)
    assert now() == pytest.approx(2 + 0.5 + 2)


@virtual_clock
async def test_what_may_pass_is_tried_again_with_growing_pauses() -> None:
    slow = Slow(results=[LATE, LATE, ToolResult(value="at last")])
    result = await LimitedTool(tool=slow, retries=3).call({})
    assert result.value == "at last"
    assert slow.began == pytest.approx([0, 1.5, 3.5])


@virtual_clock
async def test_the_last_failure_comes_back_and_what_will_not_pass_is_not_tried_again() -> None:
    assert (await LimitedTool(tool=Slow(results=[LATE]), retries=2).call({})) == LATE
    wrong = Slow(results=[ToolResult(error="wrong arguments")])
    assert (await LimitedTool(tool=wrong, retries=5).call({})).error == "wrong arguments"
    assert len(wrong.began) == 1


@virtual_clock
async def test_identical_calls_are_made_once_whoever_makes_them() -> None:
    slow = Slow()
    tool = LimitedTool(tool=slow, is_cached=True, usd_per_call=0.5)
    together = await all_of(tool, {"a": 1, "b": 2}, {"b": 2, "a": 1}, {"a": 2})
    later = await tool.call({"a": 2})
    assert len(slow.began) == 2
    assert [result.usd for result in (*together, later)] == [0.5, 0, 0.5, 0]
    assert [result.is_reused for result in (*together, later)] == [False, True, False, True]
    assert now() == 1


@virtual_clock
async def test_errors_are_not_kept() -> None:
    slow = Slow(results=[ToolResult(error="no luck"), ToolResult(value="luck")])
    tool = LimitedTool(tool=slow, is_cached=True)
    first = await all_of(tool, {}, {})
    assert [result.error for result in first] == ["no luck", "no luck"]
    assert (await tool.call({})).value == "luck"


@virtual_clock
async def test_where_the_one_who_makes_a_call_is_cancelled_another_takes_over() -> None:
    slow = Slow()
    tool = LimitedTool(tool=slow, is_cached=True)
    async with asyncio.TaskGroup() as group:
        first = group.create_task(tool.call({}))
        others = [group.create_task(tool.call({})) for _ in range(2)]
        await asyncio.sleep(0.5)
        first.cancel()
        await asyncio.sleep(0.1)
        others[1].cancel()  # and one who only waits takes nobody with it
    assert others[0].result().value == "done"
    assert slow.began == [0, 0.5]
    assert (await tool.call({})).is_reused


@pytest.mark.parametrize(
    "wrong", [{"concurrency": 0}, {"timeout_seconds": 0.0}, {"retries": -1}, {"usd_per_call": float("nan")}]
)
def test_limits_are_checked(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Limits(**wrong)  # type: ignore[arg-type]


# ── within a run ──────────────────────────────────────────────────────────────────────────────────────────


async def solved(body: object, budget: Budget | None = None) -> Outcome:
    async with Engine(FakeBackend("x"), prices=PRICES) as engine:
        return await engine.solve(Problem.ask("Q"), strategy=FunctionStrategy(body=body), budget=budget)  # type: ignore[arg-type]


@virtual_clock
async def test_every_try_is_paid_for_and_waiting_is_not_on_the_critical_path() -> None:
    tool = with_limits(Slow(results=[LATE, ToolResult(value="ok")]), Limits(retries=1, usd_per_call=0.25))
    turns = LimitedTool(tool=Slow(), concurrency=1)

    async def body(run: Run) -> str:
        await run.call(tool)
        async with asyncio.TaskGroup() as group:
            for number in range(3):
                group.create_task(run.call(turns, number=number))
        return "done"

    outcome = await solved(body)
    assert outcome.usage.usd == 0.5
    assert outcome.usage.tool_calls == 4
    assert outcome.seconds == pytest.approx(2.5 + 3)
    assert outcome.critical_path_seconds == pytest.approx(2.5 + 1)


@virtual_clock
async def test_dollars_are_reserved_for_the_worst_case_and_freed_again() -> None:
    tool = LimitedTool(tool=Slow(), usd_per_call=1.0, retries=1)

    async def body(run: Run) -> str:
        await run.call(tool, query="a")
        first = run.budget.remaining.usd
        await run.call(tool, query="b")
        return str(first)

    outcome = await solved(body, Budget(usd=2.5))
    assert outcome.stop_reason == "budget"  # of 1.5 dollars the second call's two would be too much
    assert outcome.usage.usd == 1.0


@virtual_clock
async def test_a_tool_that_raises_is_an_observation_and_its_arguments_may_have_any_name() -> None:
    class Rude(Slow):
        async def call(self, arguments: Mapping[str, JSON], /) -> ToolResult:
            raise KeyError(sorted(arguments)[0])

    async def body(run: Run) -> str:
        return (await run.call(Rude(), self=1, tool=2, arguments=3)).text

    assert (await solved(body)).answer == "Error: slow failed: KeyError: 'arguments'"


@virtual_clock
async def test_the_trace_says_what_came_back_and_a_cancelled_call_is_charged() -> None:
    tool = LimitedTool(tool=Slow(), usd_per_call=0.5)

    async def body(run: Run) -> str:
        await run.call(tool)
        try:
            async with asyncio.timeout(0.5):
                await run.call(tool)
        except TimeoutError:
            return "gave up"
        return "never"

    outcome = await solved(body)
    spans = [span for span in outcome.trace if span["kind"] == "tool"]
    assert spans[0]["attributes"] == {"error": None, "text": "done", "reused": False}
    assert spans[1]["end"] == pytest.approx(1.5)
    assert outcome.usage.usd == 1.0


@virtual_clock
async def test_a_toolbox_finds_tools_and_answers_for_those_it_lacks() -> None:
    async def shout(text: str) -> str:
        """Say it louder."""
        return text.upper()

    async def body(run: Run) -> str:
        box = await Toolbox.open(
            run, (FunctionTool(function=shout), Slow()), limits={"slow": Limits(retries=1)}
        )
        assert box.names == ("shout", "slow")
        assert isinstance(box["slow"], LimitedTool)
        with pytest.raises(ToolError, match="did you mean 'shout'"):
            box["shoot"]
        texts = [
            (await box.call(run, "shout", {"text": "hey"})).text,
            (await box.call(run, "shout", {"txt": "hey"})).text,
            (await box.call(run, "whisper", {})).text,
        ]
        return "\n".join(texts)

    outcome = await solved(body)
    assert outcome.answer is not None
    loud, wrong, unknown = outcome.answer.split("\n")
    assert loud == "HEY"
    assert "text: missing" in wrong
    assert unknown == "Error: no tool is called 'whisper'; there are: shout, slow"
    assert outcome.usage.tool_calls == 2


def test_a_toolbox_refuses_two_tools_of_one_name_and_limits_on_none() -> None:
    with pytest.raises(ToolError, match="two tools are called 'slow'"):
        Toolbox([Slow(), Slow()])
    with pytest.raises(ToolError, match="limits on 'fast'"):
        Toolbox([Slow()], limits={"fast": Limits()})
