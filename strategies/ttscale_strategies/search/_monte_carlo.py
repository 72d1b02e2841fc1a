"""Monte-Carlo tree search as a planner: expansions one after the other, several of them at once."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from ttscale_strategies.search._rollout_writer import ROLLOUT
from ttscale_strategies.search.planner import Plan
from ttscale_strategies.search.rules import Visits
from ttscale_strategies.search.tree import ROOT, Draw, Node, Site, Tree


class Known:
    """What a Monte-Carlo search knows when it chooses: the values in, those on their way, and the open
    leaves.

    A leaf is open if it ends no solution and its expansion has not begun.
    """

    def __init__(self) -> None:
        """Begin with the root as the only leaf."""
        self.leaves: dict[str, None] = {ROOT: None}
        """The open leaves, in the order in which they became known."""
        self.children: dict[str, list[str]] = {}
        """Of each node whose expansion is known, in order of their draws."""
        self.values: dict[str, float] = {}
        """Each node's own; the root has none."""
        self._parents: dict[str, str] = {}
        self._visits = {ROOT: Visits()}
        self._num_open = {ROOT: 1}

    def visits(self, key: str) -> Visits:
        """Return the values that reached a node, and how many are on their way to it."""
        return self._visits[key]

    def parent(self, key: str) -> str:
        """Return the parent of a node that is not the root."""
        return self._parents[key]

    def is_open(self, key: str) -> bool:
        """Return whether there is an open leaf at or below a node."""
        return self._num_open[key] > 0

    def begin(self, leaf: str, num_values: int) -> None:
        """Close a leaf; so many values are on their way to it from now on."""
        del self.leaves[leaf]
        for key in self._up(leaf):
            self._num_open[key] -= 1
            self._change(key, num_pending=num_values)

    def take(self, leaf: str, num_values: int, children: Sequence[tuple[Node, float]]) -> None:
        """Let the children of a leaf be known.

        Args:
            leaf: whose expansion has begun.
            num_values: as was said to `begin`.
            children: in order of their draws, each with its value; equal ones are one.
        """
        for key in self._up(leaf):
            self._change(key, num_pending=-num_values)
        self.children[leaf] = [node.key for node, _ in children]
        for node, value in children:
            self._parents[node.key] = leaf
            self._visits[node.key] = Visits()
            self._num_open[node.key] = 0
            self.values[node.key] = value
            for key in self._up(node.key):
                self._change(key, value=value, num_visits=1)
                self._num_open[key] += not node.is_end
            if not node.is_end:
                self.leaves[node.key] = None

    def _up(self, key: str) -> Iterator[str]:
        """Yield a node and all above it."""
        yield key
        while key != ROOT:
            key = self._parents[key]
            yield key

    def _change(self, key: str, *, value: float = 0.0, num_visits: int = 0, num_pending: int = 0) -> None:
        before = self._visits[key]
        self._visits[key] = Visits(
            before.value_sum + value, before.num_visits + num_visits, before.num_pending + num_pending
        )


