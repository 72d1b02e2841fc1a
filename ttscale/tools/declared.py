"""Tools that are declared as JSON, as OpenAI's API takes them."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Self, cast

from ttscale.errors import BudgetExhausted, ConfigError, ToolError
from ttscale.tools.schema import check_arguments
from ttscale.tools.tool import ToolResult
from ttscale.types import JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredTool:
    """A declaration, and a function on the event loop that is handed the arguments as they come.

    The arguments are checked against the declaration's JSON Schema first.
    """

    name: str
    description: str
    parameters: Mapping[str, JSON]
    answer: Callable[[Mapping[str, JSON]], JSON | Awaitable[JSON]] = field(repr=False)
    """Returns the value; what it raises is an error for the model."""

    @classmethod
    def from_openai(
        cls, declaration: JSON, answer: Callable[[Mapping[str, JSON]], JSON | Awaitable[JSON]]
    ) -> Self:
        """Read ``{"type": "function", "function": {"name", "description", "parameters"}}``.

        Raises:
            ToolError: it is not of that form.
        """
        function = declaration.get("function") if isinstance(declaration, Mapping) else None
        if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
            raise ToolError(f"{declaration!r:.200} declares no function; see OpenAI's `tools`")
        parameters = function.get("parameters") or {"type": "object", "properties": {}}
        if not isinstance(parameters, Mapping):
            raise ToolError(f"the parameters of {function['name']!r} are no JSON Schema: {parameters!r:.200}")
        description = function.get("description")
        return cls(
            name=cast("str", function["name"]),
            description=description if isinstance(description, str) else "",
            parameters=parameters,
            answer=answer,
        )

    async def call(self, arguments: Mapping[str, JSON], /) -> ToolResult:
        """Check the arguments and answer; what goes wrong comes back as an error."""
        if wrong := check_arguments(self.parameters, arguments):
            return ToolResult(error=f"{self.name} was called with wrong arguments: {wrong}")
        try:
            value = self.answer(arguments)
            return ToolResult(value=await value if inspect.isawaitable(value) else value)
        except (BudgetExhausted, ConfigError):
            raise
        except Exception as error:  # whatever it raises is an observation
            return ToolResult(error=f"{self.name} failed: {type(error).__name__}: {error}")
