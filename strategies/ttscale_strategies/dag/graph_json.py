"""Graphs as plain JSON, from which a graph goes on after its process was killed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import cast, get_args

from ttscale.tools import ToolResult
from ttscale.types import JSON
from ttscale_strategies.dag.graph import (
    Condition,
    Fires,
    Graph,
    GraphError,
    Need,
    Node,
    State,
    Test,
    When,
)


def graph_to_json(graph: Graph) -> Mapping[str, JSON]:
    """Return all there is to know of a graph as plain JSON."""
    return {
        "nodes": [_plain(node) for node in graph.nodes.values()],
        "states": dict(graph.states),
        "results": {id: _plain(result) for id, result in graph.results.items()},
    }


def graph_from_json(document: JSON) -> Graph:
    """Return the graph that was stored; calls that had begun and not ended are to begin again.

    Raises:
        GraphError: the document is not one of `graph_to_json`, or breaks an invariant of `Graph`.
    """
    try:
        fields = _object(document)
        nodes = [_node(_object(item)) for item in _list(fields["nodes"])]
        states: dict[str, State] = {
            id: cast("State", _one_of(state, State)) for id, state in _object(fields["states"]).items()
        }
        results = {id: _result(_object(item)) for id, item in _object(fields["results"]).items()}
    except (KeyError, TypeError) as error:
        raise GraphError(f"This is no stored graph: {error}.") from error
    graph = Graph()
    graph.replace_nodes({node.id: node for node in nodes})
    graph.restore(states, results)
    return graph


def _plain(value: Node | ToolResult) -> JSON:
    return cast("JSON", json.loads(json.dumps(asdict(value))))


def _node(fields: Mapping[str, JSON]) -> Node:
    seconds = fields.get("seconds", 1.0)
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise TypeError(f"{seconds!r:.80} is no number of seconds")
    return Node(
        id=_text(fields["id"]),
        tool=_text(fields["tool"]),
        arguments=_object(fields.get("arguments", {})),
        needs=tuple(_need(_object(item)) for item in _list(fields.get("needs", []))),
        fires=cast("Fires", _one_of(fields.get("fires", "all"), Fires)),
        seconds=seconds,
        thought=_text(fields.get("thought", "")),
    )


def _need(fields: Mapping[str, JSON]) -> Need:
    condition = fields.get("condition")
    met: Condition | None = None
    if condition is not None:
        said = _object(condition)
        met = Condition(cast("Test", _one_of(said["test"], Test)), said["value"])
    return Need(_text(fields["source"]), cast("When", _one_of(fields.get("when", "end"), When)), met)


def _result(fields: Mapping[str, JSON]) -> ToolResult:
    return ToolResult(**fields)  # type: ignore[arg-type]  # unknown fields raise a TypeError


def _object(value: JSON) -> Mapping[str, JSON]:
    if not isinstance(value, Mapping):
        raise TypeError(f"{value!r:.80} is no object")
    return value


def _list(value: JSON) -> Sequence[JSON]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise TypeError(f"{value!r:.80} is no list")
    return value


def _text(value: JSON) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.80} is no text")
    return value


def _one_of(value: JSON, literal: object) -> str:
    if value not in get_args(literal):
        raise TypeError(f"{value!r:.80} is none of {', '.join(get_args(literal))}")
    return cast("str", value)
