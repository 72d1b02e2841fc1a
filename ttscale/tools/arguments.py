"""Arguments of tools that take texts."""

from __future__ import annotations

from collections.abc import Mapping

from ttscale.tools.tool import ToolResult
from ttscale.types import JSON


def schema_of_texts(**descriptions: str) -> dict[str, JSON]:
    """Return the JSON Schema of arguments that are all texts and all required, with a description of each."""
    return {
        "type": "object",
        "properties": {
            name: {"type": "string", "description": description} for name, description in descriptions.items()
        },
        "required": list(descriptions),
        "additionalProperties": False,
    }


def read_text(arguments: Mapping[str, JSON], name: str) -> str | ToolResult:
    """Return the one argument of a tool; a number is read as its text. What is wrong comes back as a result."""
    unknown = [given for given in arguments if given != name]
    value = arguments.get(name)
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)
    if isinstance(value, str) and value.strip() and not unknown:
        return value
    if unknown:
        return ToolResult(error=f"there is no argument {unknown[0]!r}; give {name!r}, a text")
    given = "is missing" if name not in arguments else f"must be a text that is not empty, got {value!r:.100}"
    return ToolResult(error=f"the argument {name!r} {given}")
