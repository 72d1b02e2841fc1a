"""The sub-goals of Flash-Searcher (arXiv:2509.25301): which of them can be worked on, and what is left."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from ttscale.tools import ToolResult
from ttscale_strategies.dag.graph import Node
from ttscale_strategies.dag.references import references_in


class Subgoals:
    """V, the calls of a plan: completed C, pending P = V∖C. A failed one stays pending, and is not made again.

    Attributes:
        provisional: results of calls that were made before all that should come before them, by id. They are
            completed when that is; nothing that needs these results begins until then.
    """

    def __init__(self, nodes: Iterable[Node] = ()) -> None:
        self._pending = {node.id: node for node in nodes}
        self._results: dict[str, ToolResult] = {}
        self._failed: dict[str, ToolResult] = {}
        self.provisional: dict[str, ToolResult] = {}

    @property
    def pending(self) -> Mapping[str, Node]:
        """P, in the order of the plan, failed and provisional ones included."""
        return MappingProxyType(self._pending)

    @property
    def completed(self) -> Mapping[str, ToolResult]:
        """C, with the results, in the order of completion."""
        return MappingProxyType(self._results)

    @property
    def failed(self) -> Mapping[str, ToolResult]:
        """Those pending that were tried in vain, with their errors."""
        return MappingProxyType(self._failed)

    def executable(self, *, is_aggressive: bool = False) -> Sequence[Node]:
        """Return A, the calls that can be made now, needing nothing but completed ones.

        Args:
            is_aggressive: also make those, provisionally, whose arguments refer to completed calls only, while
                calls that should merely come before them are pending. The paper also lets calls begin early,
                where that may help to validate what they depend on, and does not say how this is told.
        """
        found = list[Node]()
        for node in self._pending.values():
            if node.id in self._failed or node.id in self.provisional:
                continue
            wanted = {found.id for found in references_in(node.arguments)} & set(node.sources)
            if all(source in self._results for source in (wanted if is_aggressive else node.sources)):
                needs = tuple(need for need in node.needs if need.source in self._results)
                found.append(replace(node, needs=needs))
        return found

    def note(self, id: str, result: ToolResult) -> None:
        """Note what came of a pending call."""
        node = self._pending[id]
        if result.error is not None:
            self._failed[id] = result
        elif any(source not in self._results for source in node.sources):
            self.provisional[id] = result
        else:
            self._complete(id, result)

    def _complete(self, id: str, result: ToolResult) -> None:
        del self._pending[id]
        self._results[id] = result
        for other, early in tuple(self.provisional.items()):
            if other in self.provisional and all(s in self._results for s in self._pending[other].sources):
                del self.provisional[other]
                self._complete(other, early)

    def refine(self, nodes: Iterable[Node]) -> None:
        """Put other calls in the place of all that are pending; what is completed stays.

        Args:
            nodes: of ids that are not completed, and which need completed calls and each other.
        """
        self._pending = {node.id: node for node in nodes}
        self._failed = {}
        self.provisional = {}
