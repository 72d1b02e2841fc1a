"""References of one call to another's result: found once, replaced once, and never found in what was put in.

Two forms, wherever they stand in the arguments of a call:

- ``{"$ref": "1"}``, an object that stands for the result's value itself, a number say. The plan grammar makes
  it of a bare ``$1`` or ``${1}``.
- ``$1`` or ``${1}`` inside a text, which stands for the result's text as a model would be shown it; where it is
  all there is, a result that is a text is put there as it is.

Only references to calls that the node needs are replaced; every other dollar sign is text. Inside a text ``$1``
is no reference, and needs braces to be one, where it looks like an amount: before a letter, an underscore or
another digit, before a decimal or thousands separator with a digit (``$1.50``, ``$1,000``), and before a word
such as million (``$1 million``). All references of a text are replaced in one pass, so that a result which
contains ``$2`` stays what it is. A text that becomes longer than `MAX_CHARACTERS` loses its middle.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ttscale.tools import ToolResult
from ttscale.tools.text import shortened
from ttscale.types import JSON

MAX_CHARACTERS: Final = 200_000
"""Of a text with the results in it."""

_KEY: Final = "$ref"
_AMOUNTS: Final = "hundred|thousand|million|billion|trillion|k|m|bn|dollars?|usd|cents?"
_PATTERN: Final = re.compile(
    r"\$(?:\{([\w.'-]{1,64})\}|([0-9]{1,6})(?![\w]|[.,][0-9])(?![ -]?(?:" + _AMOUNTS + r")\b))",
    re.ASCII | re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Reference:
    """A place in arguments that stands for another call's result."""

    id: str
    is_meant: bool
    """Whether it can be nothing else: an object, braces, or a text that is all reference. A dollar and a number
    amid other text may be an amount."""


def reference(id: str) -> Mapping[str, JSON]:
    """Return what stands for the value of a call's result in the arguments of another."""
    return {_KEY: id}


def references_in(value: JSON) -> Iterator[Reference]:
    """Yield the references in arguments, as often as they occur."""
    if isinstance(value, str):
        for found in _PATTERN.finditer(value):
            is_meant = found[1] is not None or found[0] == value.strip()
            yield Reference(_id(found), is_meant)
    elif isinstance(value, Mapping):
        if (id := _referenced(value)) is not None:
            yield Reference(id, is_meant=True)
        else:
            for item in value.values():
                yield from references_in(item)
    elif isinstance(value, Sequence):
        for item in value:
            yield from references_in(item)


def substituted(value: JSON, results: Mapping[str, ToolResult]) -> JSON:
    """Return arguments with their references replaced.

    Args:
        value: arguments, or a part of them.
        results: of the calls that may be referred to, by id. A failed one stands for its error text.
    """
    if isinstance(value, str):
        wanted = {_id(found) for found in _PATTERN.finditer(value)} & results.keys()
        if not wanted:
            return value
        whole = _PATTERN.fullmatch(value)
        if whole is not None and isinstance(text := results[_id(whole)].value, str):
            return text
        texts = {id: results[id].text for id in wanted}
        return shortened(_PATTERN.sub(lambda found: texts.get(_id(found), found[0]), value), MAX_CHARACTERS)
    if isinstance(value, Mapping):
        if (id := _referenced(value)) is not None and id in results:
            return results[id].value if results[id].error is None else results[id].text
        return {name: substituted(item, results) for name, item in value.items()}
    if isinstance(value, Sequence):
        return [substituted(item, results) for item in value]
    return value


def _id(found: re.Match[str]) -> str:
    return found[1] if found[1] is not None else str(int(found[2]))


def _referenced(value: Mapping[str, JSON]) -> str | None:
    id = value.get(_KEY) if len(value) == 1 else None
    return id if isinstance(id, str) else None
