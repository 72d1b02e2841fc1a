"""Durations in words, as answers about everyday plans give them."""

from __future__ import annotations

import re
from typing import Final

_DAY: Final = 86_400.0
_SECONDS: Final = {
    "s": 1.0,
    "sec": 1.0,
    "second": 1.0,
    "min": 60.0,
    "minute": 60.0,
    "h": 3600.0,
    "hr": 3600.0,
    "hour": 3600.0,
    "day": _DAY,
    "week": 7 * _DAY,
    "month": 30 * _DAY,
    "year": 365 * _DAY,
}
"""A month has 30 days and a year 365, as in AsyncHow."""
_WORDS: Final = {
    **{"a": 1.0, "an": 1.0, "one": 1.0, "two": 2.0, "three": 3.0, "four": 4.0, "five": 5.0, "six": 6.0},
    **{"seven": 7.0, "eight": 8.0, "nine": 9.0, "ten": 10.0, "eleven": 11.0, "twelve": 12.0, "half": 0.5},
}
_NUMBER: Final = rf"[0-9]{{1,12}}(?:\.[0-9]{{1,6}})?|\b(?:{'|'.join(_WORDS)})\b"
_UNIT: Final = "|".join(sorted(_SECONDS, key=len, reverse=True))
_PART: Final = re.compile(
    rf"(?P<number>{_NUMBER})(?P<half> and a half)?(?: ?(?:-|–|to) ?(?P<upper>{_NUMBER}))?"
    rf"(?: an?)? ?-?(?P<unit>{_UNIT})s?(?![a-z])(?P<more> and a half)?",
    re.IGNORECASE,
)
_BETWEEN: Final = re.compile(r"[\s,]*(?:and)?[\s,]*", re.IGNORECASE)
MAX_CHARACTERS: Final = 2000
"""Of a longer text only the end is read."""


def read_duration(text: str) -> tuple[float, float] | None:
    """Return the last duration that a text names, in seconds, lower and upper end; ``None``: it names none.

    Parts that follow each other are added: "2 hours and 30 minutes" is 9,000 s. A range, "2-3 days", has two
    ends. Commas in numbers are left out; numbers up to twelve may be words, and "and a half" is read.

    Args:
        text: what a model wrote; of a long one the end.
    """
    tail = re.sub(r"(?<=[0-9]),(?=[0-9]{3})", "", text[-MAX_CHARACTERS:])
    low = high = 0.0
    end: int | None = None
    for part in _PART.finditer(tail):
        if end is None or not _BETWEEN.fullmatch(tail, end, part.start()):
            low = high = 0.0
        unit = _SECONDS[part["unit"].lower()]
        half = 0.5 if part["half"] or part["more"] else 0.0
        low += (_value(part["number"]) + half) * unit
        high += (_value(part["upper"] or part["number"]) + half) * unit
        end = part.end()
    return None if end is None else (low, high)


def _value(number: str) -> float:
    known = _WORDS.get(number.lower())
    return float(number) if known is None else known
