"""What one sequence has written: pieces of the trace, text for readers, and the line it goes on from."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from ttscale.registry import load_template
from ttscale.run import Run, worded
from ttscale.types import Prompt
from ttscale_strategies.revision import asked_again, without_thoughts
from ttscale_strategies.threads.drawing import Stretch, cut_to
from ttscale_strategies.threads.line import Chunk, ContinueBy, Line
from ttscale_strategies.threads.protocol import Protocol
from ttscale_strategies.threads.reader import Outline, Reader
from ttscale_strategies.threads.rules import (
    CUT,
    Block,
    Branch,
    Ended,
    Finish,
    Trace,
    Words,
    missing_closes,
    without_tail,
)

NO_RESULT = "(no result)"
"""What a model that is asked to join is told of a branch that brought nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What all sequences of one root have in common."""

    protocol: Protocol
    reader: Reader
    continue_by: ContinueBy
    temperature: float | None
    branch_temperature: float | None


@dataclass(slots=True, eq=False)
class Thread:
    """A branch under way: its outline, who works at it, and, once that has begun, what there is of it."""

    outline: Outline
    line: Line
    start_tokens: int
    """On the longest path before it."""
    task: asyncio.Task[None] | None = None
    text: Written | None = None

    @property
    def written(self) -> Written:
        """What there is of it."""
        assert self.text is not None, "it has begun"
        return self.text


@dataclass(slots=True)
class Fork:
    """A fork under way."""

    number: int
    finish: Finish
    threads: dict[str, Thread] = field(default_factory=dict[str, Thread])

    def note(self, *, ended: str | None = None) -> None:
        """Say in the trace what became of its branches; of those that have begun."""
        for thread in self.threads.values():
            if thread.text is not None:
                thread.text.note(self.number, thread.outline, thread.start_tokens, ended=ended)


class Written:
    """The text of one sequence, the root or a branch, as it grows."""

    def __init__(self, machine: Machine, run: Run, line: Line, *, depth: int, stop: str) -> None:
        """Begin with nothing.

        Args:
            machine: how.
            run: of this sequence alone.
            line: what it goes on from.
            depth: 0 of the root.
            stop: lexeme that ends it; empty: the end of the turn.
        """
        self._machine = machine
        self._protocol = machine.protocol
        self._run = run
        self._begin = line
        self._depth = depth
        self._last: Stretch | None = None
        self._pieces: list[Words | Block] = []
        self._unjoined = list[tuple[int, Fork]]()
        self.stop = stop
        self.line = line
        self.own = line.bare
        """Its text without that of branches; a bare prompt is its beginning."""
        self.since = len(self.own)
        """Where the next header can begin."""
        self.ended: Ended = "end"
        self.error: str | None = None
        self.is_concluded = False
        """Whether its reader has ended it."""

    @property
    def trace(self) -> Trace:
        """What there is; closed, if it was cut."""
        closing = missing_closes(self.own, self._protocol.tags) if self.ended in CUT else ""
        return Trace(tuple(self._pieces), self.ended, closing, self.error)

    @property
    def trace_so_far(self) -> Trace:
        """What there is, as if the budget ended now."""
        return Trace(tuple(self._pieces), "budget", missing_closes(self.own, self._protocol.tags))

    @property
    def chunks(self) -> Sequence[Chunk]:
        """What stands behind its prompt, the lexeme that ended it included."""
        return self.line.since(self._begin)

    def take(self, stretch: Stretch) -> None:
        """Put what the model wrote behind all there is; in place of a lexeme it must not write, what it may."""
        protocol, stop = self._protocol, stretch.stop
        self._last = stretch
        self.ended, self.error = stretch.ended, stretch.error
        shown, line = stretch.text, self.line.add(*stretch.chunks)
        if protocol.instead is not None and stop == protocol.instead[0]:
            shown += protocol.instead[1]
            line = line.cut(self._run, len(protocol.instead[0])).put(self._run, protocol.instead[1])
        elif stop and stop != self.stop and protocol.keeps_fork:
            shown += stop
        self.line = line
        self.own += shown
        self._pieces.append(Words(shown, stretch.num_tokens))

    def conclude(self, text: str) -> None:
        """End with a text that nobody has to write."""
        self._pieces.append(Words(text))
        self.own, self.ended, self.is_concluded = self.own + text, "end", True

    def cut(self, cap: int | None) -> None:
        """Cut a branch that never forked to a length that others have set."""
        if self._last is None or (cut := cut_to(self._run, self.line, self._last, cap)) is self._last:
            return
        self.line = self._begin.add(*cut.chunks)
        self._pieces = [Words(cut.text, cut.num_tokens)]
        self.own, self.ended = cut.text, cut.ended

    def note(self, fork: int, outline: Outline, start_tokens: int, *, ended: str | None) -> None:
        """Say in the trace what this branch is, and why it ended.

        Args:
            fork: of its parent's.
            outline: that it follows.
            start_tokens: on the longest path before it.
            ended: why, if not as its text says.
        """
        trace = self.trace
        self._run.note(
            fork=fork,
            number=outline.number,
            outline=outline.text,
            depth=self._depth,
            start_tokens=start_tokens,
            end_tokens=start_tokens + trace.num_sequential,
            tokens=trace.num_generated,
            ended=ended or trace.ended,
            text=trace.text,
            error=trace.error,
        )

    # ── headers and branches ──────────────────────────────────────────────────────────────────────────────

    def outlines(self, more: str = "") -> list[Outline]:
        """Return the branches that the last header names, as many as may be.

        Args:
            more: what stands behind all that there is.
        """
        found = self._machine.reader.outlines(self.own + more, self.since)
        return found[: self._protocol.max_branches]

    @property
    def header_start(self) -> int:
        """Where the last header begins in its own text, or the first where branches begin early."""
        opening = self._protocol.fork_open
        find = self.own.find if self._protocol.starts_early else self.own.rfind
        begin = find(opening, self.since) if opening else -1
        if begin >= 0:
            return begin
        return next((outline.start for outline in self.outlines()), len(self.own))

    def branch_line(self, outline: Outline, header: str) -> Line:
        """Return what a branch goes on from."""
        protocol, run = self._protocol, self._run
        if protocol.context == "trace":
            return self.line.put(run, protocol.branch_before + self.filled(protocol.branch_open, outline))
        known = {"number": outline.number, "text": outline.text, "header": header, "state": outline.state}
        values = {name: value for name, value in known.items() if name in protocol.branch_fields}
        if "question" in protocol.branch_fields:
            prompt = asked_again(protocol.branch_template, run, **values)
        else:
            prompt = load_template(protocol.branch_template).render(**values)
        if not worded(run).messages:
            prompt = Prompt(text="\n\n".join(message.content for message in prompt.messages) + "\n")
        return Line.begin(run, prompt, self._machine.continue_by)

    def filled(self, lexeme: str, outline: Outline) -> str:
        """Return a lexeme with an outline's number and text in it."""
        return self._protocol.filled(lexeme, number=outline.number, text=outline.text)

    # ── joins ─────────────────────────────────────────────────────────────────────────────────────────────

    def leave_open(self, fork: Fork) -> None:
        """Leave a place for branches that nobody waits for."""
        self._unjoined.append((len(self._pieces), fork))
        self._pieces.append(Block(branches=(), is_joined=False))

    def fill_in(self) -> None:
        """Put branches that nobody waited for into their places."""
        for place, fork in self._unjoined:
            fork.note()
            self._pieces[place] = Block(branches=self._branches(fork), is_joined=False)

    def join(self, fork: Fork, header_start: int) -> None:
        """Put branches into the trace, and make the line go on from there."""
        protocol, run = self._protocol, self._run
        block = Block(
            branches=self._branches(fork),
            before=protocol.join_open if protocol.join == "replace" else protocol.branch_before,
            between=protocol.between,
            after=protocol.join_close,
        )
        if protocol.join == "append":
            self.line = self._appended(fork, block)
        elif protocol.join == "replace":
            length = len(self.own) - header_start
            self._pieces = without_tail(self._pieces, length)
            self.line = self.line.cut(run, length).put(run, block.text)
            self.own = self.own[:header_start]
        else:
            known = {"header": self.own[header_start:], "results": block.text.strip()}
            fields = load_template(protocol.join_template).fields
            values = {name: text for name, text in known.items() if name in fields}
            prompt = asked_again(protocol.join_template, run, **values)
            self.line = Line.begin(run, prompt, self._machine.continue_by)
        self._pieces.append(block)
        self.own += protocol.join_close
        self.since = len(self.own)

    def _branches(self, fork: Fork) -> tuple[Branch, ...]:
        return tuple(self._joined(thread) for thread in fork.threads.values())

    def _joined(self, thread: Thread) -> Branch:
        """Return a branch as it stands in the trace."""
        protocol, body = self._protocol, thread.written.trace
        opening = "" if protocol.join == "splice" else self.filled(protocol.branch_open, thread.outline)
        closing = thread.written.stop if protocol.join == "append" else ""
        shown = self._machine.reader.result(thread.outline, body.text)
        if protocol.join == "message":
            shown = without_thoughts(body.text) or NO_RESULT
        return Branch(number=thread.outline.number, opening=opening, body=body, closing=closing, shown=shown)

    def _appended(self, fork: Fork, block: Block) -> Line:
        """Return the line with a block behind it: its first branch is in the cache as it stands."""
        run, line, lead = self._run, self.line, block.before
        for thread, branch in zip(fork.threads.values(), block.branches, strict=True):
            line = line.put(run, lead + branch.opening).add(*thread.written.chunks)
            if branch.body.ended != "closed":
                line = line.put(run, branch.body.closing + branch.closing)
            lead = block.between
        return line.put(run, block.after)
