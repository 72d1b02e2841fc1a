"""Text from models and files as the page shows it: what would act on a screen becomes a visible sign."""

from __future__ import annotations

import re
from typing import Final

MAX_TEXT_CHARS: Final = 6_000
"""Longer texts are cut in the middle, and say so."""
MAX_LABEL_CHARS: Final = 300
"""Of names, answers and whatever else stands in a cell."""

_SPECIAL: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff\ufff9-\ufffb]"
)


def visible(text: str) -> str:
    """Return text in which control characters, direction marks and lone surrogates are signs that can be read.

    Newline and tab stay; carriage returns before a newline go. An escape is ``⟨U+001B⟩``, a right-to-left
    override ``⟨U+202E⟩``. What is left cannot reorder its surroundings but by its own letters, which the page
    isolates.
    """
    return _SPECIAL.sub(lambda match: f"⟨U+{ord(match[0]):04X}⟩", text.replace("\r\n", "\n"))


def label(text: str, *, max_chars: int = MAX_LABEL_CHARS) -> str:
    """Return visible text on one line, cut at its end with a note of how much is missing."""
    return visible(" ".join(cut(text, max_chars=max_chars).split()))


def shown(text: str | None, *, max_chars: int = MAX_TEXT_CHARS) -> str | None:
    """Return visible text, cut in its middle where it is long; ``None`` stays."""
    return None if text is None else visible(cut(text, max_chars=max_chars, tail_share=0.6))


def cut(text: str, *, max_chars: int, tail_share: float = 0.0) -> str:
    """Return text of about `max_chars` characters with a note where others were left out.

    Args:
        text: of any length.
        max_chars: texts up to this stay whole.
        tail_share: which part of what is kept is the end, where answers stand.
    """
    if len(text) <= max_chars:
        return text
    tail = int(max_chars * tail_share)
    note = f" … [{len(text) - max_chars:,} characters left out] … "
    return text[: max_chars - tail] + note.rstrip() + ((" " + text[-tail:]) if tail else "")
