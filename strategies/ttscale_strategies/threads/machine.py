"""The fork and join machine: one sequence that forks, waits for its branches, and goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from contextlib import AsyncExitStack

from ttscale.errors import BudgetExhausted
from ttscale.run import Run
from ttscale_strategies.threads.drawing import Stretch, Wanted, draw
from ttscale_strategies.threads.line import Line
from ttscale_strategies.threads.reader import Outline
from ttscale_strategies.threads.rules import CUT, Finish, Trace
from ttscale_strategies.threads.written import Fork, Machine, Thread, Written


class SequenceWriter:
    """Writes one sequence, the root or a branch, with all branches below it.

    Branches begin as soon as they can, are joined as soon as the last one that is waited for has ended, and
    stand in the trace in the order of their outlines.
    """

    def __init__(
        self,
        machine: Machine,
        run: Run,
        line: Line,
        *,
        depth: int = 0,
        stop: str = "",
        limit: int | None = None,
        finish: Finish | None = None,
        on_change: Callable[[Trace], None] = lambda _: None,
    ) -> None:
        """Write nothing yet.

        Args:
            machine: how.
            run: of this sequence alone.
            line: what it goes on from.
            depth: 0 of the root.
            stop: lexeme that ends it; empty: the end of the turn.
            limit: most generated tokens on its longest path, >= 1.
            finish: of the fork that it is a branch of.
            on_change: told what there is whenever there is more, as if it ended there.
        """
        self.text = Written(machine, run, line, depth=depth, stop=stop)
        self.exhausted: BudgetExhausted | None = None
        """Why the budget ended it."""
        self.num_malformed = 0
        """Headers that named no branch; they are text."""
        self._machine = machine
        self._protocol = machine.protocol
        self._run = run
        self._writer = run
        self._depth = depth
        self._left = limit
        self._finish = finish or Finish(None)
        self._on_change = on_change
        self._num_forks = self._num_overruled = 0
        self._group = asyncio.TaskGroup()

    async def write(self) -> Trace:
        """Write until the end; where the budget ends, that is the end."""
        async with AsyncExitStack() as stack:
            if self._protocol.join == "splice":  # what the branches take is nothing that this one waits for
                self._writer = await stack.enter_async_context(self._run.child(label="main", numbered=False))
            async with asyncio.TaskGroup() as self._group:
                try:
                    await self._write()
                except BudgetExhausted as error:
                    self.text.ended, self.exhausted = "budget", error
            self.text.fill_in()
        return self.text.trace

    async def _write(self) -> None:
        protocol = self._protocol
        can_fork = self._depth < protocol.max_depth
        if protocol.fork == "start" and can_fork and not await self._fork_at(0):
            return
        while await self._go_on():
            pass
        if protocol.fork == "end" and can_fork and self.text.ended in ("end", "closed"):
            goes_on = await self._fork_at(self.text.header_start)
            if goes_on and self._num_forks:
                await self._go_on()

    # ── stretches ─────────────────────────────────────────────────────────────────────────────────────────

    async def _go_on(self) -> bool:
        """Write up to the next lexeme, and do what it says; whether there is more to come."""
        fork = Fork(self._num_forks, self._new_finish())
        try:
            stretch = await draw(self._writer, self.text.line, self._wanted(fork))
        except BudgetExhausted:
            await self._call_off(fork)
            raise
        self.text.take(stretch)
        self._on_change(self.text.trace_so_far)
        if stretch.stop is None or stretch.stop == self.text.stop:
            await self._call_off(fork)
            return False
        if not self._may_spend(stretch.num_tokens):
            await self._call_off(fork)
            return False
        if self._protocol.instead is not None and stretch.stop == self._protocol.instead[0]:
            self._num_overruled += 1
            await self._call_off(fork)
            return True
        return await self._fork_here(fork, stretch)

    def _may_spend(self, num_tokens: int) -> bool:
        """Take tokens from what the longest path may still have; whether anything is left of it."""
        if self._left is None:
            return True
        self._left -= num_tokens
        if self._left <= 0:
            self.text.ended = "length"
        return self._left > 0

    def _wanted(self, fork: Fork) -> Wanted:
        """Return how the next stretch is drawn; branches of a fork may begin meanwhile."""
        machine, protocol = self._machine, self._protocol
        may_fork = self._may_fork
        stops = [self.text.stop] if self.text.stop else []
        if may_fork:  # what is not among these is text
            stops.append(protocol.fork_stop)
            is_overruled = protocol.instead is not None and self._num_overruled < protocol.max_forks
            if protocol.instead is not None and is_overruled and self.text.line.is_exact:
                stops.append(protocol.instead[0])
        return Wanted(
            stops=stops,
            limit=self._left,
            temperature=machine.branch_temperature if self._depth else machine.temperature,
            finish=self._finish,
            on_text=self._early_starter(fork) if may_fork and protocol.starts_early else None,
            guess_stop=self._guessed_stop,
        )

    @property
    def _may_fork(self) -> bool:
        protocol = self._protocol
        most = 1 if protocol.is_one_shot else protocol.max_forks
        return protocol.fork == "stop" and self._depth < protocol.max_depth and self._num_forks < most

    def _guessed_stop(self, text: str) -> str | None:
        """Return which lexeme has ended a text by what stands in it, where tokens do not tell."""
        is_open = self._protocol.fork_open in (self.text.own + text)[self.text.since :]
        if self._may_fork and is_open and self.text.outlines(text):
            return self._protocol.fork_stop
        return self.text.stop or None

    # ── forks ─────────────────────────────────────────────────────────────────────────────────────────────

    def _new_finish(self) -> Finish:
        policy = self._protocol.policy
        return Finish(None if policy == "all" else 1 if policy == "first" else self._protocol.quorum)

    @property
    def _path(self) -> tuple[int, float]:
        """Tokens and seconds, one after the other, on which what comes next depends."""
        return self._writer.critical_path_tokens, self._writer.critical_path_seconds

    def _early_starter(self, fork: Fork) -> Callable[[str, int, float], None]:
        """Return what begins branches while their header is being written."""
        path, opening, seen = self._path, self._protocol.fork_open, 0

        def on_text(text: str, num_tokens: int, seconds: float) -> None:
            nonlocal seen
            own = self.text.own + text
            begin = own.find(opening, self.text.since)
            # A long header is looked through again after a part of its length, which takes linear time in all.
            if begin < 0 or len(own) <= seen + (len(own) - begin >> 7):
                return
            seen = len(own)
            for outline in self.text.outlines(text):
                if outline.number not in fork.threads and outline.end < len(own):
                    left = None if self._left is None else max(1, self._left - num_tokens)
                    self._begin_thread(fork, outline, "", (path[0] + num_tokens, path[1] + seconds), left)

        return on_text

    async def _fork_here(self, fork: Fork, stretch: Stretch) -> bool:
        """Fork by the header that has just been written; whether the sequence goes on."""
        is_blank = self._protocol.join == "splice" and not stretch.text.strip()
        outlines = [] if is_blank else self._outlines()
        await self._call_off(fork, keep={outline.number for outline in outlines})
        self._num_forks += 1
        if not outlines:
            self.num_malformed += 1
            self.text.since = len(self.text.own)
            return True
        return await self._run_fork(fork, outlines, self.text.header_start)

    def _outlines(self) -> list[Outline]:
        """Return what a fork here would begin: nothing where too little is left for it."""
        is_short = self._left is not None and self._left < self._protocol.min_fork_tokens
        return [] if is_short else self.text.outlines()

    async def _fork_at(self, header_start: int) -> bool:
        """Fork where no lexeme says so; whether the sequence goes on."""
        outlines = self._outlines()
        if not outlines:
            self.num_malformed += 1
            return True
        fork = Fork(self._num_forks, self._new_finish())
        self._num_forks += 1
        return await self._run_fork(fork, outlines, header_start)

    async def _run_fork(self, fork: Fork, outlines: Sequence[Outline], header_start: int) -> bool:
        """Run branches and join them; whether the sequence goes on."""
        path, header = self._path, self.text.own[header_start:]
        for outline in outlines:
            if outline.number not in fork.threads:
                self._begin_thread(fork, outline, header, path, self._left)
        fork.threads = {outline.number: fork.threads[outline.number] for outline in outlines}
        if self._protocol.join == "splice":
            self.text.leave_open(fork)
            return True
        await asyncio.wait([thread.task for thread in fork.threads.values() if thread.task is not None])
        for thread in fork.threads.values():
            thread.written.cut(fork.finish.cap)
        fork.note()
        self.text.join(fork, header_start)
        return self._goes_on_after(fork)

    def _goes_on_after(self, fork: Fork) -> bool:
        traces = [thread.written.trace for thread in fork.threads.values()]
        is_cut = any(trace.ended in CUT and trace.ended != "capped" for trace in traces)
        if is_cut and self._protocol.on_cut == "end":
            self.text.ended = "length"
            return False
        results = [(thread.outline, thread.written.trace.text) for thread in fork.threads.values()]
        if (conclusion := self._machine.reader.conclusion(self.text.own, results)) is not None:
            self.text.conclude(conclusion)
            return False
        self._on_change(self.text.trace_so_far)
        return self._protocol.goes_on and self._may_spend(max(trace.num_sequential for trace in traces))

    # ── branches ──────────────────────────────────────────────────────────────────────────────────────────

    def _begin_thread(
        self, fork: Fork, outline: Outline, header: str, path: tuple[int, float], left: int | None
    ) -> None:
        """Begin a branch that may have so many tokens on its longest path."""
        limits = [limit for limit in (left, self._protocol.branch_tokens) if limit is not None]
        thread = Thread(outline, self.text.branch_line(outline, header), path[0])
        fork.threads[outline.number] = thread
        thread.task = self._group.create_task(self._work(fork, thread, path, min(limits, default=None)))

    async def _work(self, fork: Fork, thread: Thread, path: tuple[int, float], limit: int | None) -> None:
        """Write one branch."""
        outline = thread.outline
        label = f"thread {fork.number}.{outline.number}"
        async with self._run.child(label=label, kind="thread", numbered=False) as run:
            run.critical_path_tokens, run.critical_path_seconds = path
            writer = SequenceWriter(
                self._machine,
                run,
                thread.line,
                depth=self._depth + 1,
                stop=self.text.filled(self._protocol.branch_stop, outline),
                limit=limit,
                finish=fork.finish,
            )
            thread.text = writer.text
            await writer.write()

    async def _call_off(self, fork: Fork, keep: Collection[str] = ()) -> None:
        """Abort branches that began early and are not wanted after all, and wait until they have ended."""
        dropped = Fork(fork.number, fork.finish)
        for number in [number for number in fork.threads if number not in keep]:
            thread = dropped.threads[number] = fork.threads.pop(number)
            if thread.task is not None:
                thread.task.cancel()
                await asyncio.wait([thread.task])
        dropped.note(ended="called off")
