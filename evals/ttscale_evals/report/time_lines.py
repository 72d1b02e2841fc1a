"""Time lines of traces as the page holds them: a row for each span that is no node of a search tree.

A short one stands with the answer's samples. A long one has a packet of its own, as search trees have, with a
limit of its own, so that one great run does not push out the samples of others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, cast

from ttscale.types import JSON
from ttscale_evals.report.strings import Strings, rounded, squeezed
from ttscale_evals.report.text import MAX_TEXT_CHARS, label, shown

MAX_INLINE_SPANS: Final = 400
"""Spans of an answer that stand with its samples."""
MAX_SPANS: Final = 20_000
"""Most spans of an answer the page holds."""
MAX_LINE_CHARS: Final = 8_000_000
"""Of the packets of all long time lines together, as they stand in the page."""
MAX_TEXTS_CHARS: Final = 400_000
"""Characters of the texts of a time line, before they are compressed."""
_MAX_TEXT_CHARS: Final = 1_000
_MAX_NAME_CHARS: Final = 80
_TEXT_LEFT_OUT: Final = -2

Span = Mapping[str, JSON]


@dataclass(slots=True)
class LinePackets:
    """The packets of long time lines so far."""

    max_chars: int = MAX_LINE_CHARS
    """A packet that would go beyond this is left out."""
    lines: list[str] = field(default_factory=list[str])
    num_chars: int = 0

    def add(self, spans: Sequence[Span]) -> int | None:
        """Take a time line and return the place of its packet; ``None``: it is short, or there is no room."""
        if len(spans) <= MAX_INLINE_SPANS:
            return None
        strings = Strings()
        rows = span_rows(spans[:MAX_SPANS], strings)
        line = squeezed({"spans": rows, "strings": cast("list[JSON]", strings.all)})
        if self.num_chars + len(line) > self.max_chars:
            return None
        self.num_chars += len(line)
        self.lines.append(line)
        return len(self.lines) - 1

    def drop(self, num_lines: int) -> None:
        """Keep the first packets only: nothing would lead to the others."""
        del self.lines[num_lines:]


def time_line(spans: Sequence[Span], strings: Strings, packets: LinePackets) -> dict[str, JSON]:
    """Return what stands with an answer's samples: its first spans, how many more there are, and its packet.

    Args:
        spans: of the answer, parents before children, without nodes of search trees.
        strings: of the packet of the answer's question.
        packets: take a long time line.
    """
    place = packets.add(spans)
    held = MAX_INLINE_SPANS if place is None else MAX_SPANS
    return {
        "spans": span_rows(spans[:MAX_INLINE_SPANS], strings, has_samples=True) if place is None else [],
        "line": place,
        "more_spans": max(0, len(spans) - held),
    }


def span_rows(spans: Sequence[Span], strings: Strings, *, has_samples: bool = False) -> list[JSON]:
    """Return spans as rows.

    A row has number, parent, kind, name, start, end, a note, when an engine began, generated tokens, why it
    ended, and a text. Times are seconds since the trace began, ``None`` where nobody knows; -1 is no text, -2
    one that had no room. Steps of a search tree have no text here: the tree has it.

    Args:
        spans: parents before children.
        strings: where texts go.
        has_samples: whether the texts of samples stand there anyway; they then take no room.
    """
    rows, num_chars = list[JSON](), 0
    places = _Places()
    for span in spans:
        attributes = cast("Mapping[str, JSON]", span["attributes"])
        is_free = has_samples and span["kind"] == "sample"
        text = None if places.is_in_tree(span) else _text(attributes, is_whole=is_free)
        num_chars += 0 if is_free else len(text or "")
        is_left_out = text is not None and not is_free and num_chars > MAX_TEXTS_CHARS
        rows.append(
            [
                span["id"],
                span["parent"],
                strings(label(str(span["kind"]))),
                strings(label(str(span["name"]), max_chars=_MAX_NAME_CHARS)),
                _seconds(span["start"]),
                _seconds(span["end"]),
                strings(_note(attributes)),
                _seconds(attributes.get("began")),
                _tokens(attributes),
                strings(_ended(attributes)),
                _TEXT_LEFT_OUT if is_left_out else strings(text),
            ]
        )
    return rows


class _Places:
    """Tells which spans are within nodes of search trees, which have been left out of the spans."""

    def __init__(self) -> None:
        self._outside = set[JSON]()

    def is_in_tree(self, span: Span) -> bool:
        """Whether a span is; parents are to be asked for before their children."""
        is_outside = span["parent"] is None or span["parent"] in self._outside
        if is_outside:
            self._outside.add(span["id"])
        return not is_outside


def _seconds(value: JSON) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return rounded(float(value)) if is_number and isinstance(value, int | float) else None


def _tokens(attributes: Mapping[str, JSON]) -> int | None:
    """Return a sample's generated tokens, or those of a thread with all below it."""
    for name in ("generated", "tokens"):
        value = attributes.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**53:
            return value
    return None


def _ended(attributes: Mapping[str, JSON]) -> str | None:
    """Return why it ended, in a word or two; an error is one word."""
    if attributes.get("error") is not None:
        return "error"
    found = (attributes.get(name) for name in ("finish_reason", "ended", "stop_reason"))
    reason = next((value for value in found if value is not None), None)
    return None if reason is None else label(str(reason), max_chars=40)


def _note(attributes: Mapping[str, JSON]) -> str | None:
    """Return what else is known in a line: the model, what a thread was to do, the error."""
    named = (attributes.get(name) for name in ("model", "outline", "error"))
    parts = [str(value) for value in named if value]
    if attributes.get("reused") is True:
        parts.append("result taken from an earlier call")
    return label(" · ".join(parts)) or None


def _text(attributes: Mapping[str, JSON], *, is_whole: bool) -> str | None:
    value = attributes.get("text")
    return shown(str(value), max_chars=MAX_TEXT_CHARS if is_whole else _MAX_TEXT_CHARS) if value else None
