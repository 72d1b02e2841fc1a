"""Protocols as data: the lexemes by which a model forks and joins, a page of YAML each."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Final, Literal, TypeAlias, cast

from ttscale import registry
from ttscale.errors import ConfigError
from ttscale.registry import load_template
from ttscale.types import JSON
from ttscale_strategies.checks import require_positive

ForkAt: TypeAlias = Literal["stop", "start", "end"]
"""When a sequence forks: where it writes a lexeme, before it writes anything, or when it has ended."""

Context: TypeAlias = Literal["trace", "own"]
"""What a branch sees: all that its parent wrote up to the fork, or a prompt of its own."""

JoinForm: TypeAlias = Literal["append", "replace", "splice", "message"]
"""What comes of the branches: they stand behind the header; in its place; each where it forked off, the parent
going on meanwhile; or in a new question to the model."""

JoinPolicy: TypeAlias = Literal["all", "first", "quorum"]
"""Whom a join waits for: all; the first to finish; so many. The others are cut to the length of the last one
that is waited for."""

_FIELDS: Final = re.compile(r"\{(number|text)\}")
_BRANCH_FIELDS: Final = frozenset({"question", "number", "text", "header", "state"})
_JOIN_FIELDS: Final = frozenset({"question", "header", "results"})


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """How a model forks into threads and joins them.

    In `branch_open` and `branch_stop` ``{number}`` stands for a branch's number and ``{text}`` for its outline.
    """

    name: str
    source: str = ""
    """The paper, or who made it up."""
    template: str = ""
    """Name of the prompt template that asks the root, with the field question; empty: the problem as it is."""

    fork: ForkAt = "stop"
    fork_open: str = ""
    """Begins the header; outlines are looked for behind the last one, or behind the first where branches begin
    while the header is being written. Empty: wherever the sequence began, or went on after a join."""
    fork_stop: str = ""
    """Ends the header."""
    keeps_fork: bool = True
    """Whether `fork_stop` is part of the text; else it is a mark for the machine only."""
    instead: tuple[str, str] | None = None
    """A lexeme that the model must not write, as it would make the results up, and what it gets in its
    place."""
    outline: str = ""
    """Regular expression of an outline, with a group called number, text or both; empty: nobody names branches.
    Where a number is repeated the first outline counts."""
    num_branches: int = 2
    """Branches of a fork whose header names none, >= 1."""
    max_branches: int = 8
    """Of a header with more the first ones run, >= 1."""
    max_forks: int = 8
    """Of one sequence, >= 1; what comes after is text. Headers without an outline count."""
    max_depth: int = 1
    """Levels of branches, >= 1; in the deepest every lexeme of a fork is text."""
    min_fork_tokens: int = 1
    """Of a sequence whose longest path may have fewer tokens more a header is text, >= 1."""

    context: Context = "trace"
    branch_template: str = ""
    """Name of the template of a branch's own prompt, with fields of question, number, text, header and
    state."""
    branch_before: str = ""
    """Between header and branches."""
    branch_open: str = ""
    branch_stop: str = ""
    """Ends a branch; empty: the end of the turn."""
    between: str = ""
    """Between two branches in the trace."""
    branch_tokens: int | None = None
    """Most generated tokens on a branch's longest path, >= 1; ``None``: no limit of its own."""

    join: JoinForm = "append"
    policy: JoinPolicy = "all"
    quorum: int = 1
    """Of the policy called so, >= 1."""
    join_open: str = ""
    """Before the branches in the trace, in the place of a header."""
    join_close: str = ""
    """Behind the branches; the model goes on from there."""
    join_template: str = ""
    """Name of the template of the new question, with the fields question, header and results."""
    goes_on: bool = True
    """Whether the model writes on after a join."""
    on_cut: Literal["go_on", "end"] = "go_on"
    """What happens when a branch was cut: its end is put, and the model goes on; or the block is closed, and
    that is the end."""
    answers: Literal["anyone", "reader"] = "anyone"
    """Which roots have an answer: whoever gives one, or those only that the reader has concluded."""
    falls_back: bool = False
    """Whether a root that did not fork, and gave no answer, is followed by a plain sample of the problem."""

    tags: tuple[tuple[str, str], ...] = ()
    """Pairs to be closed where a sequence is cut."""
    reader: str = ""
    """``module:Class`` of a `Reader` that does more than `outline` can."""

    def __post_init__(self) -> None:
        for name in ("num_branches", "max_branches", "max_forks", "max_depth", "min_fork_tokens", "quorum"):
            require_positive(getattr(self, name), name)
        if self.branch_tokens is not None:
            require_positive(self.branch_tokens, "branch_tokens")
        self._check_fork()
        self._check_join()
        if self.template and load_template(self.template).fields != ("question",):
            raise ValueError(f"template {self.template!r} needs the field question, and no other")
        for name, fields in (("branch_template", _BRANCH_FIELDS), ("join_template", _JOIN_FIELDS)):
            template = getattr(self, name)
            if template and not fields.issuperset(found := load_template(template).fields):
                raise ValueError(f"{name} {template!r} has the fields {found}; known are {sorted(fields)}")

    def _check_fork(self) -> None:
        if (self.fork == "stop") != bool(self.fork_stop):
            raise ValueError("fork_stop goes with fork: stop, and only with it")
        try:
            groups = set(re.compile(self.outline).groupindex)
        except re.error as error:
            raise ValueError(f"outline {self.outline!r} is no regular expression: {error}") from error
        if self.outline and not groups & {"number", "text"}:
            raise ValueError(f"outline {self.outline!r} needs a group (?P<number>…) or (?P<text>…)")
        if self.fork == "end" and not self.outline and not self.reader:
            raise ValueError("a fork at the end needs an outline to read")

    def _check_join(self) -> None:
        if (self.context == "own") != bool(self.branch_template):
            raise ValueError("branch_template goes with context: own, and only with it")
        if (self.join == "message") != bool(self.join_template):
            raise ValueError("join_template goes with join: message, and only with it")
        if self.answers == "reader" and not self.reader:
            raise ValueError("answers: reader needs a reader")
        if self.join == "splice" and (self.outline or self.fork != "stop"):
            raise ValueError("join: splice is for a fork lexeme without outlines")
        if self.policy != "all" and self.max_depth > 1:
            raise ValueError(f"policy {self.policy!r} cuts branches by length, which needs max_depth: 1")
        if self.policy != "all" and self.join == "splice":
            raise ValueError(f"policy {self.policy!r} needs a join, which splice is not")

    @property
    def starts_early(self) -> bool:
        """Whether a branch needs no more than its own outline, and may begin before the header has ended."""
        return self.context == "own" and self.fork == "stop" and "header" not in self.branch_fields

    @property
    def branch_fields(self) -> tuple[str, ...]:
        """Fields of the branch template."""
        return load_template(self.branch_template).fields if self.branch_template else ()

    @property
    def is_one_shot(self) -> bool:
        """Whether there is one fork at most, whatever the model writes."""
        return self.fork != "stop" or self.join == "message" or not self.goes_on

    def filled(self, lexeme: str, *, number: str, text: str) -> str:
        """Return a lexeme with a branch's number and text in it; other braces are text."""
        values = {"number": number, "text": text}
        return _FIELDS.sub(lambda found: values[found[1]], lexeme)


