"""Tools made of Python functions."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast

from ttscale.errors import BudgetExhausted, ConfigError
from ttscale.tools.stopping import stoppable
from ttscale.tools.threads import in_thread
from ttscale.tools.tool import ToolResult
from ttscale.types import JSON

if TYPE_CHECKING:
    from pydantic import ValidationError

_ARGUMENT: Final = re.compile(r"\*{0,2}(\w+)(?: \([^)]*\))?:\s*(.*)")
_SECTION: Final = re.compile(r"(Args|Arguments|Parameters):")


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionTool:
    """A Python function: its arguments are checked against its type hints.

    The JSON Schema comes from the hints, descriptions from the docstring: its first paragraph, and its section
    `Args` as Google writes it. Arguments are read as pydantic reads them: ``"2"`` is a whole number where one
    is asked for. What the function returns may be anything that pydantic can write as JSON.

    A plain function runs in a thread, a coroutine function on the event loop. A thread cannot be stopped: after
    a time-out the call fails at once, while the thread ends when the function does. A coroutine is cancelled,
    and closed if it does not stop (`ttscale.tools.stopping`).

    Raises:
        ValueError: `function` names nothing that can be called, or takes arguments by position only.
    """

    function: Callable[..., Any] | str
    """The function, or where it is: ``"package.module:function"``."""
    timeout_seconds: float = 30.0
    """Longest time a call may take, > 0."""
    name: str = ""
    """The function's own name unless given."""
    description: str = ""
    """The first paragraph of its docstring unless given."""
    parameters: Mapping[str, JSON] = field(init=False, repr=False, compare=False)
    """JSON Schema of the arguments."""
    _checked: Callable[..., Any] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        function = _imported(self.function) if isinstance(self.function, str) else self.function
        if not self.timeout_seconds > 0:
            raise ValueError(f"timeout_seconds must be > 0, got {self.timeout_seconds!r}")
        documentation = inspect.getdoc(function) or ""
        name = self.name or getattr(function, "__name__", type(function).__name__)
        checked, schema = _reader(function, name)
        for argument, description in described_arguments(documentation).items():
            if argument in schema["properties"]:
                schema["properties"][argument].setdefault("description", description)
        values = {
            "function": function,
            "name": name,
            "description": self.description or " ".join(documentation.partition("\n\n")[0].split()),
            "parameters": schema,
            "_checked": checked,
        }
        for key, value in values.items():
            object.__setattr__(self, key, value)

    async def call(self, arguments: Mapping[str, JSON], /) -> ToolResult:
        """Call the function; wrong arguments, exceptions and time-outs come back as errors."""
        from pydantic import ValidationError

        deadline = asyncio.timeout(self.timeout_seconds)
        try:
            async with deadline:
                value = await stoppable(self._value(arguments))
        except TimeoutError as error:
            if deadline.expired():
                return ToolResult(
                    error=f"{self.name} took longer than {self.timeout_seconds:g} s", is_transient=True
                )
            return self._failed(error)
        except ValidationError as error:
            return ToolResult(error=f"{self.name} was called with wrong arguments: {_wrong(error)}")
        except (BudgetExhausted, ConfigError):
            raise
        except Exception as error:  # whatever a tool raises is an observation for the model
            return self._failed(error)
        return self._written(value)

    async def _value(self, arguments: Mapping[str, JSON]) -> object:
        if inspect.iscoroutinefunction(self.function):
            return await cast("Awaitable[object]", self._checked(**arguments))
        value = await in_thread(lambda: cast("object", self._checked(**arguments)))
        return await value if inspect.isawaitable(value) else value

    def _failed(self, error: Exception) -> ToolResult:
        return ToolResult(
            error=f"{self.name} failed: {type(error).__name__}: {error}",
            is_transient=isinstance(error, ConnectionError | TimeoutError),
        )

    def _written(self, value: object) -> ToolResult:
        if value is None or isinstance(value, str | bool | int | float):
            return ToolResult(value=value)
        from pydantic_core import to_jsonable_python

        try:
            return ToolResult(value=cast("JSON", to_jsonable_python(value)))
        except Exception as error:  # a value's own methods may raise anything
            kind = type(value).__name__
            return ToolResult(error=f"{self.name} returned a {kind}, which cannot be written as JSON: {error}")


def _imported(path: str) -> Callable[..., Any]:
    module, colon, attribute = path.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute) if module and colon else None
    except (ImportError, AttributeError) as error:
        raise ValueError(f"the function {path!r} cannot be imported: {error}") from error
    if not callable(found):
        raise ValueError(f"{path!r} names no function; write package.module:function")
    return cast("Callable[..., Any]", found)


def _reader(function: Callable[..., Any], name: str) -> tuple[Callable[..., Any], dict[str, Any]]:
    """Return the function that checks its arguments first, and their JSON Schema."""
    from pydantic import ConfigDict, TypeAdapter, validate_call
    from pydantic.errors import PydanticUndefinedAnnotation, PydanticUserError

    config = ConfigDict(arbitrary_types_allowed=True)
    try:
        checked = validate_call(config=config)(function)
        adapter = TypeAdapter(cast("type[object]", function), config=config)
        schema = cast("dict[str, Any]", _untitled(adapter.json_schema()))
    except (PydanticUserError, PydanticUndefinedAnnotation) as error:
        message = str(error).partition("\n")[0]
        raise ValueError(f"the arguments of {name!r} have no JSON Schema: {message}") from error
    if schema.get("type") != "object":
        raise ValueError(f"{name!r} takes arguments by position only; a tool's arguments have names")
    schema.setdefault("properties", {})
    return checked, schema


def _untitled(schema: object) -> object:
    """Leave out the titles, which repeat the names."""
    if isinstance(schema, list):
        return [_untitled(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: {name: _untitled(inner) for name, inner in value.items()}
        if key in {"properties", "$defs"}
        else _untitled(value)
        for key, value in schema.items()
        if not (key == "title" and isinstance(value, str))
    }


def described_arguments(documentation: str) -> dict[str, str]:
    """Return the descriptions in a Google docstring's section of arguments, by argument."""
    found = dict[str, str]()
    lines = documentation.splitlines()
    start = next((place for place, line in enumerate(lines) if _SECTION.fullmatch(line.strip())), len(lines))
    indent, current = 0, ""
    for line in lines[start + 1 :]:
        if not line.strip():
            break
        depth = len(line) - len(line.lstrip())
        indent = indent or depth
        match = _ARGUMENT.fullmatch(line.strip()) if depth == indent else None
        if depth < indent or depth == 0:
            break
        if match:
            current = match[1]
            found[current] = match[2]
        elif current:
            found[current] = f"{found[current]} {line.strip()}".strip()
    return found


def _wrong(error: ValidationError) -> str:
    """Say what is wrong with each argument."""
    return "; ".join(f"{'.'.join(map(str, e['loc']))}: {_lower(e['msg'])}" for e in error.errors())


def _lower(message: str) -> str:
    return message[:1].lower() + message[1:]
