"""Searching a Countdown by hand: operations in the order of how near they bring one to the target.

An operation is judged by looking one number ahead: its result is combined with each other number alone, and
what comes nearest to the target counts (with two numbers left, its result itself). Of operations whose look
ahead gives the same value and leaves the same numbers over, which are mostly one sum in several orders, only
the first is listed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ttscale.grammars.operations import Operation, apply_operator

_OPERATORS = "+-*/"


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
