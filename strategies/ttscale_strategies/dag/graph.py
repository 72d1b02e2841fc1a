"""Graphs of tool calls: which needs the results of which, and what has become of each.

Pure: no clock, no tasks, plain data (`graph_json`). `ttscale_strategies.dag.executor` carries one out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from types import MappingProxyType
from typing import Final, Literal, TypeAlias, cast

from ttscale.errors import TTScaleError
from ttscale.tools import ToolResult
from ttscale.types import JSON
from ttscale_strategies.dag.references import substituted

State: TypeAlias = Literal["pending", "running", "done", "failed", "skipped", "cancelled"]
"""Of a call: not begun, begun, ended with a value, ended with an error, never begun since nothing leads to it,
stopped on request."""

ENDED: Final = frozenset[State](("done", "failed", "skipped", "cancelled"))

When: TypeAlias = Literal["success", "failure", "end"]
"""Which end of its source enables an edge: with a value, with an error, either. An edge whose source was
skipped or cancelled is disabled, whatever it waits for."""

Test: TypeAlias = Literal["equals", "differs", "contains", "at_least", "at_most"]
"""What a condition asks; ``contains``, whether a text, list or object has something in it."""

Fires: TypeAlias = Literal["all", "any", "first"]

EdgeState: TypeAlias = Literal["pending", "enabled", "disabled"]


class GraphError(TTScaleError):
    """A graph would become one that cannot be carried out, or a call was begun or ended twice."""


@dataclass(frozen=True, slots=True)
class Condition:
    """What the value of a source must be for an edge to be enabled; an error meets no condition."""

    test: Test
    value: JSON

    def holds(self, result: ToolResult) -> bool:
        """Whether a result meets it; what cannot be compared does not."""
        if result.error is not None:
            return False
        found, value = result.value, self.value
        if self.test in ("equals", "differs"):
            return (found == value and isinstance(found, bool) == isinstance(value, bool)) == (
                self.test == "equals"
            )
        if self.test == "contains":
            if isinstance(found, str):
                return isinstance(value, str) and value in found
            return isinstance(found, Sequence | Mapping) and value in found
        if not isinstance(found, int | float) or not isinstance(value, int | float):
            return False
        return found >= value if self.test == "at_least" else found <= value


@dataclass(frozen=True, slots=True)
class Need:
    """An edge that leads to a node: from which, and when it is enabled."""

    source: str
    """The id of another node."""
    when: When = "end"
    condition: Condition | None = None

    def state(self, source: State, result: ToolResult | None) -> EdgeState:
        """Return the state of the edge, by what has become of its source."""
        if source not in ENDED:
            return "pending"
        if source in ("skipped", "cancelled") or result is None:
            return "disabled"
        if self.when != "end" and (self.when == "success") != (source == "done"):
            return "disabled"
        return "enabled" if self.condition is None or self.condition.holds(result) else "disabled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One tool call of a plan. References to what it needs may stand in its arguments, see `references`."""

    id: str
    tool: str
    """Name of the tool."""
    arguments: Mapping[str, JSON] = field(default_factory=dict[str, JSON])
    needs: tuple[Need, ...] = ()
    """Edges that lead here, of data and of control alike; one a source."""
    fires: Fires = "all"
    """``all``: it begins when all edges are enabled and is skipped as soon as one is disabled. ``any`` (a node
    of StepFly, arXiv:2510.10074): it begins when none is pending and one or more are enabled, and is skipped
    when all are disabled. ``first`` (its end node): it begins with the first enabled one, and is skipped
    likewise."""
    seconds: float = 1.0
    """Expected duration, > 0; decides who goes first where workers are few, see `paths`."""
    thought: str = ""
    """What the planner said before it."""

    @property
    def sources(self) -> tuple[str, ...]:
        """The ids of the nodes that it needs."""
        return tuple(need.source for need in self.needs)


