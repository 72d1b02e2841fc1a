"""From run directories to what a report shows."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias, overload

from ttscale.budget.prices import PriceFile
from ttscale.types import JSON
from ttscale_evals.report.data import Answer, ReportData, RunInfo
from ttscale_evals.result import load_result
from ttscale_evals.rows import Row
from ttscale_evals.store import Result, ResultStore, RunDirectory, StoredCell, StoredTrace

Title: TypeAlias = tuple[str, str, str, str]
"""Benchmark, strategy, model and budget of a row."""


class KeptSpans(Sequence[Mapping[str, "JSON"]]):
    """The spans of an answer, read each time they are asked for: those of a whole run would fill the memory."""

    def __init__(self, trace: StoredTrace) -> None:
        """Keep a trace as the store has it."""
        self._trace = trace

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._trace.spans)

    @overload
    def __getitem__(self, place: int) -> Mapping[str, JSON]: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Mapping[str, JSON]]: ...
    def __getitem__(self, place: int | slice) -> Mapping[str, JSON] | Sequence[Mapping[str, JSON]]:
        """Return one span, or some."""
        return self._trace.spans[place]

    def __iter__(self) -> Iterator[Mapping[str, JSON]]:
        """Yield all, read once."""
        return iter(self._trace.spans)


def load_report(directories: Sequence[Path], *, prices: PriceFile | None = None) -> ReportData:
    """Read runs, finished or not, from their stores; rows of the same title get their directory's name.

    Args:
        directories: of the runs.
        prices: what dollars are by, in place of the prices that the runs were made with.

    Raises:
        ConfigError: a directory holds no run, or a broken one, or the price file lacks a model.
    """
    runs = [_load_run(directory, prices) for directory in directories]
    titles = Counter(_title(row) for run in runs for row in run.rows)
    runs = [_told_apart(run, {title for title, times in titles.items() if times > 1}) for run in runs]
    return ReportData(
        rows=tuple(row for run in runs for row in run.rows),
        answers=tuple(answer for run in runs for answer in run.answers),
        runs=tuple(info for run in runs for info in run.runs),
    )


def resume_command(directory: Path) -> str:
    """Return the command that goes on with a run, or makes sure that nothing is left to do."""
    return shlex.join(["ttscale", "eval", str(directory / "config.yaml"), "--out", str(directory), "--resume"])


def _load_run(path: Path, prices: PriceFile | None) -> ReportData:
    directory, result = RunDirectory(path), load_result(path, prices=prices)
    info = RunInfo(
        directory=str(path),
        config=directory.config_path.read_text(encoding="utf-8"),
        command=resume_command(path),
    )
    return ReportData(rows=tuple(result.rows), answers=tuple(_answers(directory)), runs=(info,))


def _told_apart(run: ReportData, twice: set[Title]) -> ReportData:
    """Add the run's directory to the model's name where another run has a row of the same title."""
    name = run.runs[0].directory
    rows = [replace(row, model=f"{row.model} · {name}") if _title(row) in twice else row for row in run.rows]
    answers = [
        replace(answer, model=f"{answer.model} · {name}") if _title(answer) in twice else answer
        for answer in run.answers
    ]
    return ReportData(rows=tuple(rows), answers=tuple(answers), runs=run.runs)


def _title(item: Row | Answer) -> Title:
    return item.benchmark, item.strategy, item.model, item.budget


def _answers(directory: RunDirectory) -> Iterator[Answer]:
    with ResultStore(directory.store_path) as store:
        cells = {cell.number: cell for cell in directory.cells(store)}
        spans = {(trace.key, trace.attempt): KeptSpans(trace) for trace in store.traces()}
        for result in store.results():
            yield _answer(result, cells[result.cell], spans.pop((result.key, result.attempt), ()))


def _answer(result: Result, cell: StoredCell, spans: Sequence[Mapping[str, JSON]]) -> Answer:
    outcome = result.outcome
    return Answer(
        benchmark=cell.benchmark,
        strategy=cell.strategy,
        model=cell.model,
        budget=cell.budget,
        problem_id=result.problem_id,
        question=result.question,
        target=result.target,
        answer=outcome.answer,
        text=outcome.text,
        result="failed" if result.is_failed else "right" if result.grade.correct else "wrong",
        tokens=outcome.usage.tokens,
        seconds=outcome.seconds,
        stop_reason=outcome.stop_reason,
        confidence=outcome.confidence,
        error=outcome.error,
        reason=result.grade.reason,
        candidates=outcome.candidates,
        spans=spans,
    )
