"""Searching a Countdown by hand: operations in the order of how near they bring one to the target.

An operation is judged by looking one number ahead: its result is combined with each other number alone, and
what comes nearest to the target counts (with two numbers left, its result itself). Of operations whose look
ahead gives the same value and leaves the same numbers over, which are mostly one sum in several orders, only
the first is listed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ttscale.reference.problems import apply_operator
from ttscale.reference.roles.completion import FormatError

_OPERATORS = "+-*/"
_OPERATION = re.compile(r"([0-9]{1,9})([-+*/])([0-9]{1,9})=([0-9]{1,9})", re.ASCII)


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


def promising_operations(numbers: Sequence[int], target: int, limit: int) -> list[Operation]:
    """Return the operations on two of the numbers that promise most, the best first.

    Args:
        numbers: Two or more positive numbers.
        target: The value to reach with all of them.
        limit: The most operations to return.
    """
    ahead = {operation: _look_ahead(operation, numbers, target) for operation in _operations(numbers)}
    ranked = sorted(ahead, key=lambda o: (ahead[o][0], _OPERATORS.index(o.operator), -o.left, -o.right))
    first_of_kind = {ahead[operation][1:]: operation for operation in reversed(ranked)}
    kept = set(first_of_kind.values())
    return [operation for operation in ranked if operation in kept][:limit]


def _operations(numbers: Sequence[int]) -> Iterator[Operation]:
    """All operations on two of the numbers, the larger number first; dividing by one is left to `*`."""
    pairs = {
        (max(a, b), min(a, b))
        for index, a in enumerate(numbers)
        for b in (*numbers[:index], *numbers[index + 1 :])
    }
    for left, right in pairs:
        for operator in _OPERATORS:
            result = apply_operator(left, operator, right)
            if result is not None and (operator, right) != ("/", 1):
                yield Operation(operator, left, right, result)


def _look_ahead(operation: Operation, numbers: Sequence[int], target: int) -> tuple[int, ...]:
    """The distance to the target one number ahead, the value reached there, and the numbers left over."""
    *rest, result = operation.apply(numbers)
    if not rest:
        return abs(result - target), result
    options = list[tuple[int, ...]]()
    for index, number in enumerate(rest):
        left_over = sorted((*rest[:index], *rest[index + 1 :]))
        for further in _operations((number, result)):
            options.append((abs(further.result - target), further.result, *left_over))
    return min(options)


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
