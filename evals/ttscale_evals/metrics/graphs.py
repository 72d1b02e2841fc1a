"""Task graphs of benchmarks. Durations are in any unit, mostly seconds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import cast

from ttscale.types import JSON
from ttscale_strategies.dag.graph import Need, Node
from ttscale_strategies.dag.paths import Shape, shape_of


@dataclass(frozen=True, kw_only=True)
class TaskGraph:
    """Tasks with durations, and which must end before which begin.

    Raises:
        ValueError: a duration is negative or no number, or an edge leads to or from no task.
        GraphError: the tasks wait for each other.
    """

    durations: Mapping[str, float]
    """Of each task, >= 0, by its name."""
    edges: Sequence[tuple[str, str]] = ()
    """Pairs: the first must end before the second begins."""

    def __post_init__(self) -> None:
        wrong = [name for name, seconds in self.durations.items() if not 0 <= seconds < math.inf]
        if wrong:
            raise ValueError(
                f"the task {wrong[0]!r} lasts {self.durations[wrong[0]]!r}; durations must be >= 0"
            )
        unknown = [name for edge in self.edges for name in edge if name not in self.durations]
        if unknown:
            raise ValueError(f"an edge names {unknown[0]!r}, which is no task")
        _ = self.shape  # a cycle is found here

    @classmethod
    def from_json(cls, document: Mapping[str, JSON]) -> TaskGraph:
        """Read what `to_json` wrote, as the meta of problems has it. Raises as the class."""
        edges = cast("Sequence[Sequence[str]]", document["edges"])
        durations = cast("Mapping[str, float]", document["durations"])
        return cls(durations=durations, edges=[(first, second) for first, second in edges])

    def to_json(self) -> dict[str, JSON]:
        """Return the graph as plain JSON."""
        return {"durations": dict(self.durations), "edges": [list(edge) for edge in self.edges]}

    def nodes(self, tool: str) -> tuple[Node, ...]:
        """Return the tasks as calls of one tool, with the arguments `task` and `seconds`, for an executor."""
        needs: dict[str, dict[str, Need]] = {name: {} for name in self.durations}
        for first, second in self.edges:
            needs[second][first] = Need(first)
        return tuple(
            Node(
                id=name,
                tool=tool,
                arguments={"task": name, "seconds": seconds},
                needs=tuple(needs[name].values()),
                seconds=seconds,
            )
            for name, seconds in self.durations.items()
        )

    @cached_property
    def shape(self) -> Shape:
        """Work W, critical path L, parallelism W/L and width (UFO³, arXiv 2511.11332)."""
        return shape_of(self.nodes("task"))
