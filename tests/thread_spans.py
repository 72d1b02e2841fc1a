"""Spans of threads and tools as strategies leave them in a trace: two forks, and thousands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ttscale.types import JSON

Span = Mapping[str, JSON]

FORKS, THREADS = 5, 600
"""Of `many_threads`."""


class Spans:
    """Spans of one trace in the making."""

    def __init__(self) -> None:
        self.all = list[Span]()

    def add(self, kind: str, name: str, parent: int | None, start: JSON, end: JSON, **attributes: JSON) -> int:
        """Add a span and return its number."""
        number = len(self.all)
        times: dict[str, JSON] = {"start": start, "end": end}
        self.all.append(
            {"id": number, "parent": parent, "kind": kind, "name": name, "attributes": attributes, **times}
        )
        return number


def two_forks() -> tuple[Span, ...]:
    """Return thirteen spans: an outline, three threads of which 1.2 ends last, a join, two tool calls."""
    spans = Spans()
    solve = spans.add("solve", "Threads", None, 0.0, 7.0, stop_reason="finished")
    root = spans.add("thread", "root 0", solve, 0.0, 7.0, tokens=370, ended="end")
    spans.add(
        "sample", "sample 0", root, 0.0, 1.0, generated=40, finish_reason="stop", began=0.25, text="Plan."
    )
    for number, (end, ended) in enumerate(((3.0, "closed"), (4.5, "closed"), (2.0, "length")), start=1):
        told: dict[str, JSON] = {"outline": f"part {number}", "ended": ended, "text": f"Text {number}."}
        thread = spans.add("thread", f"thread 1.{number}", root, 1.0, end, tokens=100, **told)
        spans.add("sample", "sample 0", thread, 1.0, end, generated=100, finish_reason="stop", text="body")
    spans.add("sample", "sample 1", root, 4.5, 5.5, generated=30, finish_reason="stop", text="So 12.")
    call = spans.add("child", "call 1", root, 5.5, 7.0)
    spans.add("tool", "add", call, 5.5, 6.5, error=None, text="12", reused=True)
    spans.add(
        "tool", "multiply", call, 5.5, 7.0, error="it has no such argument", text="it has no such argument"
    )
    return tuple(spans.all)


def many_threads() -> Iterator[Span]:
    """Yield five forks of 600 threads with a sample each: 6,001 spans over 100 seconds."""
    spans = Spans()
    solve = spans.add("solve", "Threads", None, 0.0, 100.0)
    for fork in range(FORKS):
        for number in range(THREADS):
            begin, end = fork * 20.0, fork * 20.0 + 1 + 19 * ((number * 7) % THREADS) / THREADS
            thread = spans.add(
                "thread", f"thread {fork}.{number}", solve, begin, end, tokens=10, ended="closed"
            )
            spans.add(
                "sample", "sample 0", thread, begin, end, generated=10, finish_reason="stop", text="x" * 40
            )
    yield from spans.all
