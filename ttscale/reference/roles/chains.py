"""Chain sums read term by term."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

_TERM: Final = re.compile(r"-?[0-9]{1,9}", re.ASCII)


def parse_chain(expression: str) -> list[int]:
    """Return the terms of `12 - 3 + 40` with their signs: 12, -3, 40; a first term may have a sign, as `- 12`.

    Raises:
        ValueError: the text is no sum of whole numbers with spaces around its operators.
    """
    if expression.startswith(("+ ", "- ")):
        return parse_chain(f"0 {expression}")[1:]
    first, *rest = expression.split(" ")
    operators, numbers = rest[::2], rest[1::2]
    is_chain = len(operators) == len(numbers) and all(operator in ("+", "-") for operator in operators)
    if not is_chain or not all(_TERM.fullmatch(number) for number in (first, *numbers)):
        raise ValueError(f"{expression!r} is no chain sum; write it like 12 - 3 + 40.")
    signed = zip(operators, numbers, strict=True)
    return [int(first), *(int(number) if operator == "+" else -int(number) for operator, number in signed)]


def add_up(terms: Sequence[int]) -> list[str]:
    """Return the steps that add terms up from the left, `12-3=9` and so on; one fewer than terms."""
    total, steps = terms[0], list[str]()
    for term in terms[1:]:
        steps.append(f"{total}{term:+}={total + term}")
        total += term
    return steps
