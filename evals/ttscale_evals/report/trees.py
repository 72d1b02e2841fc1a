"""The search trees of a trace, from its spans of kind ``node``: one span a node, one tree for each parent span.

A node's span has the attributes ``node`` (its key), ``parent_node`` (its parent's key; ``None`` is the
root, which has no span), ``numbers`` (of the draws from the root to it, ``0.3.1``; without them the span's
name stands in), ``text``, ``tokens`` (generated for this step), ``reward`` (in [0, 1], or ``None``),
``reason`` (why there is none), ``state``, ``draws`` (how many draws gave this step) and ``answer`` (of a
solution). A draw that gave what another had given is in the state ``duplicate``, and is left out here. Traces
come from files, so nothing of it is taken for granted: what is missing or of another type is unknown, and a
node whose parent is not there stands at the top.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias, cast

from ttscale.types import JSON

NODE: Final = "node"
"""The kind of such spans."""
CHOSEN: Final = "chosen"
"""The state of the solution that the answer was taken from."""
DUPLICATE: Final = "duplicate"
"""The state of a draw that gave the same as another one."""
UNKNOWN: Final = "unknown"
_ROOT: Final = -1
_MAX_DRAW_DIGITS: Final = 9
_MAX_NUMBER: Final = 1e15

_Span: TypeAlias = Mapping[str, JSON]


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeNode:
    """A step of a search. Its texts are as the trace has them: not yet fit for a page."""

    name: str
    parent: int
    """Its place among the tree's nodes; -1 is the root."""
    depth: int
    """1 for the root's children."""
    state: str
    text: str | None
    tokens: int
    reward: float | None
    reason: str
    draws: int
    answer: str | None
    start: float | None
    """Seconds since the trace began when the step's generation began."""
    end: float | None
    """Seconds since the trace began when its score was in."""


@dataclass(frozen=True, slots=True)
class SearchTree:
    """One search."""

    name: str
    """Of the span that it belongs to."""
    nodes: tuple[TreeNode, ...]
    """Each followed by the nodes below it."""
    num_strays: int = 0
    """Nodes at the top because the trace lacks their parents, or because these go round in a circle."""

    def path_of_chosen(self) -> frozenset[int]:
        """Return the places of chosen solutions and of all nodes above them."""
        found: set[int] = set()
        for place, node in enumerate(self.nodes):
            above = place if node.state == CHOSEN else _ROOT
            while above != _ROOT and above not in found:
                found.add(above)
                above = self.nodes[above].parent
        return frozenset(found)

    def by_importance(self) -> list[int]:
        """Return the places of all nodes: the chosen path first, then the others, the nearest the root first.

        A node never comes before its parent.
        """
        path = self.path_of_chosen()
        return sorted(range(len(self.nodes)), key=lambda place: (place not in path, self.nodes[place].depth))


def is_node(span: _Span) -> bool:
    """Return whether a span is a tree's node."""
    return span["kind"] == NODE


def search_trees(spans: Sequence[_Span]) -> list[SearchTree]:
    """Return the trees of a trace, in the order of their first nodes."""
    groups: dict[JSON, list[_Span]] = {}
    for span in spans:
        if is_node(span) and _attributes(span).get("state") != DUPLICATE:
            groups.setdefault(span["parent"], []).append(span)
    names = {span["id"]: str(span["name"]) for span in spans if span["id"] in groups}
    return [_tree(names.get(parent, "search"), nodes) for parent, nodes in groups.items()]


def _tree(name: str, spans: Sequence[_Span]) -> SearchTree:
    parents = _parents(spans)
    order, num_circular = _walk(spans, parents)
    num_strays = num_circular + sum(
        _attributes(span).get("parent_node") is not None and parent == _ROOT
        for span, parent in zip(spans, parents, strict=True)
    )
    places = {number: place for place, (number, _) in enumerate(order)}
    nodes = list[TreeNode]()
    for number, parent in order:
        above = places.get(parent, _ROOT)
        nodes.append(_node(spans[number], above, 1 if above == _ROOT else nodes[above].depth + 1))
    return SearchTree(name, tuple(nodes), num_strays)


def _parents(spans: Sequence[_Span]) -> list[int]:
    """Return the number of each span's parent among the spans; of those with the same key the first counts."""
    numbers: dict[str, int] = {}
    for number, span in enumerate(spans):
        numbers.setdefault(str(_attributes(span).get("node")), number)
    wanted = [_attributes(span).get("parent_node") for span in spans]
    return [_ROOT if key is None else numbers.get(str(key), _ROOT) for key in wanted]


def _walk(spans: Sequence[_Span], parents: Sequence[int]) -> tuple[list[tuple[int, int]], int]:
    """Return the spans' numbers, each with its parent's, from the root down, and how many broke a circle."""
    children: dict[int, list[int]] = {}
    for number in sorted(range(len(spans)), key=lambda number: _draw(_name(spans[number]))):
        children.setdefault(parents[number], []).append(number)
    order, reached, num_circular = list[tuple[int, int]](), [False] * len(spans), 0

    def visit(first: Sequence[int]) -> None:
        waiting = [(number, _ROOT) for number in reversed(first)]
        while waiting:
            number, parent = waiting.pop()
            if not reached[number]:
                reached[number] = True
                order.append((number, parent))
                waiting += [(child, number) for child in reversed(children.get(number, []))]

    visit(children.get(_ROOT, []))
    for number, is_reached in enumerate(reached):
        if not is_reached and not reached[number]:
            num_circular += 1
            visit([number])
    return order, num_circular


def _draw(name: str) -> tuple[int, int]:
    """Return a key that sorts nodes of one parent by their draw; those without one come last."""
    draw = name.rpartition(".")[2].rpartition(":")[2]
    is_number = draw.isascii() and draw.isdecimal() and len(draw) <= _MAX_DRAW_DIGITS
    return (0, int(draw)) if is_number else (1, 0)


def _node(span: _Span, parent: int, depth: int) -> TreeNode:
    attributes = _attributes(span)
    return TreeNode(
        name=_name(span),
        parent=parent,
        depth=depth,
        state=_text(attributes.get("state")) or UNKNOWN,
        text=_text(attributes.get("text")),
        tokens=_count(attributes.get("tokens"), least=0),
        reward=_number(attributes.get("reward")),
        reason=_text(attributes.get("reason")) or "",
        draws=_count(attributes.get("draws"), least=1),
        answer=_text(attributes.get("answer")),
        start=_number(span["start"]),
        end=_number(span["end"]),
    )


def _name(span: _Span) -> str:
    """Return the numbers of the draws from the root to a node."""
    return str(_attributes(span).get("numbers") or span["name"])


def _attributes(span: _Span) -> Mapping[str, JSON]:
    return cast("Mapping[str, JSON]", span["attributes"])


def _text(value: JSON) -> str | None:
    return None if value is None else str(value)


def _number(value: JSON) -> float | None:
    """Return a number that is one: neither infinite nor true, nor beyond what a search can come to."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= _MAX_NUMBER:
        return None
    return float(value)


def _count(value: JSON, *, least: int) -> int:
    number = _number(value)
    return least if number is None else max(least, int(number))
