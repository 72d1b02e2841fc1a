"""The driver of a search: it brings the tree to where the planner wants it, as fast as the engine allows."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Hashable, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Protocol

from ttscale.answers import AnswerClasses
from ttscale.errors import BudgetExhausted
from ttscale.run import Run
from ttscale.types import Outcome, StopReason
from ttscale_strategies.search.choice import Choice, Solution, outcome_of
from ttscale_strategies.search.journal import Entry, Journal
from ttscale_strategies.search.planner import Plan, Planner
from ttscale_strategies.search.spans import note_held, note_nodes
from ttscale_strategies.search.tree import Draw, Node, Site, Tree


class Writer(Protocol):
    """Writes the nodes of a tree, and rates them."""

    async def write(self, tree: Tree, draw: Draw, run: Run) -> Node | str:
        """Make one draw in a run of its own, and return its node without reward, or why it failed.

        Everything random must follow from the run's seed, and from what is on the path to the draw's site.
        """
        ...

    async def rate(self, tree: Tree, node: Node, run: Run) -> Node:
        """Return a node, which is not in the tree yet, with its reward, or with the reason why it has none."""
        ...


class Search:
    """One search of one problem: a tree, a planner that says what is wanted, a writer that does it.

    Each draw is a task of its own: written, rated, and told to the planner at once, whatever the others do;
    then whatever the planner wants begins, and what it no longer wants is aborted in the engine. Seeds follow
    from what stands on the path to a draw, so neither the order of completion nor an interruption changes them.
    Draws of the same tokens below the same parent are rated once.
    """

    def __init__(
        self, run: Run, planner: Planner, writer: Writer, *, choice: Choice, journal: Journal | None = None
    ) -> None:
        """Begin with the root alone.

        Args:
            run: pays, and hears the best answer so far.
            planner: decides.
            writer: makes the draws.
            choice: how solutions elect the answer.
            journal: where draws are kept, and taken from if it has some; what they took is charged again, as
                reused.
        """
        self.tree = Tree()
        self._run = run
        self._planner = planner
        self._writer = writer
        self._choice: Choice = choice
        self._journal = journal
        self._plan = Plan()
        self._tasks: dict[Draw, asyncio.Task[None]] = {}
        self._begun: dict[Site, int] = {}
        self._dropped = set[Draw]()
        self._rated: dict[str, asyncio.Event] = {}
        self._runs: dict[Draw, Run] = {}
        self._failures: dict[Draw, str] = {}
        self._lines: dict[Hashable, tuple[int, float]] = {}
        self._classes = AnswerClasses(run.workers)
        self._group: asyncio.TaskGroup | None = None
        self._exhausted: BudgetExhausted | None = None
        self._begin = run.critical_path_tokens, run.critical_path_seconds

    async def outcome(self) -> Outcome:
        """Search until nothing more is wanted, or the budget is spent.

        Raises:
            BudgetExhausted: the budget did not buy a single draw.
        """
        found = Outcome(answer=None)
        chosen: str | None = None
        try:
            await self._go_on()
            async with asyncio.TaskGroup() as self._group:
                self._reconcile()
            if self._exhausted is not None and not self.tree.draws:
                raise self._exhausted
            found, chosen = await self._elect()
        finally:
            note_nodes(self.tree, self._runs, self._failures, self._plan, chosen)
            note_held(self.tree, self._run, self._runs, self._plan)
        if not self.tree.nodes and self._failures:
            return found.with_(stop_reason="error", error=self._failures[min(self._failures)])
        return found

    async def _go_on(self) -> None:
        """Take over what the journal has."""
        try:
            for entry in self._journal.entries() if self._journal is not None else ():
                async with self._child(entry.draw) as run:
                    await run.recall(entry.usage, samples=entry.samples)
                self._add(entry.draw, entry.node)
        except BudgetExhausted as error:
            self._exhausted = error

    # ── what is under way ─────────────────────────────────────────────────────────────────────────────────

    def _reconcile(self) -> None:
        """Begin what is wanted and has not begun; abort what runs and is no longer wanted."""
        assert self._group is not None
        self._plan = self._planner.plan(self.tree)
        wanted = {} if self._plan.is_settled else self._plan.wanted
        for draw, task in self._tasks.items():
            if draw.number >= wanted.get(draw.site, 0) and draw not in self._dropped:
                task.cancel()
                self._dropped.add(draw)
                self._begun[draw.site] = 0
        if self._exhausted is not None:
            return
        for site, count in wanted.items():
            if self._begun.get(site, 0) < count:
                self._begun[site] = count
                self._begin_draws(Draw(site, number) for number in range(count))

    def _begin_draws(self, draws: Iterable[Draw]) -> None:
        """Begin those of the draws that neither are known nor under way."""
        assert self._group is not None
        for draw in draws:
            if draw not in self.tree.draws and draw not in self._tasks:
                self._tasks[draw] = self._group.create_task(self._draw(draw))

    async def _draw(self, draw: Draw) -> None:
        """Make one draw, and see what is wanted then."""
        try:
            async with self._child(draw) as run:
                node = await self._node(draw, run)
            self._add(draw, node)
            if self._journal is not None:
                self._journal.write(Entry(draw, node, run.budget.usage, run.budget.samples))
        except BudgetExhausted as error:
            self._exhausted = error
            return
        except asyncio.CancelledError:
            self._end_of_dropped(draw)
            raise
        finally:
            self._tasks.pop(draw, None)
        if node is not None and node.is_end:
            best, _ = await self._elect()
            self._run.best(best.answer, key=best.key, confidence=best.confidence, text=best.text)
        self._reconcile()

    def _end_of_dropped(self, draw: Draw) -> None:
        """Note that a draw that was aborted has ended: it may be wanted again by now."""
        if draw in self._dropped:
            self._dropped.remove(draw)
            del self._tasks[draw]
            self._begun[draw.site] = 0
            with suppress(RuntimeError):  # the search itself is being cancelled
                self._reconcile()

    @asynccontextmanager
    async def _child(self, draw: Draw) -> AsyncGenerator[Run]:
        """Open the run of a draw; it depends on all that the decisions of its line looked at."""
        line = self._planner.line(self.tree, draw.site)
        label = f"{draw.site.node or 'root'}/{draw.site.action}/{draw.number}"
        async with self._run.child(label=label, kind="node", numbered=False) as run:
            run.critical_path_tokens, run.critical_path_seconds = self._lines.get(line, self._begin)
            self._runs[draw] = run
            yield run
        tokens, seconds = self._lines.get(line, self._begin)
        self._lines[line] = max(tokens, run.critical_path_tokens), max(seconds, run.critical_path_seconds)

    async def _node(self, draw: Draw, run: Run) -> Node | None:
        """Write and rate a node, unless it has been rated already; ``None``: the draw failed."""
        node = await self._writer.write(self.tree, draw, run)
        if isinstance(node, str):
            self._failures[draw] = node
            return None
        while node.key not in self.tree.nodes:
            if node.key in self._rated:
                await self._rated[node.key].wait()
                continue
            ended = self._rated[node.key] = asyncio.Event()
            try:
                return await self._writer.rate(self.tree, node, run)
            except BaseException:  # whoever waits for it takes over
                del self._rated[node.key]
                ended.set()
                raise
        return self.tree.nodes[node.key]

    def _add(self, draw: Draw, node: Node | None) -> None:
        self.tree.add(draw, node)
        if node is not None:
            self._rated.setdefault(node.key, asyncio.Event()).set()

    # ── what comes of it ──────────────────────────────────────────────────────────────────────────────────

    async def _elect(self) -> tuple[Outcome, str | None]:
        """Return the outcome of the solutions so far, and the node chosen."""
        wanted = self._plan.wanted
        own = self._plan.solutions
        ends = [node for node in self.tree.within(wanted) if node.is_end and (own is None or node.key in own)]
        ends.sort(key=lambda node: self.tree.order(node.key))
        keys = await self._classes.keys([node.answer for node in ends])
        votes = Counter(key for draw, key in self.tree.draws.items() if draw.number < wanted.get(draw.site, 0))
        solutions = [
            Solution(
                node=node.key,
                text=self.tree.text(node.key),
                num_tokens=self.tree.num_tokens([node.key]),
                answer=node.answer,
                key=key,
                reward=node.reward,
                votes=votes[node.key],
            )
            for node, key in zip(ends, keys, strict=True)
        ]
        return outcome_of(solutions, self._choice, self._stop_reason)

    @property
    def _stop_reason(self) -> StopReason:
        if self._exhausted is not None:
            return "budget"
        return "decided" if self._plan.is_settled else "finished"
