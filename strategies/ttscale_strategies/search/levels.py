"""Searches that decide depth by depth, without waiting for a depth to be complete."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

from ttscale_strategies.search.planner import Plan, Planner, WidthRule
from ttscale_strategies.search.tree import ROOT, Node, Site, Tree, worths


class Levels:
    """A planner that shares a number of children out among the nodes of each depth, by a rule of widths.

    The tree that comes of it is the one that a search has which waits for each depth to be complete. But a node
    gets its children as soon as they are certain: when no step that is still being written or scored, however
    good, can take them away from it. A solution that ends lowers the number of children from then on by one; a
    draw that failed does not. A node without reward counts as the worst.

    Looking ahead, a node also gets the children that it would have if the steps still out were like those that
    are known, as soon as its own score is in; if others overtake it they are aborted. The tree is the same in
    the end, sooner and for more tokens.
    """

    def __init__(self, rule: WidthRule, *, width: int, action: str = "", ahead: bool = False) -> None:
        """Begin with so many draws at the root.

        Args:
            rule: of widths.
            width: draws at each depth, >= 1.
            action: of all its sites; searches side by side each have their own.
            ahead: whether children are drawn before they are certain.
        """
        self._rule = rule
        self._ahead = ahead
        self._action = action
        self._settled: dict[Site, int] = {}
        self._frontier: Mapping[Site, int] = {Site(ROOT, action): width}
        self._budget = width

    def plan(self, tree: Tree) -> Plan:
        """Return the draws of all depths as far as they are certain, or likely."""
        self._settle(tree)
        wanted = dict(self._settled)
        level, budget, expected = self._frontier, self._budget, sum(self._frontier.values())
        while level:
            wanted |= level
            living, num_known, num_ended = self._look(tree, level)
            budget -= num_ended
            counts = self._least(tree, living, max(0, budget), expected - num_known)
            if self._ahead and 0 < num_known < expected:
                likely = self._likely(tree, living, max(0, budget) * num_known // expected)
                counts = [max(pair) for pair in zip(counts, likely, strict=True)]
            level = self._sites(living, counts)
            expected = max(budget, sum(level.values()))
        return Plan(wanted=wanted, is_by_depth=True)

    def line(self, tree: Tree, site: Site) -> Hashable:
        """Return the same for all sites: each decision looks at a whole depth."""
        return self._action

    def _settle(self, tree: Tree) -> None:
        """Go on through all depths that are complete."""
        while self._frontier:
            living, num_known, num_ended = self._look(tree, self._frontier)
            if num_known < sum(self._frontier.values()):
                return
            self._settled |= self._frontier
            self._budget -= num_ended
            counts = self._widths(tree, living, max(0, self._budget))
            self._frontier = self._sites(living, counts)

    def _widths(self, tree: Tree, nodes: Sequence[Node], budget: int) -> Sequence[int]:
        """Return the children of each node of a depth that is complete."""
        return self._rule.widths(worths(nodes), budget)

    def _least(self, tree: Tree, nodes: Sequence[Node], budget: int, num_pending: int) -> Sequence[int]:
        """Return the children that are certain; see `WidthRule.least`."""
        return self._rule.least(worths(nodes), budget, num_pending)

    def _likely(self, tree: Tree, nodes: Sequence[Node], budget: int) -> Sequence[int]:
        """Return the children of the nodes that are known, as if there were no others."""
        return self._widths(tree, nodes, budget)

    @staticmethod
    def _look(tree: Tree, level: Mapping[Site, int]) -> tuple[list[Node], int, int]:
        """Return the nodes of a depth that can go on, how many draws are known, how many ended a solution."""
        living, num_known, num_ended = dict[str, Node](), 0, 0
        for site, count in level.items():
            found = tree.drawn(site, count)
            num_known += len(found)
            num_ended += sum(node is not None and node.is_end for node in found)
            living |= {node.key: node for node in found if node is not None and not node.is_end}
        return sorted(living.values(), key=lambda node: tree.order(node.key)), num_known, num_ended

    def _sites(self, nodes: Sequence[Node], counts: Sequence[int]) -> dict[Site, int]:
        """Return the sites that get children, the best first."""
        best_first = sorted(zip(worths(nodes), nodes, counts, strict=True), key=lambda found: -found[0])
        return {Site(node.key, self._action): count for _, node, count in best_first if count}


class SideBySide:
    """Several planners, each with sites of its own by their actions, that know nothing of each other."""

    def __init__(self, planners: Mapping[str, Planner]) -> None:
        """Join planners.

        Args:
            planners: by the action of their sites.
        """
        self._planners = planners

    def plan(self, tree: Tree) -> Plan:
        """Return what any of them wants."""
        plans = [planner.plan(tree) for planner in self._planners.values()]
        wanted = {site: count for plan in plans for site, count in plan.wanted.items()}
        return Plan(
            wanted=wanted,
            is_settled=all(plan.is_settled for plan in plans),
            is_by_depth=all(plan.is_by_depth for plan in plans),
        )

    def line(self, tree: Tree, site: Site) -> Hashable:
        """Return the line of the planner that has this site."""
        return site.action, self._planners[site.action].line(tree, site)
