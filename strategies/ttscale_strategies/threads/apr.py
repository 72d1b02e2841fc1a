"""APR's reader: sub searches that begin at nodes of the search, and what they bring."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ttscale.grammars.format_error import FormatError
from ttscale.grammars.spawn import (
    CALL,
    Node,
    explored_operations,
    find_calls,
    parse_nodes,
    parse_state,
    reaches_target,
    read_child_result,
    render_conclusion,
    render_result,
)
from ttscale_strategies.threads.reader import Outline

if TYPE_CHECKING:
    from ttscale_strategies.threads.protocol import Protocol


class SpawnReader:
    """Reads calls of sub searches (APR, arXiv:2504.15466), each at a node that the root's own text has.

    A call of a node that is not there, or cannot be read, is left out; model text is never evaluated. Results
    belong to the number of their call, so two sub searches from one state are two.
    """

    def __init__(self, protocol: Protocol) -> None:
        del protocol  # its lexemes are the grammar's

    def outlines(self, own: str, start: int) -> list[Outline]:
        """Return the calls behind the first `<Calling Sub Searches>`, each with its node's state."""
        begin = own.find(CALL, start)
        if begin < 0:
            return []
        nodes, found = parse_nodes(own, is_strict=False), dict[int, Outline]()
        for number, path, call_start, call_end in find_calls(own[begin:]):
            if path in nodes:
                outline = Outline(str(number), path, begin + call_start, begin + call_end, str(nodes[path]))
                found.setdefault(number, outline)
        return list(found.values())

    def result(self, outline: Outline, body: str) -> str:
        """Return the verdict on a sub search, with its path if it reached the target."""
        return render_result(int(outline.number), parse_state(outline.state), read_child_result(body))

    def conclusion(self, own: str, results: Sequence[tuple[Outline, str]]) -> str | None:
        """Return ``None``: the root goes on."""
        del own, results
        return None


class CheckedSpawnReader(SpawnReader):
    """As `SpawnReader`, for those who do not take the model at its word: every operation is carried out.

    A node counts where its operation, on the numbers of its parent, gives its numbers; a path where its
    operations lead from the node's numbers to the target, each with the numbers that it says (the rules by
    which APR's own traces are verified). The first path that does is the answer, and the root does not have to
    copy it.
    """

    def outlines(self, own: str, start: int) -> list[Outline]:
        """Return the calls at nodes that are reached."""
        nodes = parse_nodes(own, is_strict=False)
        return [found for found in super().outlines(own, start) if _is_reached(nodes, found.text)]

    def result(self, outline: Outline, body: str) -> str:
        """Return the verdict on a sub search, with its path if that reaches the target."""
        node, path = parse_state(outline.state), read_child_result(body)
        is_right = path is not None and reaches_target(node, path)
        return render_result(int(outline.number), node, path if is_right else None)

    def conclusion(self, own: str, results: Sequence[tuple[Outline, str]]) -> str | None:
        """Return the steps and the expression of the first path that reaches the target, if there is one."""
        for outline, body in results:
            node, path = parse_state(outline.state), read_child_result(body)
            if path is not None and reaches_target(node, path):
                steps = (*node.operations, *explored_operations(path))
                try:
                    return render_conclusion(parse_state(own).numbers, steps)
                except FormatError:  # not from where the root began
                    continue
        return None


def _is_reached(nodes: Mapping[str, Node], path: str) -> bool:
    """Whether every operation from the root to a node is right."""
    while parent := nodes.get(path.rpartition(",")[0]):
        node = nodes[path]
        try:
            numbers = node.operations[-1].apply(parent.numbers)
        except (FormatError, IndexError):
            return False
        if sorted(numbers) != sorted(node.numbers) or node.target != parent.target:
            return False
        path = parent.path
    return True