def load_protocol(given: str | Protocol) -> Protocol:
    """Return a protocol by its name or from a YAML file, or as it is.

    Args:
        given: a built-in's name, or the path of a file, which ends in .yaml or .yml.

    Raises:
        ConfigError: there is no such protocol, or the file is not one; the message names the field.
    """
    if isinstance(given, Protocol):
        return given
    if given.endswith((".yaml", ".yml")):
        path = Path(given)
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeError) as error:
            raise ConfigError(f"the protocol file {given!r} cannot be read: {error}.") from error
        return _build(_params(text, given), given)
    return _built_in(given)


def protocol_names() -> list[str]:
    """Return the names of the built-in protocols, sorted."""
    folder = resources.files("ttscale_strategies.threads") / "protocols"
    return sorted(
        entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml")
    )


@cache
def _built_in(name: str) -> Protocol:
    return _build(_params(_text_of(name), name), name)


def _text_of(name: str) -> str:
    known = protocol_names()
    if name not in known:
        raise ConfigError(
            f"No protocol is called {name!r}; known: {', '.join(known)}. Give one of them, or a file NAME.yaml."
        )
    folder = resources.files("ttscale_strategies.threads") / "protocols"
    return (folder / f"{name}.yaml").read_text(encoding="utf-8")


def _params(text: str, label: str) -> dict[str, JSON]:
    """Read a protocol's fields; ``like: NAME`` takes over what it does not say from a built-in one.

    Raises:
        ConfigError: it is no protocol.
    """
    found = registry.parse_value(text)
    if not isinstance(found, Mapping):
        raise ConfigError(f"the protocol {label!r} is no YAML mapping of fields; see docs/threads.md.")
    params = dict(found)
    base = params.pop("like", None)
    inherited = {} if base is None else _params(_text_of(str(base)), str(base))
    return {**inherited, "name": Path(label).stem, **params}


def _build(params: Mapping[str, JSON], label: str) -> Protocol:
    return cast("Protocol", registry.build(Protocol, params, label=f"the protocol {label!r}"))
