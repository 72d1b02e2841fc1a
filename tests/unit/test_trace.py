"""Traces: nesting, times, JSON lines, OpenTelemetry."""

from __future__ import annotations

import io
import json

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from ttscale.trace import Trace, to_opentelemetry, write_jsonl


def a_trace() -> Trace:
    """Return a solve of 3 seconds with a sample from second 1 to 2."""
    times = iter([100.0, 100.0, 101.0, 102.0, 103.0])
    trace = Trace(lambda: next(times))
    solve = trace.open("solve", "Single", parent=None, problem="p1")
    sample = trace.open("sample", "sample 0", parent=solve.id, seed=7)
    trace.close(sample, generated=12, text="a ﬁne [answer]\n")
    trace.close(solve)
    return trace


def test_times_are_seconds_since_the_trace_began() -> None:
    solve, sample = a_trace().to_json()
    assert (solve["start"], solve["end"]) == (0.0, 3.0)
    assert (sample["start"], sample["end"], sample["parent"]) == (1.0, 2.0, solve["id"])


def test_json_lines_hold_one_span_each_with_the_common_fields() -> None:
    file = io.StringIO()
    write_jsonl(a_trace().to_json(), file, run="r1")
    lines = [json.loads(line) for line in file.getvalue().splitlines()]
    assert [line["name"] for line in lines] == ["Single", "sample 0"]
    assert {line["run"] for line in lines} == {"r1"}
    assert lines[1]["attributes"] == {"seed": 7, "generated": 12, "text": "a ﬁne [answer]\n"}


def test_opentelemetry_gets_the_same_tree_and_times() -> None:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    to_opentelemetry(a_trace().to_json(), provider.get_tracer("test"), began_unix_seconds=1000.0)
    spans = {span.name: span for span in exporter.get_finished_spans()}
    solve, sample = spans["solve Single"], spans["sample sample 0"]
    assert sample.parent is not None
    assert solve.context is not None
    assert sample.parent.span_id == solve.context.span_id
    assert (sample.start_time, sample.end_time) == (1001 * 10**9, 1002 * 10**9)
    assert sample.attributes is not None
    assert sample.attributes["ttscale.generated"] == 12
