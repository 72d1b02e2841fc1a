"""The plans of LLMCompiler (arXiv:2312.04511) as text: read line by line while they are written.

```
plan    := { "Thought: " text NEWLINE | call NEWLINE } join
call    := ID ". " NAME "(" arguments ")" [ "after" ID { "," ID } ] [ "#" word ]
join    := ID ". join()" [ "<END_OF_PLAN>" ]
ID      := a whole number, greater than that of every line before
```

Arguments are literals (`literals`); `$1` refers to the result of call 1 (`references`). A call needs exactly
those that its arguments refer to, so it may begin as soon as its line has ended; ``after`` (not in the paper)
names others that only come before it.

No line is passed over in silence. One that is refused gives a `Diagnostic`, and so does every later call that
refers to it; all others stand. Refused are: what is no line of the grammar, an unknown tool, arguments that
cannot be read or that the tool does not take, an id used before or out of order, and a reference to a call that
does not come before: to itself, to a later one, to none. Calls can thus not wait for each other in a circle.
Amid a longer text a dollar and a number that is no earlier call's is left there, and noted as `plain_dollar`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from ttscale.tools import Tool
from ttscale.types import JSON
from ttscale_strategies.checks import require_positive
from ttscale_strategies.dag.graph import Need, Node, When
from ttscale_strategies.dag.literals import Arguments, parse_arguments
from ttscale_strategies.dag.references import Reference, references_in

END_OF_PLAN: Final = "<END_OF_PLAN>"
JOIN: Final = "join"
"""The name of the call that ends a plan; no tool can have it."""

Fault: TypeAlias = Literal[
    "malformed",
    "unknown_tool",
    "bad_arguments",
    "duplicate_id",
    "id_out_of_order",
    "self_reference",
    "forward_reference",
    "unknown_reference",
    "needs_refused",
    "line_too_long",
    "too_many_calls",
    "too_many_faults",
    "too_long",
    "after_join",
    "missing_join",
    "plain_dollar",
]
"""What a diagnostic is about. All refuse the line they name but the last two, which refuse nothing; after
``too_many_calls``, ``too_many_faults`` and ``too_long`` nothing more is read."""

_CALL: Final = re.compile(
    r"([0-9]{1,6})\s*\.\s*([A-Za-z_][\w.-]{0,63})\s*\((.*)\)"
    r"(?:\s*after\s+([$0-9, ]{1,500}))?(?:\s*#\s*\w*)?",
    re.ASCII | re.DOTALL,
)
_THOUGHT: Final = re.compile(r"thought\s*:\s*(.*)", re.IGNORECASE | re.DOTALL)
_MAX_QUOTED: Final = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostic:
    """What is wrong with a line of a plan."""

    fault: Fault
    line: int
    """From 1."""
    message: str
    id: str | None = None
    """Of the call, if the line is one."""

    def __str__(self) -> str:
        return f"line {self.line}: {self.message}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanLimits:
    """How much of a plan is read; all >= 1."""

    max_calls: int = 64
    max_faults: int = 64
    max_line_characters: int = 8_000
    max_characters: int = 200_000

    def __post_init__(self) -> None:
        for name in ("max_calls", "max_faults", "max_line_characters", "max_characters"):
            require_positive(getattr(self, name), name)


class PlanParser:
    """Reads a plan piece by piece; how it is cut into pieces makes no difference.

    Attributes:
        calls: all calls so far, ready for `Executor.add`, one after the other.
        diagnostics: what was wrong so far.
        is_over: whether nothing more will be read: the plan was joined, or is too long.
        is_joined: whether the plan was joined.
    """

    def __init__(
        self,
        tools: Iterable[Tool],
        *,
        earlier: Iterable[str] = (),
        above: int = 0,
        when: When = "end",
        limits: PlanLimits | None = None,
    ) -> None:
        """Begin a plan.

        Args:
            tools: that may be called.
            earlier: ids of calls of earlier plans, which may be referred to; new ids must be greater.
            above: what new ids must be greater than beside.
            when: what becomes of a call whose input is an error: called with the error's text (``"end"``), or
                skipped (``"success"``).
            limits: how much is read.
        """
        self._parameters = {tool.name: parameters_of(tool) for tool in tools}
        self._when: When = when
        self._limits = limits or PlanLimits()
        self._known = dict.fromkeys(earlier)
        self._refused = set[str]()
        self._greatest = max([above, *(int(id) for id in self._known if id.isdecimal())])
        self._buffer = ""
        self._is_long = False
        self._num_lines = 0
        self._num_read = 0
        self._thoughts = list[str]()
        self._has_noted_rest = False
        self.calls = list[Node]()
        self.diagnostics = list[Diagnostic]()
        self.is_over = False
        self.is_joined = False

    @property
    def thought(self) -> str:
        """What was said since the last call."""
        return "\n".join(self._thoughts)

    def feed(self, text: str) -> Sequence[Node]:
        """Read on, and return the calls of the lines that have ended."""
        before, room = len(self.calls), max(0, self._limits.max_characters - self._num_read)
        self._num_read += len(text)
        *ends, rest = text[:room].split("\n")
        for end in ends:
            self._grow(end)
            self._end_line()
        self._grow(rest)
        if len(text) > room and not self.is_over:
            self._stop("too_long", f"The plan has more than {self._limits.max_characters} characters.")
        return self.calls[before:]

    def close(self) -> Sequence[Node]:
        """End the plan, and return the call of a last line without an end."""
        before = len(self.calls)
        if not self._is_cut:
            self._end_line()
            if not self.is_joined:
                self._note("missing_join", "The plan does not end with join().")
        self.is_over = True
        return self.calls[before:]

    # ── lines ─────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def _is_cut(self) -> bool:
        """Whether it is over otherwise than by its join."""
        return self.is_over and not self.is_joined

    def _grow(self, text: str) -> None:
        """Add to the line, of which no more is kept than a line may have."""
        self._buffer += text[: self._limits.max_line_characters + 1 - len(self._buffer)]
        self._is_long = len(self._buffer) > self._limits.max_line_characters

    def _end_line(self) -> None:
        line, is_long = self._buffer, self._is_long
        self._buffer, self._is_long = "", False
        self._num_lines += 1
        if self._is_cut or not line.strip():
            return
        if self.is_joined:
            if not self._has_noted_rest:
                self._note("after_join", f"There is more after the plan has ended: {_quoted(line)}.")
            self._has_noted_rest = True
        elif is_long:
            self._note("line_too_long", f"A line has more than {self._limits.max_line_characters} characters.")
        else:
            self._read(line)

    def _read(self, line: str) -> None:
        text, mark, _ = line.partition(END_OF_PLAN)
        text = text.strip()
        if (found := _CALL.fullmatch(text)) is not None:
            self._read_call(str(int(found[1])), found[2], found[3], found[4] or "")
        elif (thought := _THOUGHT.fullmatch(text)) is not None:
            self._thoughts.append(thought[1])
        elif text:
            self._note("malformed", f"{_quoted(text)} is no call, no thought and no join.")
        if mark and not self.is_over:
            self._stop("missing_join", "The plan does not end with join().")

    def _read_call(self, id: str, name: str, text: str, after: str) -> None:
        if name == JOIN:
            self.is_joined = self.is_over = True
            if text.strip():
                self._note("bad_arguments", f"join takes no arguments, got {_quoted(text)}.", id)
            return
        if id in self._known or id in self._refused:
            self._note("duplicate_id", f"There is a call {id} already.", id)
            return
        if int(id) <= self._greatest:
            self._refuse("id_out_of_order", f"Call {id} stands behind call {self._greatest}.", id)
            return
        if len(self.calls) >= self._limits.max_calls:
            self._stop("too_many_calls", f"The plan has more than {self._limits.max_calls} calls.")
            return
        self._greatest = int(id)
        if name not in self._parameters:
            known = ", ".join(self._parameters) or "none"
            self._refuse("unknown_tool", f"Call {id} is of an unknown tool {name!r}; there are: {known}.", id)
            return
        try:
            arguments = bound_arguments(name, self._parameters[name], text)
        except ValueError as error:
            self._refuse("bad_arguments", f"The arguments of call {id} cannot be read: {error}.", id)
            return
        before = [Reference(str(int(number)), is_meant=True) for number in re.findall(r"[0-9]+", after)]
        self._accept(id, name, arguments, before)

    def _accept(self, id: str, name: str, arguments: Mapping[str, JSON], before: Sequence[Reference]) -> None:
        needs = dict[str, Need]()
        for found in (*references_in(arguments), *before):
            if found.id in self._known:
                needs[found.id] = Need(found.id, self._when)
            elif found.is_meant or found.id in self._refused:
                fault, message = self._wrong_reference(id, found)
                self._refuse(fault, message, id)
                return
            else:
                self._note(
                    "plain_dollar", f"${found.id} in call {id} is no earlier call's, and stays text.", id
                )
        node = Node(id=id, tool=name, arguments=arguments, needs=tuple(needs.values()), thought=self.thought)
        self._known[id] = None
        self._thoughts.clear()
        self.calls.append(node)

    def _wrong_reference(self, id: str, found: Reference) -> tuple[Fault, str]:
        if found.id in self._refused:
            return "needs_refused", f"Call {id} needs call {found.id}, which was refused."
        if found.id == id:
            return "self_reference", f"Call {id} needs its own result."
        if found.id.isdecimal() and int(found.id) > int(id):
            return "forward_reference", f"Call {id} needs call {found.id}, which does not come before it."
        return "unknown_reference", f"Call {id} needs a call {found.id}, which there is not."

    # ── diagnostics ───────────────────────────────────────────────────────────────────────────────────────

    def _note(self, fault: Fault, message: str, id: str | None = None) -> None:
        line = max(1, self._num_lines)
        self.diagnostics.append(Diagnostic(fault=fault, line=line, message=message, id=id))
        if len(self.diagnostics) == self._limits.max_faults and not self.is_over:
            self._stop("too_many_faults", f"The plan has {self._limits.max_faults} faults or more.")

    def _refuse(self, fault: Fault, message: str, id: str) -> None:
        self._refused.add(id)
        self._note(fault, message, id)

    def _stop(self, fault: Fault, message: str) -> None:
        self._note(fault, message)
        self.is_over = True


def parse_plan(text: str, tools: Iterable[Tool], *, limits: PlanLimits | None = None) -> PlanParser:
    """Read a whole plan, and return the parser with all calls and diagnostics."""
    parser = PlanParser(tools, limits=limits)
    parser.feed(text)
    parser.close()
    return parser


def parameters_of(tool: Tool) -> tuple[str, ...]:
    """Return the names of a tool's parameters, in the order in which arguments without names are theirs."""
    properties = tool.parameters.get("properties")
    return tuple(properties) if isinstance(properties, Mapping) else ()


def bound_arguments(tool: str, parameters: Sequence[str], text: str) -> Mapping[str, JSON]:
    """Return arguments by name; text that is no literal is the one argument of a tool that takes one.

    Args:
        tool: its name.
        parameters: the names of its parameters, in order.
        text: what stands between the brackets.

    Raises:
        ValueError: it cannot be read, or the tool does not take it.
    """
    try:
        given = parse_arguments(text)
    except ValueError:
        if len(parameters) != 1:
            raise
        given = Arguments((text.strip(),))
    if len(given.positional) > len(parameters):
        raise ValueError(f"{tool} takes {len(parameters)} arguments, got {len(given.positional)}")
    bound = dict(zip(parameters, given.positional, strict=False))
    for name, value in given.keywords:
        if name in bound:
            raise ValueError(f"{tool} is given {name} twice")
        if name not in parameters:
            raise ValueError(f"{tool} takes no argument {name}")
        bound[name] = value
    return bound


def _quoted(text: str) -> str:
    short = text.strip()
    return repr(short if len(short) <= _MAX_QUOTED else short[: _MAX_QUOTED - 1] + "…")
