"""Tools and tool calls in the form of OpenAI's chat API."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, cast

from ttscale.errors import ToolError
from ttscale.tools.tool import Tool, ToolResult
from ttscale.tools.toolbox import Toolbox
from ttscale.types import JSON

_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_MOST_QUOTED: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """One call that a model asks for."""

    id: str
    """Names it in the answer; made up where the model gave none."""
    name: str
    arguments: Mapping[str, JSON] = field(default_factory=dict[str, "JSON"])
    error: str | None = None
    """Why it cannot be made: what the model is told in place of a result."""


def declare(tools: Iterable[Tool]) -> list[JSON]:
    """Return what a request's `tools` holds.

    Raises:
        ToolError: a name is not of 1 to 64 letters, digits, ``_`` and ``-``, which is all the API takes.
    """
    return [_declaration(tool) for tool in tools]


def _declaration(tool: Tool) -> JSON:
    if not _NAME.fullmatch(tool.name):
        raise ToolError(
            f"the API does not take {tool.name!r} for a tool's name; give it one of letters and digits"
        )
    return {
        "type": "function",
        "function": {"name": tool.name, "description": tool.description, "parameters": tool.parameters},
    }


def read_calls(tool_calls: JSON, box: Toolbox) -> list[ToolCall]:
    """Read an answer's `tool_calls`, in order; what is wrong with one is in its `error`, never an exception.

    Wrong are arguments that are no JSON object, names that no tool has, an id that an earlier call has taken
    (the answers could not be told apart), and calls of another type than ``function``.

    Args:
        tool_calls: as the API gives them; ``None``: none.
        box: the tools there are.
    """
    found, taken = list[ToolCall](), set[str]()
    items = tool_calls if isinstance(tool_calls, Sequence) and not isinstance(tool_calls, str) else []
    for place, item in enumerate(items):
        call = _call(item, place, box)
        if call.id in taken:
            call = replace(call, error=f"the id {call.id!r} is that of an earlier call; give each call its own")
        taken.add(call.id)
        found.append(call)
    return found


def _call(item: JSON, place: int, box: Toolbox) -> ToolCall:
    if not isinstance(item, Mapping):
        return ToolCall(id=f"call_{place}", name="", error=f"{item!r:.{_MOST_QUOTED}} is no tool call")
    given = item.get("id")
    id = given if isinstance(given, str) and given else f"call_{place}"
    function = item.get("function")
    if item.get("type", "function") != "function" or not isinstance(function, Mapping):
        return ToolCall(id=id, name="", error=f"a call of type {item.get('type')!r} cannot be made")
    name = function.get("name")
    if not isinstance(name, str) or name not in box:
        return ToolCall(id=id, name=str(name or ""), error=box.unknown(str(name or "")))
    arguments, error = _arguments(function.get("arguments"))
    return ToolCall(id=id, name=name, arguments=arguments, error=error)


def _arguments(written: JSON) -> tuple[Mapping[str, JSON], str | None]:
    """Read arguments, JSON in a text; some servers give the object itself, or nothing where there are none."""
    if written is None or written == "":
        return {}, None
    read: JSON = written
    if isinstance(written, str):
        try:
            read = cast("JSON", json.loads(written, parse_constant=_refuse_constant))
        except (ValueError, RecursionError) as error:
            return {}, f"the arguments are not JSON ({error}): {written[:_MOST_QUOTED]!r}"
    if isinstance(read, Mapping):
        return read, None
    return {}, f"the arguments must be a JSON object, got {read!r:.{_MOST_QUOTED}}"


def _refuse_constant(name: str) -> JSON:
    raise ValueError(f"{name} is not JSON")


def answer(call: ToolCall, result: ToolResult) -> JSON:
    """Return the message with the role ``tool`` that answers a call."""
    return {"role": "tool", "tool_call_id": call.id, "content": result.text}


class CallAssembler:
    """Puts streamed `tool_calls` together: id and name come once, the arguments in pieces, each with an index.

    However the pieces are cut, what comes out is what one answer would have held.
    """

    def __init__(self) -> None:
        self._calls = dict[int, _Growing]()

    def add(self, deltas: JSON) -> None:
        """Take the `tool_calls` of one chunk; ``None``: it has none. What is no delta is left out."""
        if deltas is None or isinstance(deltas, str) or not isinstance(deltas, Sequence):
            return
        for delta in deltas:
            if isinstance(delta, Mapping):
                self._grown(delta).add(delta)

    def _grown(self, delta: Mapping[str, JSON]) -> _Growing:
        """Return the call that a delta belongs to: where there is no index, a new id begins a new one."""
        index, id = delta.get("index"), delta.get("id")
        if not isinstance(index, int) or isinstance(index, bool):
            last = max(self._calls, default=0)
            is_new = bool(id) and last in self._calls and self._calls[last].id not in ("", id)
            index = last + 1 if is_new else last
        return self._calls.setdefault(index, _Growing())

    def finish(self) -> list[JSON]:
        """Return `tool_calls` as an answer that was not streamed holds them, by index."""
        return [self._calls[index].to_json() for index in sorted(self._calls)]


class _Growing:
    def __init__(self) -> None:
        self.id = ""
        self._name = ""
        self._arguments = list[str]()

    def add(self, delta: Mapping[str, JSON]) -> None:
        function = delta.get("function")
        function = function if isinstance(function, Mapping) else {}
        id, name, arguments = delta.get("id"), function.get("name"), function.get("arguments")
        if isinstance(id, str):
            self.id = self.id or id
        if isinstance(name, str):
            self._name = self._name or name
        if isinstance(arguments, str):
            self._arguments.append(arguments)

    def to_json(self) -> JSON:
        return {
            "id": self.id,
            "type": "function",
            "function": {"name": self._name, "arguments": "".join(self._arguments)},
        }
