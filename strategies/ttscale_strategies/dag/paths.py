"""Paths through graphs of calls: how long they take at best, and who should go first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ttscale_strategies.checks import require_positive
from ttscale_strategies.dag.graph import Node, ordered


@dataclass(frozen=True, slots=True)
class Shape:
    """The measures of UFO³ (arXiv:2511.11332) and AsyncHow (arXiv:2402.02805), by expected durations."""

    critical_path_seconds: float
    """L, of the longest path: the least makespan with unlimited workers."""
    seconds: float
    """W, of all calls together: the makespan of one worker."""
    max_width: int
    """Most calls of one level, that of a call being one more than the greatest level it needs."""

    @property
    def parallelism(self) -> float:
        """W/L; 1 for no calls."""
        return self.seconds / self.critical_path_seconds if self.seconds else 1.0


def shape_of(nodes: Iterable[Node]) -> Shape:
    """Return the shape of a graph.

    Raises:
        GraphError: there is a cycle.
    """
    known = {node.id: node for node in nodes}
    ends, levels = dict[str, float](), dict[str, int]()
    for id in ordered(known):
        sources = known[id].sources
        ends[id] = known[id].seconds + max((ends[source] for source in sources), default=0.0)
        levels[id] = 1 + max((levels[source] for source in sources), default=0)
    return Shape(
        critical_path_seconds=max(ends.values(), default=0.0),
        seconds=sum(node.seconds for node in known.values()),
        max_width=max(Counter(levels.values()).values(), default=0),
    )


def ranks(nodes: Mapping[str, Node]) -> Mapping[str, float]:
    """Return for each node the seconds of the longest path that begins with it: the greatest goes first.

    Raises:
        GraphError: there is a cycle.
    """
    found = {id: node.seconds for id, node in nodes.items()}
    for id in reversed(tuple(ordered(nodes))):
        for source in nodes[id].sources:
            found[source] = max(found[source], nodes[source].seconds + found[id])
    return found


def graham_bound(shape: Shape, *, workers: int) -> float:
    """Return W/m + (1 − 1/m)·L, the most seconds that m workers take who are never idle without need.

    Graham, Bounds on multiprocessing timing anomalies (1969).

    Raises:
        ValueError: workers < 1.
    """
    require_positive(workers, "workers")
    return shape.seconds / workers + (1 - 1 / workers) * shape.critical_path_seconds
