"""Writing traces: JSON lines, or an OpenTelemetry tracer."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, TextIO, cast

from ttscale.types import JSON

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Tracer


def write_jsonl(spans: Iterable[Mapping[str, JSON]], file: TextIO, **common: JSON) -> None:
    """Write one span a line, each with the fields of `common` (a problem's id, say) in front."""
    for span in spans:
        file.write(json.dumps({**common, **span}, ensure_ascii=False) + "\n")


def to_opentelemetry(spans: Iterable[Mapping[str, JSON]], tracer: Tracer, *, began_unix_seconds: float) -> None:
    """Replay the spans of one trace into an OpenTelemetry tracer.

    Args:
        spans: as in `Outcome.trace`, parents before children.
        tracer: where they go.
        began_unix_seconds: the wall-clock time that second 0 of the trace stands for.
    """
    from opentelemetry.trace import set_span_in_context

    contexts: dict[JSON, Context] = {}
    for span in spans:
        start = cast("float", span["start"])
        end = cast("float | None", span["end"])
        parent = contexts.get(span["parent"])
        opened = tracer.start_span(
            f"{span['kind']} {span['name']}",
            context=parent,
            start_time=_nanoseconds(began_unix_seconds + start),
            attributes={f"ttscale.{key}": _flat(value) for key, value in _attributes(span).items()},
        )
        contexts[span["id"]] = set_span_in_context(opened)
        opened.end(_nanoseconds(began_unix_seconds + (start if end is None else end)))


def _attributes(span: Mapping[str, JSON]) -> Mapping[str, JSON]:
    return cast("Mapping[str, JSON]", span["attributes"])


def _flat(value: JSON) -> str | bool | int | float:
    return value if isinstance(value, str | bool | int | float) else json.dumps(value)


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1e9)
