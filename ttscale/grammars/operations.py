"""Steps of arithmetic on positive whole numbers, as searches write them: `6*7=42`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ttscale.grammars.format_error import FormatError

_OPERATION = re.compile(r"([0-9]{1,9})([-+*/])([0-9]{1,9})=([0-9]{1,9})", re.ASCII)


def apply_operator(value: int, operator: str, number: int) -> int | None:
    """Combine two positive numbers, or return None where the result is not a positive whole number."""
    if operator == "+":
        return value + number
    if operator == "*":
        return value * number
    if operator == "-":
        return value - number if value > number else None
    return value // number if number and value % number == 0 else None


@dataclass(frozen=True, slots=True)
class Operation:
    """One step of a search: two positive numbers combined into a positive whole number.

    Attributes:
        operator: One of `+-*/`.
        left: The first number.
        right: The second number.
        result: What they give.
    """

    operator: str
    left: int
    right: int
    result: int

    def __str__(self) -> str:
        """Return it as traces write it, `6*7=42`."""
        return f"{self.left}{self.operator}{self.right}={self.result}"

    def apply(self, numbers: Sequence[int]) -> tuple[int, ...]:
        """Return the numbers that are left in their order, then the result.

        Raises:
            FormatError: the operation's numbers are not among them, or its result is wrong.
        """
        rest = list(numbers)
        for number in (self.left, self.right):
            if number not in rest:
                raise FormatError(f"{self} uses {number}, which is not among {list(numbers)}.")
            rest.remove(number)
        if apply_operator(self.left, self.operator, self.right) != self.result:
            raise FormatError(f"{self} is wrong.")
        return (*rest, self.result)


def parse_operation(text: str) -> Operation:
    """Read `6*7=42`; whether it is true is not looked at.

    Raises:
        FormatError: the text is no operation of whole numbers of at most nine digits.
    """
    found = _OPERATION.fullmatch(text)
    if found is None:
        raise FormatError(f"{text!r} is no operation; write one like 6*7=42.")
    return Operation(found[2], int(found[1]), int(found[3]), int(found[4]))


def write_expression(numbers: Sequence[int], operations: Sequence[Operation]) -> str:
    """Return the expression that carries out the operations, with the brackets that are needed.

    Args:
        numbers: The numbers at the start.
        operations: One fewer, each on two of the numbers that are there by then.

    Raises:
        FormatError: an operation is wrong or uses a number that is not there, or not all numbers are used up.
    """
    terms = [(number, str(number), "") for number in numbers]
    for operation in operations:
        operation.apply([value for value, _, _ in terms])
        left, right = (_take(terms, number) for number in (operation.left, operation.right))
        text = _bracketed(left, operation.operator, right=False) + operation.operator
        text += _bracketed(right, operation.operator, right=True)
        terms.append((operation.result, text, operation.operator))
    if len(terms) != 1:
        raise FormatError(f"{len(operations)} operations do not use up the numbers {list(numbers)}.")
    return terms[0][1]


def _take(terms: list[tuple[int, str, str]], number: int) -> tuple[str, str]:
    """Remove the term of that value that was made last; return its text and its outermost operator."""
    index = max(i for i, (value, _, _) in enumerate(terms) if value == number)
    _, text, operator = terms.pop(index)
    return text, operator


def _bracketed(term: tuple[str, str], operator: str, *, right: bool) -> str:
    text, inner = term
    is_needed = bool(inner) and (
        (operator in "*/" and inner in "+-")
        or (right and operator == "-" and inner in "+-")
        or (right and operator == "/")
    )
    return f"({text})" if is_needed else text
