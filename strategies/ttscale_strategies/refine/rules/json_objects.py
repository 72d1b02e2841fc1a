"""Finding JSON objects in what a model wrote, whatever it wrote."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Final, cast

MAX_JSON_CHARACTERS: Final = 20_000
"""Of a longer text only the end is read."""

MAX_ATTEMPTS: Final = 100
"""Opening braces at which an object is looked for, counted from the first."""


def objects_in(text: str) -> Iterator[Mapping[str, object]]:
    """Yield the JSON objects in a text, in order, with anything between them; not those inside others.

    A hostile text yields nothing, soon: what is read, and how often, is bounded; objects nested too deeply and
    numbers with too many digits are none. Numbers may be infinite or NaN, as Python reads JSON.

    Args:
        text: what the model wrote.
    """
    return (found for _, found in placed_objects_in(text))


def placed_objects_in(text: str) -> Iterator[tuple[int, Mapping[str, object]]]:
    """Yield where each JSON object in a text begins, in characters, and the object; as `objects_in`."""
    tail = text[-MAX_JSON_CHARACTERS:]
    before = len(text) - len(tail)
    decoder = json.JSONDecoder()
    start = -1
    for _ in range(MAX_ATTEMPTS):
        start = tail.find("{", start + 1)
        if start < 0:
            return
        try:
            found, end = cast("tuple[dict[str, object], int]", decoder.raw_decode(tail, start))
        except (ValueError, RecursionError):
            continue
        yield before + start, found
        start = end - 1
