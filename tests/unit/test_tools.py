"""Tools made of functions: arguments are checked, failures are results."""

from __future__ import annotations

import asyncio
import time

from ttscale.tools import FunctionTool


def add(left: int, right: int = 1) -> int:
    """Add two numbers.

    More words.
    """
    return left + right


async def slow(seconds: float) -> str:
    """Wait."""
    await asyncio.sleep(seconds)
    return "done"


def broken() -> None:
    """Fail."""
    raise ValueError("no luck")


def block(seconds: float) -> str:
    """Hold the thread."""
    time.sleep(seconds)
    return "done"


async def test_a_function_becomes_a_tool_with_its_name_and_first_line() -> None:
    tool = FunctionTool(function=add)
    assert (tool.name, tool.description) == ("add", "Add two numbers.")
    assert (await tool.call({"left": 2, "right": 3})).value == 5


async def test_wrong_arguments_come_back_as_an_error_that_names_them() -> None:
    result = await FunctionTool(function=add).call({"left": "two"})
    assert result.value is None
    assert result.error is not None
    assert "left" in result.error


async def test_an_exception_is_an_observation() -> None:
    assert (await FunctionTool(function=broken).call({})).error == "broken failed: ValueError: no luck"


async def test_coroutine_functions_run_and_time_out() -> None:
    tool = FunctionTool(function=slow, timeout_seconds=0.05)
    assert (await tool.call({"seconds": 0})).value == "done"
    assert (await tool.call({"seconds": 60})).error == "slow took longer than 0.05 s"


async def test_a_blocking_function_times_out_at_once() -> None:
    tool = FunctionTool(function=block, timeout_seconds=0.05)
    assert (await tool.call({"seconds": 0.3})).error == "block took longer than 0.05 s"