Select: TypeAlias = Callable[[Known], str]
"""Which open leaf to expand next; there is at least one."""
Value: TypeAlias = Callable[[Sequence[Node]], float]
"""A node's value by its rollouts that did not fail; by itself where it ends a solution or none are drawn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expansions:
    """How many expansions a Monte-Carlo search has, and how large they are; numbers >= 1."""

    num_expansions: int
    root_children: int
    children: int
    num_rollouts: int
    """Of each child that does not end a solution, >= 0."""
    parallel: int
    """Expansions at once."""

    def width(self, leaf: str) -> int:
        """Return how many children a leaf gets."""
        return self.root_children if leaf == ROOT else self.children

    def max_draws(self, max_depth: int) -> int | None:
        """Return the most draws; ``None``: it depends on where the search goes.

        Args:
            max_depth: at which all solutions end, >= 1.
        """
        depths = range(min(max_depth, self.num_expansions + 1) - 1)
        at_depth: list[int] = [1, *(self.root_children * self.children**depth for depth in depths)]
        is_whole = self.num_expansions >= sum(at_depth)
        num_expansions = min(self.num_expansions, sum(at_depth))
        draws = self.root_children + (num_expansions - 1) * self.children
        if is_whole:
            return draws + self.num_rollouts * sum(at_depth[1:])
        if num_expansions >= max_depth:
            return None
        return draws * (1 + self.num_rollouts) if self.num_rollouts else draws + self.children


class MonteCarlo:
    """A planner that expands one leaf after the other, each chosen by the values of those before.

    With w expansions at once the choice of leaf t looks at the values of expansions 0 … t - w alone, whatever
    else is in: so it does not depend on which draws are quick. Of those under way it knows how many values
    are on their way (virtual visits), and that their leaves are taken. Where no leaf is open it waits for the
    next expansion. It ends when all expansions have been made, or no leaf is left. If no solution has an
    answer then, and no rollouts were drawn, the leaves with the greatest values of their own are written to the
    end, as many as a leaf gets children.
    """

    def __init__(self, select: Select, value: Value, expansions: Expansions) -> None:
        """Begin at the root."""
        self._select = select
        self._value = value
        self._size = expansions
        self._known = Known()
        self._begun = list[Site]()
        self._num_taken = 0
        self._taken: dict[Site, int] = {}
        self._has_answer = False

    def plan(self, tree: Tree) -> Plan:
        """Return the expansions that have begun, and the rollouts of their children."""
        while len(self._begun) < self._size.num_expansions and self._may_choose(tree):
            leaf = self._select(self._known)
            self._known.begin(leaf, self._size.width(leaf))
            self._begun.append(Site(leaf))
        wanted = dict(self._taken)
        for site in self._begun[self._num_taken :]:
            wanted |= self._draws(tree, site)
        return Plan(wanted=wanted | self._last(tree))

    def line(self, tree: Tree, site: Site) -> Hashable:
        """Return the same for all sites: each choice looks at the whole tree."""
        return ROOT

    def _may_choose(self, tree: Tree) -> bool:
        """Take in what the next choice looks at; return whether that is there, and a leaf is open."""
        due = len(self._begun) - self._size.parallel + 1
        while self._num_taken < due or not self._known.leaves:
            if self._num_taken == len(self._begun) or not self._take_next(tree):
                return False
        return True

    def _take_next(self, tree: Tree) -> bool:
        """Take in the values of the next expansion if they are all there."""
        site = self._begun[self._num_taken]
        wanted = self._draws(tree, site)
        if any(Draw(place, number) not in tree.draws for place in wanted for number in range(wanted[place])):
            return False
        width = self._size.width(site.node)
        children = tree.children(site, width)
        self._known.take(site.node, width, [(node, self._value(self._ends(tree, node))) for node in children])
        self._taken |= wanted
        self._has_answer |= any(node.answer is not None for node in children)
        self._num_taken += 1
        return True

    def _draws(self, tree: Tree, site: Site) -> dict[Site, int]:
        """Return the draws of an expansion, and of the rollouts of its children as far as those are known."""
        wanted = {site: self._size.width(site.node)}
        if self._size.num_rollouts:
            children = tree.children(site, wanted[site])
            rollouts = (Site(node.key, ROLLOUT) for node in children if not node.is_end)
            wanted |= dict.fromkeys(rollouts, self._size.num_rollouts)
        return wanted

    def _last(self, tree: Tree) -> dict[Site, int]:
        """Return the draws behind all expansions, if there are any."""
        if self._size.num_rollouts or len(self._begun) < self._size.num_expansions:
            return {}
        while self._num_taken < len(self._begun):
            if not self._take_next(tree):
                return {}
        if self._has_answer:
            return {}
        best = sorted(self._known.leaves, key=lambda leaf: -self._known.values[leaf])
        return {Site(leaf, ROLLOUT): 1 for leaf in best[: self._size.children]}

    def _ends(self, tree: Tree, node: Node) -> list[Node]:
        """Return what a node's value follows from."""
        if node.is_end or not self._size.num_rollouts:
            return [node]
        found = tree.drawn(Site(node.key, ROLLOUT), self._size.num_rollouts)
        return [rollout for rollout in found if rollout is not None]
