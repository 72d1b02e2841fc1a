"""The tool protocol, and tools made of Python functions."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, cast

from pydantic import ConfigDict, ValidationError, validate_call

from ttscale.types import JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolResult:
    """What came back: a value, or an error text that the model may be shown."""

    value: JSON = None
    error: str | None = None


class Tool(Protocol):
    """Something a model may call by name with JSON arguments."""

    @property
    def name(self) -> str:
        """The name it is called by."""
        ...

    @property
    def description(self) -> str:
        """What it does, in a sentence."""
        ...

    async def call(self, arguments: Mapping[str, JSON]) -> ToolResult:
        """Call it. Failures are results with `error` set, never exceptions."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionTool:
    """A tool made of a Python function; arguments are checked against its type hints.

    A plain function runs in a thread, a coroutine function on the event loop. A thread cannot be stopped: after
    a time-out the call fails at once, while the thread ends when the function does.
    """

    function: Callable[..., JSON | Awaitable[JSON]]
    timeout_seconds: float = 30.0
    name: str = field(default="")
    description: str = field(default="")

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", self.name or self.function.__name__)
        if not self.description:
            object.__setattr__(self, "description", (inspect.getdoc(self.function) or "").partition("\n")[0])

    async def call(self, arguments: Mapping[str, JSON]) -> ToolResult:
        """Call the function; wrong arguments, exceptions and time-outs come back as errors."""
        checked = validate_call(config=ConfigDict(arbitrary_types_allowed=True))(self.function)
        try:
            async with asyncio.timeout(self.timeout_seconds):
                if inspect.iscoroutinefunction(self.function):
                    value = await cast("Awaitable[JSON]", checked(**arguments))
                else:
                    value = await asyncio.to_thread(cast("Callable[..., JSON]", checked), **arguments)
        except TimeoutError:
            return ToolResult(error=f"{self.name} took longer than {self.timeout_seconds:g} s")
        except ValidationError as error:
            wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
            return ToolResult(error=f"{self.name} was called with wrong arguments: {wrong}")
        except Exception as error:  # whatever a tool raises is an observation for the model
            return ToolResult(error=f"{self.name} failed: {type(error).__name__}: {error}")
        return ToolResult(value=value)
