"""Spans and the trace that collects them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from ttscale.trace.prefixes import PrefixIndex, Visit
from ttscale.types import JSON, SampleUsage

if TYPE_CHECKING:
    from ttscale.backends.base import Backend

SpanKind = Literal["solve", "child", "sample", "score", "tool", "node", "thread"]


@dataclass(slots=True, kw_only=True)
class Span:
    """One piece of work. Times are seconds since the trace began; `end` is ``None`` while it runs."""

    id: int
    parent: int | None
    kind: SpanKind
    name: str
    start: float
    end: float | None = None
    began: float | None = None
    """Of a sample: when an engine was given it; an attribute in JSON."""
    visit: Visit | None = field(default=None, compare=False, repr=False)
    """Of a sample or a given text: its prompt among the others of the trace; not in JSON."""
    attributes: dict[str, JSON] = field(default_factory=dict[str, "JSON"])

    def to_json(self) -> dict[str, JSON]:
        """Return a plain JSON object, with times to the microsecond."""
        began = {} if self.began is None else {"began": round(self.began, 6)}
        return {
            "id": self.id,
            "parent": self.parent,
            "kind": self.kind,
            "name": self.name,
            "start": round(self.start, 6),
            "end": None if self.end is None else round(self.end, 6),
            "attributes": {**self.attributes, **began},
        }


class Trace:
    """The spans of one `Engine.solve`, in order of opening."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Begin a trace now on a clock of seconds."""
        self._clock = clock
        self._began = clock()
        self.spans: list[Span] = []
        self._prefixes: dict[int, PrefixIndex] = {}  # by the identity of the backend

    def open(self, kind: SpanKind, name: str, *, parent: int | None, **attributes: JSON) -> Span:
        """Begin a span."""
        span = Span(
            id=len(self.spans), parent=parent, kind=kind, name=name, start=self._now(), attributes=attributes
        )
        self.spans.append(span)
        return span

    def close(self, span: Span, **attributes: JSON) -> None:
        """End a span, adding what is known now."""
        span.end = self._now()
        span.attributes.update(attributes)

    def begin_prompt(self, span: Span, backend: Backend, token_ids: Sequence[int] | None) -> None:
        """Note that a backend is given a span's prompt now; ``None``: its token ids are not known."""
        index = self._prefixes.get(id(backend))
        if index is None:
            index = self._prefixes[id(backend)] = PrefixIndex(block=backend.profile.prefix_block)
        span.visit = index.begin(token_ids)

    def end_prompt(self, span: Span, backend: Backend, token_ids: Sequence[int], usage: SampleUsage) -> None:
        """Note what the backend has generated after a span's prompt, and whether it accounts for the prompt."""
        if span.visit is not None:
            self._prefixes[id(backend)].end(
                span.visit,
                token_ids,
                num_generated=usage.generated,
                is_accounted=usage.prompt_computed + usage.prompt_cached > 0,
            )

    def count_shared(self) -> None:
        """Add to the spans of prompts how many of their tokens had been computed before, as `prompt_shared`."""
        for index in self._prefixes.values():
            index.count()
        for span in self.spans:
            if span.visit is not None and span.visit.shared is not None:
                span.attributes["prompt_shared"] = span.visit.shared

    def to_json(self) -> tuple[Mapping[str, JSON], ...]:
        """Return all spans as plain JSON objects."""
        return tuple(span.to_json() for span in self.spans)

    def at(self, time: float | None) -> float | None:
        """Return an instant of the clock in seconds since the trace began."""
        return None if time is None else time - self._began

    def _now(self) -> float:
        return self._clock() - self._began
