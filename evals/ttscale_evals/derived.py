"""Files that a run's directory holds for convenience; the store has all that is in them."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

from ttscale.trace import write_jsonl
from ttscale_evals.result import EvalResult
from ttscale_evals.store import ResultStore, RunDirectory
from ttscale_evals.store.directory import dump_json


def write_derived_files(directory: RunDirectory, store: ResultStore, result: EvalResult) -> None:
    """Write ``results.json`` and, where traces were kept, ``traces.jsonl``; earlier ones are replaced."""
    directory.write("results.json", [dump_json(result.to_json())])
    if result.config.traces:
        directory.write("traces.jsonl", trace_lines(directory, store))


def export_traces(run_dir: Path) -> Path:
    """Write ``traces.jsonl`` anew from the store, of a run cut off before its end say, and return its path.

    Raises:
        ConfigError: the directory holds no run.
    """
    directory = RunDirectory(run_dir)
    with ResultStore(directory.store_path) as store:
        return directory.write("traces.jsonl", trace_lines(directory, store))


def trace_lines(directory: RunDirectory, store: ResultStore) -> Iterator[str]:
    """Yield the spans of all problems as JSON lines, each with its cell, problem and attempt."""
    cells = {cell.number: cell for cell in directory.cells(store)}
    for trace in store.traces():
        cell = cells[trace.cell]
        whose = {
            "benchmark": cell.benchmark,
            "strategy": cell.strategy,
            "model": cell.model,
            "budget": cell.budget,
            "problem": trace.problem_id,
        }
        buffer = io.StringIO()
        write_jsonl(trace.spans, buffer, **whose, attempt=trace.attempt)
        yield buffer.getvalue()
