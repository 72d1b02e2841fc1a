"""Reading and writing the spawn and join protocol of APR (Adaptive Parallel Reasoning, arXiv 2504.15466).

A root's text generates nodes of a search and calls sub searches on them; the sub searches' results are written
in place of the calls. Everything here is text in, text out; who writes the texts does not matter.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from ttscale.grammars.format_error import FormatError
from ttscale.grammars.operations import Operation, parse_operation, write_expression

CALL, END_CALL = "<Calling Sub Searches>", "<End Calling Sub Searches>"
"""What the calls of sub searches stand between; the second ends the root's turn."""

RESULTS, END_RESULTS = "<Sub Searches>", "<End Sub Searches>"
"""What the results stand between, written in place of the calls."""

NO_SOLUTION: Final = "No Solution"
"""The last line of a search that did not reach the target."""

GOAL_REACHED: Final = "Goal Reached"
"""Ends the line in which a search says that it reached the target."""

PHRASES: Final = (
    "Moving to Node #",
    "Current State: ",
    ":[",
    "], Operations: [",
    "Exploring Operation: ",
    ", Resulting Numbers: [",
    "Generated Node #",
    "] Operation: ",
    " equal: Goal Reached",
    " unequal: No Solution",
    NO_SOLUTION,
    CALL,
    "<Start Sub Search ",
    " at level 1> Moving to Node #",
    END_CALL,
    RESULTS,
    "<No Solution in Sub Search ",
    "<Goal Reached in Sub Search ",
    " at level 1 at Node #",
    END_RESULTS,
)
"""The fixed texts of the format."""

_STATE = re.compile(
    r"Moving to Node #([0-9,]{1,40})\nCurrent State: ([0-9]{1,9}):\[([0-9, ]{1,200})\], "
    r"Operations: \[([^\]\n]{0,400})\]"
)
_GENERATED = re.compile(
    r"^Generated Node #([0-9,]{1,40}): ([0-9]{1,9}):\[([0-9, ]{1,200})\] Operation: ([-+*/=0-9]{1,60})$",
    re.MULTILINE,
)
_EXPLORED = re.compile(
    r"^Exploring Operation: ([-+*/=0-9]{1,60}), Resulting Numbers: \[([0-9, ]{0,200})\]$", re.MULTILINE
)
_START = re.compile(r"<Start Sub Search ([0-9]{1,4}) at level 1> Moving to Node #([0-9,]{1,40})")


@dataclass(frozen=True, slots=True)
class Node:
    """A state of the search.

    Attributes:
        path: The way from the root, whose path is `0`: the parent's path, a comma and the child's number.
        target: The value to reach.
        numbers: The numbers that are there.
        operations: The operations that led here.
    """

    path: str
    target: int
    numbers: tuple[int, ...]
    operations: tuple[Operation, ...] = ()

    def child(self, number: int, operation: Operation) -> Node:
        """Return the node that an operation leads to.

        Raises:
            FormatError: the operation cannot be carried out on the node's numbers.
        """
        numbers = operation.apply(self.numbers)
        return replace(
            self, path=f"{self.path},{number}", numbers=numbers, operations=(*self.operations, operation)
        )

    def __str__(self) -> str:
        """Return the two lines with which a trace moves to the node."""
        operations = ", ".join(f"'{operation}'" for operation in self.operations)
        return (
            f"Moving to Node #{self.path}\nCurrent State: {self.target}:{list(self.numbers)}, "
            f"Operations: [{operations}]"
        )


def parse_nodes(text: str, *, is_strict: bool = True) -> dict[str, Node]:
    """Return the nodes of a trace by their paths: those moved to, then those generated.

    A generated node has the operations of its parent and its own. Of two nodes with one path the later counts.

    Args:
        text: The trace.
        is_strict: Otherwise what cannot be read is left out.

    Raises:
        FormatError: a generated node has no parent in the trace, or an operation cannot be read.
    """
    nodes = dict[str, Node]()
    for found in (*_STATE.finditer(text), *_GENERATED.finditer(text)):
        try:
            node = _read_state(found) if found.re is _STATE else _read_generated(found, nodes)
        except FormatError:
            if is_strict:
                raise
        else:
            nodes[node.path] = node
    return nodes


def _read_generated(found: re.Match[str], nodes: Mapping[str, Node]) -> Node:
    path, target, numbers, operation = found.groups()
    parent = nodes.get(path.rpartition(",")[0])
    if parent is None:
        raise FormatError(f"Node #{path} was generated from a node that is not there.")
    operations = (*parent.operations, parse_operation(operation))
    return Node(path, int(target), _read_numbers(numbers), operations)


