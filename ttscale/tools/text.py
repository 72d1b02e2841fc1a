"""What a model is shown of a tool's result: bounded, and with nothing in it that cannot be seen."""

from __future__ import annotations

import json
import unicodedata
from typing import Final

from ttscale.types import JSON

MAX_CHARACTERS: Final = 8_000
"""Most characters of a result that a model is shown, unless it is asked for otherwise."""

_SHARE_OF_TAIL: Final = 4
"""One in so many characters of a text that is cut comes from its end: tracebacks say there what is wrong."""

_JOINERS: Final = frozenset("\u200c\u200d")
"""Format characters that writing systems and emoji need."""

_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Categories of control and format characters, lone surrogates, line and paragraph separators."""


def visible(text: str) -> str:
    """Return text in which control characters are written out, an escape as a backslash and ``x1b``.

    New lines and tabs stay; a carriage return before a new line goes. Characters that reorder, hide or break
    text are written out like control characters; the joiners of scripts and emoji stay.
    """
    text = text.replace("\r\n", "\n")
    if text.isascii() and text.isprintable():
        return text
    return "".join(_written(character) for character in text)


def _written(character: str) -> str:
    if character in "\n\t" or character in _JOINERS or unicodedata.category(character) not in _HIDDEN:
        return character
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


def shortened(text: str, max_characters: int) -> str:
    """Return a text of at most so many characters, and a note in place of what its middle lost.

    Args:
        text: any.
        max_characters: >= 0; the note comes on top.
    """
    left_out = len(text) - max_characters
    if left_out <= 0:
        return text
    tail = max_characters // _SHARE_OF_TAIL
    head = max_characters - tail
    return _joined(text[:head], left_out, text[len(text) - tail :])


def observed(text: str, max_characters: int) -> str:
    """Return a text as a model is shown it: `visible`, and `shortened` without a look at what is left out.

    Args:
        text: any.
        max_characters: >= 0; the note that says how many are missing comes on top.
    """
    if len(text) <= max_characters:
        return shortened(visible(text), max_characters)
    tail = max_characters // _SHARE_OF_TAIL
    head = max_characters - tail
    end = visible(text[len(text) - tail :])
    return _joined(visible(text[:head])[:head], len(text) - max_characters, end[len(end) - tail :])


def _joined(head: str, num_left_out: int, tail: str) -> str:
    return f"{head}\n… {num_left_out} characters left out …\n{tail}"


def written(value: JSON) -> str:
    """Return a value as text: a text as it is, anything else as JSON."""
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError) as error:  # a whole number of too many digits, say
        return f"(a {type(value).__name__} that cannot be written: {error})"
