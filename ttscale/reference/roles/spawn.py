"""Reading and writing the spawn and join protocol of APR (Adaptive Parallel Reasoning, arXiv 2504.15466).

A root's text generates nodes of a search and calls sub searches on them; the sub searches' results are written
in place of the calls. Everything here is text in, text out; who writes the texts does not matter.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from ttscale.reference.roles.completion import FormatError
from ttscale.reference.roles.countdown import Operation, parse_operation

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


def parse_nodes(text: str) -> dict[str, Node]:
    """Return the nodes of a trace by their paths: those moved to, then those generated.

    A generated node has the operations of its parent and its own. Of two nodes with one path the later counts.

    Raises:
        FormatError: a generated node has no parent in the trace, or an operation cannot be read.
    """
    nodes = {node.path: node for node in map(_read_state, _STATE.finditer(text))}
    for path, target, numbers, operation in _GENERATED.findall(text):
        parent = nodes.get(path.rpartition(",")[0])
        if parent is None:
            raise FormatError(f"Node #{path} was generated from a node that is not there.")
        operations = (*parent.operations, parse_operation(operation))
        nodes[path] = Node(path, int(target), _read_numbers(numbers), operations)
    return nodes


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


def read_child_result(text: str) -> str | None:
    """Return the path that a sub search found, or None if it reached no goal.

    A search that reaches the target says so, writes the path once more and says so again: the path is what
    stands between the two.
    """
    lines = text.strip().split("\n")
    goals = [index for index, line in enumerate(lines) if line.endswith(GOAL_REACHED)]
    return "\n".join(lines[goals[-2] + 1 :]) if len(goals) >= 2 else None


def render_join(text: str, nodes: Sequence[Node], results: Sequence[str | None]) -> str:
    """Return the root's text with the last calls replaced by their results.

    Args:
        text: The root's text, which ends with the calls.
        nodes: The nodes that were called.
        results: The path that each sub search found, or None.
    """
    lines = [RESULTS]
    for number, (node, path) in enumerate(zip(nodes, results, strict=True)):
        verdict = NO_SOLUTION if path is None else GOAL_REACHED
        lines.append(f"<{verdict} in Sub Search {number} at level 1 at Node #{node.path}>")
        lines += [] if path is None else [path]
    return text[: text.rindex(CALL)] + "\n".join((*lines, END_RESULTS))
