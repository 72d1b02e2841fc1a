"""Tools made of functions: schemas from hints, arguments are checked, failures are results."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Annotated, Literal

import pytest
from pydantic import Field

from ttscale.testing import virtual_clock
from ttscale.tools import FunctionTool, Tool


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


@dataclass(frozen=True)
class Place:
    """A place."""

    name: str
    people: int


def search(query: str, unit: Literal["km", "mi"] = "km", limit: Annotated[int, Field(ge=1)] = 3) -> Place:
    """Look for a place
    on the map.

    Args:
        query: what to look for,
            in any language.
        unit (str): of distances.

    Returns:
        The place: the largest one.
    """
    return Place(name=f"{query} in {unit}", people=limit)


def test_the_schema_comes_from_hints_and_docstring() -> None:
    tool = FunctionTool(function=search)
    assert isinstance(tool, Tool)
    assert tool.description == "Look for a place on the map."
    assert tool.parameters == {
        "type": "object",
        "properties": {
            "query": {"type": "string", "description": "what to look for, in any language."},
            "unit": {
                "type": "string",
                "enum": ["km", "mi"],
                "default": "km",
                "description": "of distances.",
            },
            "limit": {"type": "integer", "minimum": 1, "default": 3},
        },
        "required": ["query"],
        "additionalProperties": False,
    }


@virtual_clock
async def test_a_plain_function_works_on_a_virtual_clock_and_returns_what_can_be_written_as_json() -> None:
    result = await FunctionTool(function=search).call({"query": "Rome", "limit": "2"})
    assert result.value == {"name": "Rome in km", "people": 2}


@virtual_clock
async def test_every_wrong_argument_is_named() -> None:
    result = await FunctionTool(function=search).call({"unit": "ft", "limit": 0, "self": 1})
    assert result.error is not None
    assert result.error.startswith("search was called with wrong arguments: ")
    for name in ("query: missing", "unit: ", "limit: ", "self: unexpected"):
        assert name in result.error


@virtual_clock
async def test_what_cannot_be_written_as_json_is_an_error() -> None:
    def odd() -> object:
        return lambda: None

    result = await FunctionTool(function=odd).call({})
    assert result.error is not None
    assert "returned a function, which cannot be written as JSON" in result.error


@virtual_clock
async def test_a_lost_connection_may_pass_and_a_wrong_value_does_not() -> None:
    async def lost() -> None:
        raise ConnectionResetError("gone")

    assert (await FunctionTool(function=lost).call({})).is_transient
    assert not (await FunctionTool(function=broken).call({})).is_transient


def test_a_function_may_be_named_by_where_it_is() -> None:
    tool = FunctionTool(function="ttscale.tools.arithmetic:add")
    assert (tool.name, tool.description) == ("add", "Add two whole numbers.")
    assert list(tool.parameters["properties"]) == ["left", "right"]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("ttscale.tools.arithmetic:divide", "cannot be imported"),
        ("nonsense", "names no function"),
        ("ttscale.nowhere:add", "cannot be imported"),
        (lambda a, /: a, "by position only"),
    ],
)
def test_what_cannot_be_a_tool_is_refused_at_once(function: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FunctionTool(function=function)  # type: ignore[arg-type]
