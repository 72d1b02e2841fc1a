"""What a search decides: from the tree so far, how many children each node is to have."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ttscale_strategies.search.tree import Site, Tree


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The tree that is wanted, as far as it is known by now."""

    wanted: Mapping[Site, int] = field(default_factory=dict[Site, int])
    """Draws at each site in all, those that have been made included, in the order in which to begin them.

    What runs at other sites, or beyond these numbers, has become useless and is aborted."""
    is_settled: bool = False
    """Whether nothing that is still to come can change the answer: all that runs is aborted."""
    is_by_depth: bool = False
    """Whether it goes depth by depth, so that the nodes of a depth that get children are held together."""
    solutions: Collection[str] | None = None
    """Keys of the ends that elect the answer; ``None``: all that were found."""


class Planner(Protocol):
    """Decides what a search draws. It may remember what it has settled, one search a planner.

    What it wants follows from what is in the tree, and not from the order in which it came, so a search can go
    on from a tree that was stored.
    """

    def plan(self, tree: Tree) -> Plan:
        """Return what is wanted now that the tree has grown."""
        ...

    def line(self, tree: Tree, site: Site) -> Hashable:
        """Return which decisions a draw at this site depends on: all of those in one line."""
        ...


class WidthRule(Protocol):
    """How many children the nodes of one depth get."""

    def widths(self, rewards: Sequence[float], budget: int) -> Sequence[int]:
        """Return the number of children of each node.

        Args:
            rewards: of the nodes, in order of their draws, in [0, 1]; there may be none.
            budget: children in all, >= 0.
        """
        ...

    def least(self, rewards: Sequence[float], budget: int, num_pending: int) -> Sequence[int]:
        """Return the children that each node gets at least, whatever the pending ones turn out to be.

        Args:
            rewards: of the nodes known, in order of their draws, in [0, 1].
            budget: children in all, if no pending one ends a solution; each that does takes one away.
            num_pending: nodes that are still being written or scored.
        """
        ...
