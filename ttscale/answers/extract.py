"""Finding the final answer in what a model wrote."""

from __future__ import annotations

import re
from typing import Final

MAX_TEXT_CHARACTERS: Final = 200_000
"""Of a longer text only the end is searched."""

MAX_ANSWER_CHARACTERS: Final = 10_000
"""A longer answer is none."""

# An opening box, an escaped character, or a brace: all that matters for balance.
_BOX_TOKEN: Final = re.compile(r"\\{1,2}(?:boxed|fbox)\s*+\{|\\.|[{}]", re.DOTALL)
_TAG: Final = re.compile(r"<(/?)answer>", re.IGNORECASE)
_HASHES: Final = re.compile(r"^[^\S\n]*+####(?!#)([^\n]*+)$", re.MULTILINE)
_NUMBER_START: Final = re.compile(r"[-+−]?\s?\\?[$€£]?\s?\.?[0-9]")
_STATED: Final = re.compile(r"\banswer\b[*_\s]*+(?:is\b|:|=)[*_\s:]*+([^\n]++)", re.IGNORECASE)
# In a stated answer, a value that ends before the line does: "The answer is 42. I hope it is correct."
_VALUE_FIRST: Final = re.compile(
    r"(\$[^$]{1,500}\$|\([A-Za-z]\)|[-+−]?\\?[$€£]?[0-9](?:[.,/]?[0-9])*+\s?\\?%?)[.,;]*(?:\s+[A-Z].*)?$"
)


def extract_answer(text: str) -> str | None:
    r"""Return the final answer a model gave, stripped, or ``None`` where it gave none.

    Looked for in this order; of several of a kind the last counts, and empty ones do not:

    1. ``\boxed{…}`` or ``\fbox{…}`` with balanced braces,
    2. ``<answer>…</answer>``,
    3. ``#### …`` on the last line, or anywhere if a number follows,
    4. "answer is …", "answer: …", "final answer = …" up to the end of the line.

    Takes time linear in the text, whatever the text.
    """
    tail = text[-MAX_TEXT_CHARACTERS:]
    for find in (_boxed, _tagged, _hashed, _stated):
        answer = find(tail)
        if answer is not None and len(answer) <= MAX_ANSWER_CHARACTERS:
            return answer
    return None


def _boxed(text: str) -> str | None:
    """Return the content of the box that opens last among those that are closed."""
    last_start, last_end = -1, -1
    open_braces: list[int] = []  # start of the content if a box opened it, else -1
    for token in _BOX_TOKEN.finditer(text):
        written = token.group()
        if written == "}":
            start = open_braces.pop() if open_braces else -1
            if start > last_start and not text[start : token.start()].isspace() and start < token.start():
                last_start, last_end = start, token.start()
        elif written == "{":
            open_braces.append(-1)
        elif written[-1] == "{" and len(written) > 2:
            open_braces.append(token.end())
    return text[last_start:last_end].strip() if last_start >= 0 else None


def _tagged(text: str) -> str | None:
    """Return the content of the last pair of tags."""
    found, start = None, -1
    for tag in _TAG.finditer(text):
        if not tag.group(1):
            start = tag.end()
        elif start >= 0:
            found = text[start : tag.start()].strip() or found
            start = -1
    return found


def _hashed(text: str) -> str | None:
    """Return what follows the last ``####`` that is not a heading."""
    found = None
    end = len(text.rstrip())
    for line in _HASHES.finditer(text):
        content = line.group(1).strip()
        if content and (line.end() >= end or _NUMBER_START.match(content)):
            found = content
    return found


def _stated(text: str) -> str | None:
    """Return what the last "answer is" or "answer:" says."""
    found = None
    for statement in _STATED.finditer(text):
        content = statement.group(1).strip().strip("*_").strip()
        value = _VALUE_FIRST.match(content) if len(content) <= MAX_ANSWER_CHARACTERS else None
        found = (value.group(1) if value else content.rstrip(".").rstrip()) or found
    return found
