"""Edits of a graph while it is carried out: all of a batch are made, or none."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TypeAlias

from ttscale_strategies.dag.graph import Graph, GraphError, Need, Node


@dataclass(frozen=True, slots=True)
class Insert:
    """Put a new node in; it may need nodes that have ended, and others of the same batch."""

    node: Node


@dataclass(frozen=True, slots=True)
class Remove:
    """Take a node out that has not begun; whoever needs it must be removed or changed in the same batch."""

    id: str


@dataclass(frozen=True, slots=True)
class Change:
    """Put a node in the place of one of the same id that has not begun."""

    node: Node


@dataclass(frozen=True, slots=True)
class Rewire:
    """Give a node that has not begun other edges."""

    id: str
    needs: tuple[Need, ...]


Edit: TypeAlias = Insert | Remove | Change | Rewire


def apply_edits(graph: Graph, edits: Iterable[Edit]) -> None:
    """Make a batch of edits in order.

    Raises:
        GraphError: an edit names a node that is not there or is there already, or the graph would break an
            invariant of `Graph`; then nothing has changed.
    """
    nodes = dict(graph.nodes)
    for edit in edits:
        _apply(nodes, edit)
    graph.replace_nodes(nodes)


def _apply(nodes: dict[str, Node], edit: Edit) -> None:
    match edit:
        case Insert(node):
            if node.id in nodes:
                raise GraphError(f"There is a call {node.id!r} already; give the new one another id.")
            nodes[node.id] = node
        case Remove(id):
            del nodes[_known(nodes, id).id]
        case Change(node):
            nodes[_known(nodes, node.id).id] = node
        case Rewire(id, needs):
            nodes[id] = replace(_known(nodes, id), needs=needs)


def _known(nodes: dict[str, Node], id: str) -> Node:
    if id not in nodes:
        raise GraphError(f"There is no call {id!r} to edit.")
    return nodes[id]
