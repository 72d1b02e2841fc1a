"""Searches that reach one goal after the other, by a plan that the model makes."""

from __future__ import annotations

from collections.abc import Generator, Hashable
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, TypeAlias

from ttscale_strategies.revision import without_thoughts
from ttscale_strategies.search._frontier import Effort, Frontier, Race, to_the_end
from ttscale_strategies.search.planner import Plan
from ttscale_strategies.search.rules import PlanProgress, advanced, parse_plan, replanned
from ttscale_strategies.search.tree import ROOT, Draw, Node, Site, Tree

_TARGET: Final = "the answer"


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTask:
    """The next step, or all that is left."""

    goal: str | None = None
    """The sub-goal that it works on; ``None``: the answer."""
    to_end: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class GoalTask:
    """The words of a sub-goal, which no model is asked for, written into the solution."""

    goal: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanTask:
    """A plan."""

    proven: tuple[str, ...] = ()
    """Sub-goals that it must begin with."""
    stuck: str | None = None
    """The one that could not be reached."""


Task: TypeAlias = StepTask | GoalTask | PlanTask
"""What is drawn at a site."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planning:
    """How plans are made."""

    max_retries: int
    """Fresh draws of one plan, where it cannot be used, >= 0."""
    max_replans: int
    """Further plans, where a sub-goal was not reached, >= 0."""
    keyword: str
    """What sub-goals begin with."""


@dataclass(frozen=True, slots=True)
class _At:
    """Where the search stands."""

    solved: str
    """The node at which the last sub-goal was reached."""
    node: str
    """The node below which it goes on: that one, or the newest plan below it."""
    progress: PlanProgress


class GoalSearch:
    """A planner that has several best-first searches look for one goal, and then for the next from there.

    Without a plan the one goal is an answer that is accepted. With one, sub-goals come before it: all searches
    attack the first that is not reached, each from a frontier of its own. Where one reaches it, all go on from
    there; where all have spent their expansions, a new plan is asked for. What works on a sub-goal that is
    reached is given up. A solution that ends and is accepted ends everything. See `Race` for who is first.
    """

    def __init__(
        self, effort: Effort, *, num_workers: int, accept: float | None, planning: Planning | None
    ) -> None:
        """Begin with nothing wanted.

        Args:
            effort: of each search for each goal.
            num_workers: searches side by side, >= 1.
            accept: reward from which a sub-goal is reached, and a solution accepted; ``None``: none is.
            planning: ``None``: straight for the answer.
        """
        self._effort = effort
        self._num_workers = num_workers
        self._accept = accept
        self._planning = planning
        self.tasks: dict[str, Task] = {}
        """What is drawn at sites with these actions."""
        self._tree = Tree()
        self._kept: dict[Site, int] = {}
        self._now: dict[Site, int] = {}
        self._num_races = 0
        self._course = self._search()
        self._is_accepted: bool | None = None

    def plan(self, tree: Tree) -> Plan:
        """Return what is wanted for the goals reached, and for the one that is attacked."""
        self._tree = tree
        if self._is_accepted is None:
            try:
                next(self._course)
            except StopIteration as end:
                self._is_accepted = end.value
        return Plan(wanted=self._kept | self._now, is_settled=bool(self._is_accepted))

    def line(self, tree: Tree, site: Site) -> Hashable:
        """Return a search's own line; where there is a plan, all depend on each other."""
        return site.action.partition(":")[0] if self._planning is None else None

    # ── the course of a search: each part yields until the tree has what it waits for ─────────────────────────

    def _search(self) -> Generator[None, None, bool]:
        """Go through the goals; return whether a solution was accepted."""
        at = _At(ROOT, ROOT, PlanProgress((), _TARGET))
        if self._planning is not None:
            at = yield from self._planned(at, PlanTask(), "plan:")
        num_replans = 0
        while at.progress.frontier < len(at.progress.plan):
            goal = at.progress.plan[at.progress.frontier]
            reached = yield from self._reached(at, goal)
            if reached is not None and self._tree.nodes[reached].is_end:
                return True
            if reached is not None:
                at = self._advanced(at, goal, reached)
                continue
            num_replans += 1
            at = yield from self._replanned(at, goal, num_replans)
        return (yield from self._race(at.node, goal=None)) is not None

    def _reached(self, at: _At, goal: str) -> Generator[None, None, str | None]:
        """Return the key of the node that reaches a sub-goal, if one does."""
        action = f"goal{self._num_races}:"
        self.tasks[action] = GoalTask(goal=goal)
        written = yield from self._first(Site(at.node, action), 1)
        return None if written is None else (yield from self._race(written.key, goal=goal))

    def _race(self, start: str, *, goal: str | None) -> Generator[None, None, str | None]:
        """Return the key of the node that all searches together found, if they found one."""
        effort = replace(self._effort, ends=goal is None)
        names = [f"{self._num_races}.{worker}:" for worker in range(self._num_workers)]
        self._num_races += 1
        for name in names:
            self.tasks[name] = StepTask(goal=goal)
            self.tasks[to_the_end(name)] = StepTask(goal=goal, to_end=True)
        is_accepted = partial(self._accepts, with_steps=goal is not None)
        searches = {name: Frontier(start, name, effort, is_accepted) for name in names}
        race, is_over, found = Race(searches, effort.num_children), False, None
        while not is_over:
            self._now, is_over, found = race.look(self._tree)
            if not is_over:
                yield
        self._keep()
        return found

    def _accepts(self, node: Node, *, with_steps: bool) -> bool:
        is_possible = self._accept is not None and node.reward is not None and (node.is_end or with_steps)
        return is_possible and (node.reward or 0.0) >= (self._accept or 0.0)

    def _planned(self, at: _At, task: PlanTask, action: str) -> Generator[None, None, _At]:
        """Return where the search stands with a plan; straight before the answer, where none can be used."""
        assert self._planning is not None
        self.tasks[action] = task
        written = yield from self._first(Site(at.solved, action), 1 + self._planning.max_retries)
        if written is None:
            proven = at.progress.plan[: at.progress.frontier]
            return replace(at, node=at.solved, progress=replace(at.progress, plan=proven))
        plan = parse_plan(without_thoughts(written.text), keyword=self._planning.keyword)
        return replace(at, node=written.key, progress=replanned(at.progress, plan))

    def _replanned(self, at: _At, stuck: str, number: int) -> Generator[None, None, _At]:
        """Return where the search stands after a sub-goal was not reached."""
        assert self._planning is not None
        proven = at.progress.plan[: at.progress.frontier]
        if number > self._planning.max_replans:
            return replace(at, node=at.solved, progress=replace(at.progress, plan=proven))
        return (yield from self._planned(at, PlanTask(proven=proven, stuck=stuck), f"plan{number}:"))

    def _advanced(self, at: _At, goal: str, reached: str) -> _At:
        """Return where the search stands after a sub-goal was reached."""
        before = set() if at.solved == ROOT else {node.key for node in self._tree.path(at.solved)}
        steps = [node.text for node in self._tree.path(reached) if node.key not in before]
        progress = advanced(at.progress, at.progress.frontier, goal, steps)
        return _At(reached, reached, progress)

    def _first(self, site: Site, max_draws: int) -> Generator[None, None, Node | None]:
        """Return the first draw at a site that does not fail, one after the other."""
        for number in range(max_draws):
            self._now = {site: number + 1}
            while Draw(site, number) not in self._tree.draws:
                yield
            key = self._tree.draws[Draw(site, number)]
            if key is not None:
                self._keep()
                return self._tree.nodes[key]
        self._keep()
        return None

    def _keep(self) -> None:
        self._kept |= self._now
        self._now = {}
