"""Tool calls in a reply, as lines of text or as the JSON that OpenAI's models write."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, cast

from ttscale.types import JSON
from ttscale_strategies.dag.joining import in_brackets
from ttscale_strategies.dag.plan_text import bound_arguments
from ttscale_strategies.refine.rules import objects_in

_LINE: Final = re.compile(
    r"[ \t]*((?:action[ \t]*:|[-*]|[0-9]{1,6}[.)])[ \t]*)?([A-Za-z_][\w.-]{0,63})[ \t]*\((.*)",
    re.ASCII | re.IGNORECASE,
)
_FINISH: Final = ("finish", "replan")
_MAX_CALLS: Final = 64
_MAX_LINES: Final = 4_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A call that a reply asks for."""

    tool: str
    arguments: Mapping[str, JSON] = field(default_factory=dict[str, JSON])
    fault: str | None = None
    """Why it cannot be made."""


def calls_in_lines(text: str, parameters: Mapping[str, Sequence[str]]) -> list[Asked]:
    """Return the calls of a reply that has one a line: ``search("A")``, maybe behind a number or ``Action:``.

    A line of an unknown name is a call only behind one of these; other lines are talk.

    Args:
        text: the reply.
        parameters: of each tool, by its name, in order.
    """
    asked = list[Asked]()
    for line in text.splitlines()[:_MAX_LINES]:
        found = _LINE.match(line)
        if found is None or (found[2] not in parameters and (not found[1] or found[2].lower() in _FINISH)):
            continue
        asked.append(_bound(found[2], in_brackets(found[3]), parameters))
        if len(asked) == _MAX_CALLS:
            break
    return asked


def _bound(tool: str, text: str, parameters: Mapping[str, Sequence[str]]) -> Asked:
    if tool not in parameters:
        return Asked(tool=tool)
    try:
        return Asked(tool=tool, arguments=bound_arguments(tool, parameters[tool], text))
    except ValueError as error:
        return Asked(tool=tool, fault=f"the arguments cannot be read: {error}")


def calls_in_json(text: str) -> list[Asked]:
    """Return the calls of a reply in JSON, with anything between them.

    Each is ``{"name": …, "arguments": {…}}``, the arguments maybe as JSON in a text; it may be the `function`
    of a call, and calls may be in a list `tool_calls`, as OpenAI's chat completions have them.
    """
    asked = list[Asked]()
    for found in objects_in(text):
        asked += _calls_of(found)
    return asked[:_MAX_CALLS]


def _calls_of(found: Mapping[str, object]) -> Iterator[Asked]:
    inner = found.get("tool_calls")
    if isinstance(inner, list):
        for item in cast("list[object]", inner):
            if isinstance(item, Mapping):
                yield from _calls_of(cast("Mapping[str, object]", item))
        return
    called = found.get("function", found)
    if not isinstance(called, Mapping):
        return
    call = cast("Mapping[str, object]", called)
    name = call.get("name")
    if not isinstance(name, str) or "arguments" not in call:
        return
    arguments = call["arguments"]
    if isinstance(arguments, str):
        try:
            arguments = cast("object", json.loads(arguments or "{}"))
        except (ValueError, RecursionError):
            yield Asked(tool=name, fault="the arguments are no JSON")
            return
    if isinstance(arguments, Mapping):
        yield Asked(tool=name, arguments=cast("Mapping[str, JSON]", arguments))
    else:
        yield Asked(tool=name, fault="the arguments are no JSON object")
