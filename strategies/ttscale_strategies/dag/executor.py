"""Carries out a graph of tool calls: every call begins the moment its inputs exist."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import Final, Self, TypeAlias

from ttscale.errors import BudgetExhausted, ConfigError
from ttscale.tools import ToolResult
from ttscale.tools.stopping import stoppable
from ttscale.types import JSON
from ttscale_strategies.checks import require_positive
from ttscale_strategies.dag.edits import Edit, apply_edits
from ttscale_strategies.dag.graph import ENDED, Graph, GraphError, Node
from ttscale_strategies.dag.paths import ranks

_SPENT: Final = "the budget is spent"

Caller: TypeAlias = Callable[[Node, Mapping[str, JSON]], Awaitable[ToolResult]]
"""Makes a call, with the references in its arguments replaced."""

Editor: TypeAlias = Callable[[Graph, Sequence[str]], Awaitable[Sequence[Edit]]]
"""Looks at the graph and at the calls that have ended since it last did, and says what to change."""


class Executor:
    """An async context manager that carries out a graph while it may still grow.

    ```python
    async with Executor(call, max_workers=4) as executor:
        executor.add(Node(id="1", tool="search", arguments={"query": "A"}))  # begins at once
        executor.add(Node(id="2", tool="length", arguments={"text": "$1"}, needs=(Need("1"),)))
        await executor.finish()  # every call has ended
    executor.graph.results["2"]
    ```

    Nothing is polled and nothing runs in waves: a call begins in the very turn of the event loop in which the
    last thing it waited for happens, whether that is the end of another call, an `add` or an edit. Where
    `max_workers` calls run already, those that wait go by the longest path behind them, ties by age. With
    unlimited workers the makespan is thus the critical path, with m workers at most Graham's bound
    (`paths.graham_bound`).

    Failures are results: what `call` raises, a time-out, and a cancellation from within a tool all give a
    `ToolResult` with an error, and dependants see it or are skipped as their edges say. The exceptions are
    `BudgetExhausted`, after which nothing new begins, what runs may end, and `finish` raises it;
    `ConfigError`, which `finish` raises at once; and a cancellation from outside. Leaving the block stops
    whatever runs, and waits for that; what has not ended is pending then, so that the graph can be gone on
    with. A call or an editor that swallows its cancellation is closed `ttscale.tools.stopping.STOP_SECONDS`
    later, so that none can keep the rest waiting.

    With an `editor` the graph may be changed as it goes, under the safe assignment lock of UFO³
    (arXiv:2511.11332): when calls end, nothing new begins until the editor, asked once for all that ended
    meanwhile, has answered and its edits are made; they are merged with whatever ended while it thought. A
    batch of edits that would break an invariant of `Graph` is refused as a whole, and the reason noted in
    `refused`. An editor that fails or takes too long has made no edits, so that it cannot freeze the rest.

    Attributes:
        graph: all calls, their states and results; store it as JSON (`graph_json`) at any time, and hand what
            was read back to a new executor to go on: calls that had ended are kept, those that ran begin again.
        refused: why edits were refused or not made, in order.
        num_edited: how often the editor was asked.
    """

    def __init__(
        self,
        call: Caller,
        *,
        graph: Graph | None = None,
        max_workers: int | None = None,
        timeout_seconds: float | None = None,
        fail_fast: bool = False,
        on_end: Callable[[Graph, str], None] | None = None,
        editor: Editor | None = None,
        editor_timeout_seconds: float | None = None,
    ) -> None:
        """Begin with a graph or none; nothing is called before the block is entered.

        Args:
            call: makes one call.
            graph: to carry out, or to go on with; it is changed in place.
            max_workers: most calls at once, >= 1; ``None``: no limit.
            timeout_seconds: of one call, > 0; ``None``: what the tool itself allows.
            fail_fast: the first call that fails cancels everything that has not ended, and whatever is added
                until `restart`.
            on_end: told of each call that ends; to store the graph, say.
            editor: may change what has not begun, whenever calls have ended.
            editor_timeout_seconds: of one turn of the editor, > 0; ``None``: no limit.

        Raises:
            ValueError: a number is out of range.
        """
        if max_workers is not None:
            require_positive(max_workers, "max_workers")
        for name, seconds in (
            ("timeout_seconds", timeout_seconds),
            ("editor_timeout_seconds", editor_timeout_seconds),
        ):
            if seconds is not None and not seconds > 0:
                raise ValueError(f"{name} must be > 0, got {seconds!r}")
        self.graph = graph or Graph()
        self.refused = list[str]()
        self.num_edited = 0
        self._call = call
        self._max_workers = max_workers
        self._timeout_seconds = timeout_seconds
        self._fail_fast = fail_fast
        self._on_end = on_end
        self._editor = editor
        self._editor_timeout_seconds = editor_timeout_seconds
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._ended = list[str]()
        self._editing: asyncio.Task[None] | None = None
        self._over = asyncio.Event()
        self._moved = asyncio.Event()
        self._group: asyncio.TaskGroup | None = None
        self._exhausted: BudgetExhausted | None = None
        self._stopped: str | None = None
        self._broken: Exception | None = None
        self._ranks: tuple[int, Mapping[str, float]] = (-1, {})

    async def __aenter__(self) -> Self:
        self._group = await asyncio.TaskGroup().__aenter__()
        self._go_on()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        group, self._group = self._group, None
        assert group is not None
        for task in (*self._tasks.values(), *([self._editing] if self._editing else ())):
            task.cancel()
        await group.__aexit__(None, None, None)

    # ── what callers do ───────────────────────────────────────────────────────────────────────────────────

    def add(self, node: Node) -> None:
        """Add a node behind those there are; it begins at once if it can.

        Raises:
            GraphError: see `Graph.add`.
        """
        self.graph.add(node)
        self._go_on()

    def edit(self, edits: Iterable[Edit]) -> None:
        """Make edits, all or none; what they make ready begins at once.

        Raises:
            GraphError: see `apply_edits`.
        """
        apply_edits(self.graph, edits)
        self._go_on()

    def cancel(self, id: str) -> None:
        """Cancel a call: one that runs is stopped and ends when its tool has, any other is never begun.

        Raises:
            GraphError: there is no such call.
        """
        if id in self._tasks:
            self._tasks[id].cancel()
        else:
            self.graph.cancel(id)
            self._go_on()

    def restart(self) -> None:
        """Let calls that are added from now on begin, after a failure that cancelled all there were."""
        if self._exhausted is None:
            self._stopped = None

    async def finish(self) -> Graph:
        """Wait until every call there is has ended, and return the graph.

        Raises:
            BudgetExhausted: the budget did not buy every call.
            ConfigError: a tool is not set up.
        """
        await self._over.wait()
        self._raise()
        return self.graph

    async def result(self, id: str) -> ToolResult:
        """Wait until a call has ended, and return its result.

        Raises:
            BudgetExhausted: the budget did not buy it.
            GraphError: there is no such call, or it was taken out of the graph.
        """
        while self.graph.states.get(id) not in ENDED:
            if id not in self.graph.nodes:
                raise GraphError(f"There is no call {id!r} to wait for.")
            self._raise()
            await self._moved.wait()
        return self.graph.results[id]

    @property
    def num_running(self) -> int:
        """Calls at work now."""
        return len(self._tasks)

    # ── how it goes on ────────────────────────────────────────────────────────────────────────────────────

    def _go_on(self) -> None:
        """Begin whatever may begin, and tell those who wait."""
        if self._group is None:
            return
        if self._stopped is not None:
            self._stop(self._stopped)
        while self._editing is None and (node := self._next()) is not None:
            self.graph.begin(node.id)
            task = self._tasks[node.id] = self._group.create_task(self._work(node))
            task.add_done_callback(partial(self._gone, node.id))
        self._moved.set()
        self._moved = asyncio.Event()
        if self._broken is not None or (self.graph.is_over and self._editing is None):
            self._over.set()
        else:
            self._over.clear()

    def _next(self) -> Node | None:
        ready = self.graph.ready
        if not ready or (self._max_workers is not None and len(self._tasks) >= self._max_workers):
            return None
        if self._max_workers is None or len(ready) == 1:
            return ready[0]
        if self._ranks[0] != self.graph.version:
            self._ranks = self.graph.version, ranks(self.graph.nodes)
        return max(ready, key=lambda node: self._ranks[1][node.id])

    async def _work(self, node: Node) -> None:
        """Make one call and note what came of it."""
        try:
            result = await self._result(node)
        except BudgetExhausted as error:
            self._spend(error)
            self.graph.cancel(node.id, _SPENT)
        except ConfigError as error:
            self._broken = error
            self.graph.cancel(node.id, "a tool is not set up")
        else:
            self.graph.end(node.id, result)
        del self._tasks[node.id]
        self._after(node.id)

    def _gone(self, id: str, task: asyncio.Task[None]) -> None:
        """Note that a call was cancelled, maybe before its first step."""
        if self._tasks.get(id) is task:
            del self._tasks[id]
            if self._group is None:
                self.graph.release(id)
                return
            self.graph.cancel(id)
            self._after(id)

    async def _result(self, node: Node) -> ToolResult:
        deadline = asyncio.timeout(self._timeout_seconds)
        try:
            arguments = self.graph.arguments(node.id)
            async with deadline:
                return await stoppable(self._call(node, arguments))
        except (BudgetExhausted, ConfigError):
            raise
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            return ToolResult(error=f"{node.tool} was cancelled from within")
        except Exception as error:  # whatever a call raises is an observation
            if deadline.expired():
                return ToolResult(error=f"{node.tool} took longer than {self._timeout_seconds or 0:g} s")
            return ToolResult(error=f"{node.tool} failed: {type(error).__name__}: {error}")

    def _after(self, id: str) -> None:
        """Let everything follow that follows from the end of a call."""
        if self._fail_fast and self._stopped is None and self.graph.states[id] == "failed":
            self._stopped = f"call {id} failed"
            for task in self._tasks.values():
                task.cancel()
        if self._on_end is not None:
            try:
                self._on_end(self.graph, id)
            except Exception as error:  # not a tool's fault: `finish` raises it
                self._broken = error
        if self._editor is not None and self._group is not None and self._broken is None:
            self._ended.append(id)
            if self._editing is None:
                self._editing = self._group.create_task(self._edit(self._editor))
        self._go_on()

    def _stop(self, why: str) -> None:
        """Cancel whatever has not begun."""
        for id, state in tuple(self.graph.states.items()):
            if state == "pending":
                self.graph.cancel(id, why)

    def _spend(self, error: BudgetExhausted) -> None:
        self._exhausted = error
        self._stopped = self._stopped or _SPENT

    async def _edit(self, editor: Editor) -> None:
        """Have the editor look at all that has ended, as often as something has, then let calls begin again."""
        try:
            await asyncio.sleep(0)  # what ends in the same turn is looked at together
            while self._ended:
                ended, self._ended = self._ended, []
                self.num_edited += 1
                await self._edit_once(editor, ended)
        except BudgetExhausted as error:
            self._spend(error)
        finally:
            self._editing = None
            self._go_on()

    async def _edit_once(self, editor: Editor, ended: Sequence[str]) -> None:
        deadline = asyncio.timeout(self._editor_timeout_seconds)
        try:
            async with deadline:
                edits = await stoppable(editor(self.graph, ended))
            apply_edits(self.graph, edits)
        except BudgetExhausted:
            raise
        except GraphError as error:
            self.refused.append(str(error))
        except Exception as error:  # a dead editor must not freeze the rest
            seconds = self._editor_timeout_seconds or 0
            late = f"It took longer than {seconds:g} s." if deadline.expired() else ""
            self.refused.append(late or f"It failed: {type(error).__name__}: {error}.")

    def _raise(self) -> None:
        if self._broken is not None:
            raise self._broken
        if self._exhausted is not None:
            raise self._exhausted
