"""Numbers that agree within a tolerance."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Final

from ttscale.answers import answer_key

_NUMBER: Final = re.compile(r"[-+]?(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,40})(?:\.[0-9]{1,40})?")
MAX_CHARACTERS: Final = 1000
"""A longer text is no number."""


def number_in(text: str) -> Fraction | None:
    """Return the number that a text is, or the only one in it; ``None``: there is none, or several.

    A text that is a number, with a unit or currency sign or as a fraction, is read as `answer_key` reads it.
    """
    if len(text) > MAX_CHARACTERS:
        return None
    try:
        return Fraction(answer_key(text) or "")
    except (ValueError, ZeroDivisionError):
        found = set(_NUMBER.findall(text))
    return Fraction(found.pop().replace(",", "")) if len(found) == 1 else None


def within_tolerance(answer: str, reference: str, tolerance: float) -> bool | None:
    """Whether two texts are numbers that differ by no more than a share of the reference.

    LLMCompiler (arXiv 2312.04511) takes 0.1 on ParallelQA.

    Args:
        answer: what was answered; see `number_in`.
        reference: the right answer.
        tolerance: the share, >= 0; the limit itself is within.

    Returns:
        ``None`` where the reference is no number.

    Raises:
        ValueError: the tolerance is negative.
    """
    if tolerance < 0:
        raise ValueError(f"tolerance must be >= 0, got {tolerance!r}")
    wanted, given = number_in(reference), number_in(answer)
    if wanted is None:
        return None
    return given is not None and abs(given - wanted) <= Fraction(str(tolerance)) * abs(wanted)