def parse_state(text: str) -> Node:
    """Return the node a text first moves to.

    Raises:
        FormatError: it moves to none, or the state cannot be read.
    """
    found = _STATE.search(text)
    if found is None:
        raise FormatError("The text moves to no node.")
    return _read_state(found)


def _read_state(found: re.Match[str]) -> Node:
    path, target, numbers, operations = found.groups()
    made = tuple(parse_operation(part.strip("'")) for part in operations.split(", ")) if operations else ()
    return Node(path, int(target), _read_numbers(numbers), made)


def _read_numbers(text: str) -> tuple[int, ...]:
    parts = text.split(", ")
    if not all(part.isdigit() and len(part) <= 9 for part in parts):
        raise FormatError(f"[{text}] is no list of whole numbers.")
    return tuple(int(part) for part in parts)


def parse_spawn(text: str) -> list[Node]:
    """Return the nodes whose sub searches a text calls at its end, in the order of the calls.

    Raises:
        FormatError: a call cannot be read, is numbered wrongly or names a node the text does not have.
    """
    _, mark, block = text.rpartition(CALL)
    calls, end, after = block.partition(END_CALL)
    if not (mark and end) or after.strip():
        raise FormatError(f"The text does not end with calls between {CALL} and {END_CALL}.")
    nodes, called = parse_nodes(text), list[Node]()
    for line in calls.strip().split("\n"):
        found = _START.fullmatch(line)
        if found is None or int(found[1]) != len(called):
            raise FormatError(f"{line!r} does not start sub search {len(called)}.")
        if found[2] not in nodes:
            raise FormatError(f"Sub search {found[1]} is to start at node #{found[2]}, which is not there.")
        called.append(nodes[found[2]])
    return called


def find_calls(text: str) -> list[tuple[int, str, int, int]]:
    """Return the calls of sub searches in a text: number, path of the node, where the call begins, and ends."""
    return [(int(found[1]), found[2], found.start(), found.end()) for found in _START.finditer(text)]


def read_child_result(text: str) -> str | None:
    """Return the path that a sub search found, or None if it reached no goal.

    A search that reaches the target says so, writes the path once more and says so again: the path is what
    stands between the two.
    """
    lines = text.strip().split("\n")
    goals = [index for index, line in enumerate(lines) if line.endswith(GOAL_REACHED)]
    return "\n".join(lines[goals[-2] + 1 :]) if len(goals) >= 2 else None


def reaches_target(node: Node, path: str) -> bool:
    """Whether a path's operations, each carried out, lead from a node to its target, by the numbers it says."""
    numbers = node.numbers
    for line in path.split("\n"):
        found = _EXPLORED.fullmatch(line)
        if found is None:
            continue
        try:
            numbers = parse_operation(found[1]).apply(numbers)
            said = _read_numbers(found[2])
        except FormatError:
            return False
        if sorted(said) != sorted(numbers):
            return False
    return numbers == (node.target,)


def explored_operations(path: str) -> tuple[Operation, ...]:
    """Return the operations that a path explores, whether they are right or not.

    Raises:
        FormatError: one cannot be read.
    """
    return tuple(parse_operation(found) for found, _ in _EXPLORED.findall(path))


def render_conclusion(numbers: Sequence[int], operations: Sequence[Operation]) -> str:
    r"""Return what a root ends with that has a solution: its steps, and the boxed expression.

    Args:
        numbers: The numbers at the start.
        operations: The steps.

    Raises:
        FormatError: they are no solution, see `write_expression`.
    """
    return "".join(f"\n{step}" for step in operations) + f"\n\\boxed{{{write_expression(numbers, operations)}}}"


def render_join(text: str, nodes: Sequence[Node], results: Sequence[str | None]) -> str:
    """Return the root's text with the last calls replaced by their results.

    Args:
        text: The root's text, which ends with the calls.
        nodes: The nodes that were called.
        results: The path that each sub search found, or None.
    """
    written = [render_result(n, *found) for n, found in enumerate(zip(nodes, results, strict=True))]
    return text[: text.rindex(CALL)] + "\n".join((RESULTS, *written, END_RESULTS))


def render_result(number: int, node: Node, path: str | None) -> str:
    """Return what stands in the root's text of one sub search: its verdict, and its path if it found one.

    Args:
        number: Of the sub search.
        node: Where it began.
        path: What it found, or None.
    """
    verdict = NO_SOLUTION if path is None else GOAL_REACHED
    line = f"<{verdict} in Sub Search {number} at level 1 at Node #{node.path}>"
    return line if path is None else f"{line}\n{path}"