class Graph:
    """Calls, their edges, states and results.

    Invariants, after Task Constellation (UFO³, arXiv:2511.11332): I1, a call begins once; I2, there is no
    cycle, and every edge comes from a node of the graph; I3, only nodes that have not begun can be changed or
    removed (`edits`). Where an edge is disabled, so is all that only it leads to (dead-path elimination):
    such nodes are skipped at once, with an error as their result that says why.
    """

    def __init__(self, nodes: Iterable[Node] = ()) -> None:
        """Begin with these nodes, in an order of which each comes after those it needs.

        Raises:
            GraphError: as `add`.
        """
        self._nodes: dict[str, Node] = {}
        self._states: dict[str, State] = {}
        self._results: dict[str, ToolResult] = {}
        self._targets: dict[str, list[str]] = {}
        self._ready: dict[str, None] = {}
        self._num_open = 0
        self.version = 0
        """Grows whenever nodes or edges change."""
        for node in nodes:
            self.add(node)

    # ── what there is ─────────────────────────────────────────────────────────────────────────────────────

    @property
    def nodes(self) -> Mapping[str, Node]:
        """All nodes by id, in the order in which they came."""
        return MappingProxyType(self._nodes)

    @property
    def states(self) -> Mapping[str, State]:
        """The state of each node."""
        return MappingProxyType(self._states)

    @property
    def results(self) -> Mapping[str, ToolResult]:
        """The results of all nodes that have ended."""
        return MappingProxyType(self._results)

    @property
    def ready(self) -> Sequence[Node]:
        """Nodes that may begin now, in the order in which they came to be so."""
        return [self._nodes[id] for id in self._ready]

    @property
    def is_over(self) -> bool:
        """Whether every node has ended."""
        return self._num_open == 0

    def arguments(self, id: str) -> Mapping[str, JSON]:
        """Return a node's arguments with the results of what it needs in place of references."""
        node = self._nodes[id]
        known = {source: self._results[source] for source in node.sources if source in self._results}
        return cast("Mapping[str, JSON]", {n: substituted(value, known) for n, value in node.arguments.items()})

    # ── what happens ──────────────────────────────────────────────────────────────────────────────────────

    def add(self, node: Node) -> None:
        """Add a node behind nodes that are there.

        Raises:
            GraphError: its id is taken, it needs a node that is not there or the same one twice, or its
                expected duration is not positive.
        """
        if node.id in self._nodes:
            raise GraphError(f"There is a call {node.id!r} already; give the new one another id.")
        check_node(node, self._nodes)
        self._nodes[node.id] = node
        self._states[node.id] = "pending"
        self._targets[node.id] = []
        self._num_open += 1
        self.version += 1
        for source in node.sources:
            self._targets[source].append(node.id)
        self._settle([node.id])

    def begin(self, id: str) -> Node:
        """Mark a ready node as begun, and return it.

        Raises:
            GraphError: it is not ready.
        """
        if id not in self._ready:
            raise GraphError(f"The call {id!r} cannot begin: it is {self._states.get(id, 'unknown')}.")
        del self._ready[id]
        self._states[id] = "running"
        return self._nodes[id]

    def end(self, id: str, result: ToolResult) -> None:
        """Note the result of a node that runs, and settle what follows from it.

        Raises:
            GraphError: it does not run.
        """
        if self._states.get(id) != "running":
            raise GraphError(f"The call {id!r} cannot end: it is {self._states.get(id, 'unknown')}.")
        self._close(id, "done" if result.error is None else "failed", result)

    def release(self, id: str) -> None:
        """Mark a node that runs as one that has not begun: its call was given up, and may begin again.

        Raises:
            GraphError: it does not run.
        """
        if self._states.get(id) != "running":
            raise GraphError(f"The call {id!r} cannot be given up: it is {self._states.get(id, 'unknown')}.")
        self._states[id] = "pending"
        self._settle([id])

    def cancel(self, id: str, why: str = "it was cancelled") -> None:
        """Mark a node as cancelled if it has not ended, and settle what follows from it.

        Raises:
            GraphError: there is no such node.
        """
        if id not in self._states:
            raise GraphError(f"There is no call {id!r} to cancel.")
        if self._states[id] not in ENDED:
            self._close(id, "cancelled", ToolResult(error=f"no result: {why}"))

    def replace_nodes(self, nodes: Mapping[str, Node]) -> None:
        """Take over a whole set of nodes, in which those that have begun are what they were.

        Raises:
            GraphError: an invariant would not hold; then nothing has changed.
        """
        self._check_kept(nodes)
        check_nodes(nodes.values())
        self._nodes = dict(nodes)
        self._states = {id: self._states.get(id, "pending") for id in nodes}
        self._targets = {id: [] for id in nodes}
        for node in nodes.values():
            for source in node.sources:
                self._targets[source].append(node.id)
        self._num_open = sum(state not in ENDED for state in self._states.values())
        self._ready = {id: None for id in self._ready if id in nodes and self._verdict(id) == "enabled"}
        self.version += 1
        self._settle([id for id, state in self._states.items() if state == "pending"])

    def restore(self, states: Mapping[str, State], results: Mapping[str, ToolResult]) -> None:
        """Take over what had become of the nodes when a graph was stored; calls that ran then begin again.

        Raises:
            GraphError: states or results are of other nodes, or do not go together.
        """
        ended = {id for id, state in states.items() if state in ENDED}
        if states.keys() != self._nodes.keys() or set(results) != ended:
            raise GraphError("The stored states and results are not those of the stored nodes.")
        if wrong := [id for id in ended if (results[id].error is None) != (states[id] == "done")]:
            raise GraphError(
                f"The stored result of {wrong[0]!r} is not that of a call which is {states[wrong[0]]}."
            )
        self._states = {id: state if state in ENDED else "pending" for id, state in states.items()}
        self._results = dict(results)
        self._num_open = len(states) - len(ended)
        self._ready = {}
        self._settle([id for id in states if id not in ended])

    # ── how it follows ────────────────────────────────────────────────────────────────────────────────────

    def edge_states(self, id: str) -> Mapping[str, EdgeState]:
        """Return the states of the edges that lead to a node, by source."""
        return {
            need.source: need.state(self._states[need.source], self._results.get(need.source))
            for need in self._nodes[id].needs
        }

    def _verdict(self, id: str) -> EdgeState:
        """Return whether a node may begin, must wait, or is not to begin at all."""
        edges, fires = list(self.edge_states(id).values()), self._nodes[id].fires
        if not edges:
            return "enabled"
        if fires == "all" and "disabled" in edges:
            return "disabled"
        if fires == "first" and "enabled" in edges:
            return "enabled"
        if "pending" in edges:
            return "pending"
        return "enabled" if "enabled" in edges else "disabled"

    def _close(self, id: str, state: State, result: ToolResult) -> None:
        self._ready.pop(id, None)
        self._states[id] = state
        self._results[id] = result
        self._num_open -= 1
        self._settle(self._targets[id])

    def _settle(self, ids: Iterable[str]) -> None:
        """Make ready or skip whichever of these nodes, and of those behind skipped ones, no longer waits."""
        waiting = list(ids)
        for id in waiting:  # grows as nodes are skipped
            if self._states[id] != "pending" or id in self._ready:
                continue
            verdict = self._verdict(id)
            if verdict == "enabled":
                self._ready[id] = None
            elif verdict == "disabled":
                self._states[id] = "skipped"
                self._results[id] = ToolResult(error=f"not called: {self._why_skipped(id)}")
                self._num_open -= 1
                waiting.extend(self._targets[id])

    def _why_skipped(self, id: str) -> str:
        sources = [source for source, state in self.edge_states(id).items() if state == "disabled"]
        return "; ".join(f"call {source} is {self._states[source]}" for source in sources)

    def _check_kept(self, nodes: Mapping[str, Node]) -> None:
        for id, node in nodes.items():
            if node.id != id:
                raise GraphError(f"The call {node.id!r} cannot be kept as {id!r}.")
        for id, state in self._states.items():
            if state != "pending" and nodes.get(id) != self._nodes[id]:
                raise GraphError(f"The call {id!r} is {state}: only those that have not begun can be changed.")


