"""Grades of steps from 0 to 9, and what a model says when it is to choose among hints (SSR, SpecReason)."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Final, Literal

from ttscale_strategies.checks import require_at_least

GradeRule = Literal["greedy", "average"]
"""How a grade is read: the digit that was said, or the mean of the digits that might have been."""
BEST_GRADE: Final = 9.0
"""The grade of a flawless step, and of every step that the target wrote; the least is 0."""
MAX_HINTS: Final = 25
"""So many hints have a letter each, and one is left for none of them."""

_DIGITS: Final = frozenset("0123456789")


def step_grade(said: str, probabilities: Mapping[str, float], rule: GradeRule = "greedy") -> float:
    """Return the grade of a step from the one token that a judge said of it, in [0, 9].

    Chu et al. 2025 (SSR, arXiv:2505.15340). By ``"greedy"`` it is the digit that was said. By ``"average"``
    it is Σ d·p(d) / Σ p(d) over the digits d among the likeliest tokens. What is no single digit has no say;
    if nothing is left, the grade is 0, so that the step is rewritten. (The authors' code breaks on such a
    token where it averages.)

    Args: said: the token that was said. probabilities: of the likeliest tokens by their texts, each >= 0;
        they need not add up to 1. Texts that differ in white space only add up. rule: see `GradeRule`.

    Raises:
        ValueError: a probability is negative or no number.
    """
    for token, probability in probabilities.items():
        require_at_least(probability, 0.0, f"the probability of {token!r}")
    if rule == "greedy":
        return float(said.strip()) if said.strip() in _DIGITS else 0.0
    digits = [(int(token), p) for token, p in probabilities.items() if token.strip() in _DIGITS]
    total = math.fsum(p for _, p in digits)
    return math.fsum(digit * p for digit, p in digits) / total if total > 0 else 0.0


def hint_code(index: int) -> str:
    """Return the letter of a hint by its place among the hints, from 0: A, B and so on.

    The place after the last hint is that of "none of them".

    Raises:
        ValueError: there is no such letter.
    """
    if not 0 <= index <= MAX_HINTS:
        raise ValueError(f"index must lie in [0, {MAX_HINTS}], got {index!r}")
    return chr(ord("A") + index)


def chosen_hints(text: str, *, num_hints: int, num_wanted: int) -> tuple[int, ...]:
    """Return which hints a model chose, by their places; `num_hints` stands for "none of them".

    SSR's selective parallel module, arXiv:2505.15340: the letters in the text, in their order and as often as
    they stand there; if there are too few, "none of them" is added, if too many, the first count. Only
    letters that stand apart from other letters count, as in ``B,E`` or ``BE``: the "B" of "Because" is no
    choice, in the authors' code it is.

    Args:
        text: what the model said.
        num_hints: >= 1, at most `MAX_HINTS`.
        num_wanted: >= 1.

    Raises:
        ValueError: a number is out of its range.
    """
    require_at_least(num_hints, 1, "num_hints")
    require_at_least(num_wanted, 1, "num_wanted")
    last = hint_code(num_hints)
    words = re.findall(rf"(?<![^\W\d_])[A-{last}]+(?![^\W\d_])", text)
    places = [ord(letter) - ord("A") for letter in "".join(words)]
    return (*places, *[num_hints] * num_wanted)[:num_wanted]


def is_repeating(steps: Sequence[str]) -> bool:
    """Return whether a solution goes round in circles: its last two steps are the same, and it has more than
    two.

    arXiv:2505.15340, as in the authors' code. White space around a step does not count.

    Args:
        steps: of the solution so far, in order.
    """
    return len(steps) > 2 and steps[-1].strip() == steps[-2].strip()
