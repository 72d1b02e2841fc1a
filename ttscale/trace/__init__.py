"""Spans of a run: what was drawn, scored and called, when, below what; written as JSONL or to OpenTelemetry."""

from __future__ import annotations

from ttscale.trace.export import to_opentelemetry, write_jsonl
from ttscale.trace.span import Span, Trace

__all__ = ["Span", "Trace", "to_opentelemetry", "write_jsonl"]