def check_node(node: Node, known: Mapping[str, object]) -> None:
    """Raise `GraphError` if a node by itself, among known ones, is wrong."""
    if len(set(node.sources)) < len(node.sources):
        raise GraphError(f"The call {node.id!r} needs another one twice; give one edge a source.")
    if missing := [source for source in node.sources if source not in known]:
        raise GraphError(f"The call {node.id!r} needs {missing[0]!r}, which is no call of the graph.")
    if not 0 < node.seconds < float("inf"):
        raise GraphError(f"The expected seconds of {node.id!r} must be positive, got {node.seconds!r}.")


def check_nodes(nodes: Iterable[Node]) -> None:
    """Raise `GraphError` if nodes are wrong among themselves: by `check_node`, or for a cycle (I2)."""
    known = {node.id: node for node in nodes}
    for node in known.values():
        check_node(node, known)
    ordered(known)


def ordered(nodes: Mapping[str, Node]) -> Iterator[str]:
    """Return the ids in an order of which each comes after those it needs.

    Raises:
        GraphError: there is none, for a cycle.
    """
    sorter = TopologicalSorter({id: node.sources for id, node in nodes.items()})
    try:
        return iter(tuple(sorter.static_order()))
    except CycleError as error:
        cycle = " → ".join(cast("list[str]", error.args[1]))
        raise GraphError(f"The calls wait for each other in a circle: {cycle}.") from error
