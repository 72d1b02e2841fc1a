"""What reaches the terminal: text made harmless, and a standard output that holds results and nothing else."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import sys
import unicodedata
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from typing import Final, TypedDict

from ttscale.types import JSON

_ESCAPE_SEQUENCE: Final = re.compile(
    r"""
    (?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?                      # CSI: colours, cursor movement
    | (?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?   # OSC, DCS…: titles, links
    | \x1b[ -/]*[0-~]?                                     # two-character sequences
    """,
    re.VERBOSE,
)

# Reorder what is shown, so that a line can pretend to say something else.
_BIDI_CONTROLS: Final = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def sanitise(text: str) -> str:
    """Return text that a terminal shows and does not obey.

    Escape sequences, control characters other than newline and tab, and bidirectional overrides are dropped;
    lone surrogates become ``?``. Rich markup is left as it is: show the result as `rich.text.Text` or plainly.
    """
    plain = _ESCAPE_SEQUENCE.sub("", text.replace("\r\n", "\n"))
    kept = (
        char
        for char in plain
        if char in "\n\t" or (unicodedata.category(char) != "Cc" and char not in _BIDI_CONTROLS)
    )
    return "".join(kept).encode("utf-8", "replace").decode("utf-8")


def one_line(text: str, *, max_chars: int | None = None) -> str:
    """Return sanitised text on one line, cut to `max_chars` characters with an ellipsis."""
    flat = " ".join(sanitise(text).split())
    if max_chars is not None and len(flat) > max_chars:
        return flat[: max_chars - 1].rstrip() + "…"
    return flat


class Screen(TypedDict):
    """How to draw for standard output."""

    width: int
    """In columns."""
    color: bool


def screen(*, elsewhere: int = 120) -> Screen:
    """Return how to draw for standard output: as wide as the terminal is, in colour.

    Args:
        elsewhere: the width where it is no terminal; nothing is coloured then.
    """
    is_terminal = sys.stdout.isatty()
    return Screen(width=shutil.get_terminal_size().columns if is_terminal else elsewhere, color=is_terminal)


@contextmanager
def quiet_stdout() -> Generator[None]:
    """Send everything written to standard output to standard error, libraries and child processes included.

    What is printed after the block reaches the real standard output again.
    """
    sys.stdout.flush()
    saved = os.dup(1)
    try:
        os.dup2(2, 1)
        with redirect_stdout(sys.stderr):
            yield
    finally:
        sys.stdout.flush()
        os.dup2(saved, 1)
        os.close(saved)


def echo(text: str = "") -> None:
    """Write a line of results to standard output."""
    sys.stdout.write(_encodable(text, sys.stdout.encoding) + "\n")
    sys.stdout.flush()


def note(text: str) -> None:
    """Write a line for the reader's information to standard error."""
    sys.stderr.write(_encodable(text, sys.stderr.encoding) + "\n")
    sys.stderr.flush()


def _encodable(text: str, encoding: str | None) -> str:
    # A terminal that is not UTF-8 gets a question mark instead of a crash.
    return text.encode(encoding or "utf-8", "replace").decode(encoding or "utf-8")


def echo_json(document: JSON) -> None:
    """Write one JSON document to standard output; numbers that JSON lacks (infinities) become null."""
    echo(json.dumps(finite(document), indent=2, allow_nan=False))


def finite(value: JSON) -> JSON:
    """Return a document with every number that JSON lacks replaced by ``None``."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [finite(item) for item in value]
    return value
