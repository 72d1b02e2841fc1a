"""Readers: where the branches of a header are, and what a branch brings."""

from __future__ import annotations

import importlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast
from typing import Protocol as TypingProtocol

from ttscale.errors import ConfigError

if TYPE_CHECKING:
    from ttscale_strategies.threads.protocol import Protocol


@dataclass(frozen=True, slots=True)
class Outline:
    """One branch that a header names."""

    number: str
    text: str
    start: int
    """Where it begins in the text that was read."""
    end: int
    state: str = ""
    """What a branch that sees no more than its own prompt has to know; filled in by a reader of one's own."""


class Reader(TypingProtocol):
    """Reads what the model wrote."""

    def outlines(self, own: str, start: int) -> list[Outline]:
        """Return the branches that a header names, in order; none: it names none.

        It is also asked while the header is being written: what is found then must be found again at its end.

        Args:
            own: what the sequence wrote, without the texts of its branches.
            start: where the last header can begin at the earliest.
        """
        ...

    def result(self, outline: Outline, body: str) -> str | None:
        """Return what the trace has in place of a branch's text; ``None``: its text."""
        ...

    def conclusion(self, own: str, results: Sequence[tuple[Outline, str]]) -> str | None:
        """Return what ends a sequence behind a join where the results alone say it; ``None``: it goes on.

        Args:
            own: what the sequence wrote.
            results: outlines and texts of the branches.
        """
        ...


class PlainReader:
    """Reads outlines by a protocol's regular expression."""

    def __init__(self, protocol: Protocol) -> None:
        self._protocol = protocol
        self._outline = re.compile(protocol.outline)

    def outlines(self, own: str, start: int) -> list[Outline]:
        """Return the outlines behind the last opening of a header; of those with one number the first.

        Where branches begin while it is written, it is the first opening: those that have begun stay its own.
        """
        protocol = self._protocol
        find = own.find if protocol.starts_early else own.rfind
        begin = find(protocol.fork_open, start) if protocol.fork_open else start
        if begin < 0:
            return []
        if not protocol.outline:
            numbers = map(str, range(1, protocol.num_branches + 1))
            return [Outline(number, "", len(own), len(own)) for number in numbers]
        found = dict[str, Outline]()
        for place, match in enumerate(self._outline.finditer(own, begin), start=1):
            groups = match.groupdict()
            number = (groups.get("number") or str(place)).strip()
            text = (groups.get("text") or "").strip()
            found.setdefault(number, Outline(number, text, match.start(), match.end()))
        return list(found.values())

    def result(self, outline: Outline, body: str) -> str | None:
        """Return ``None``, the branch's text; in place of a header without the empty lines around it."""
        del outline
        return body.strip("\n") if self._protocol.join == "replace" else None

    def conclusion(self, own: str, results: Sequence[tuple[Outline, str]]) -> None:
        """Return ``None``: the model goes on."""
        del own, results


def reader_of(protocol: Protocol) -> Reader:
    """Return the reader of a protocol.

    Raises:
        ConfigError: it names one that cannot be imported.
    """
    if not protocol.reader:
        return PlainReader(protocol)
    module, _, name = protocol.reader.partition(":")
    try:
        made = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(
            f"the reader {protocol.reader!r} of {protocol.name!r} cannot be imported: {error}"
        ) from error
    return cast("Reader", made(protocol))
