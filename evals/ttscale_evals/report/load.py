"""From run directories to what a report shows."""

from __future__ import annotations

import logging
import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

from ttscale.types import Problem
from ttscale_evals.config import EvalConfig
from ttscale_evals.plan import make_plan
from ttscale_evals.report.data import Answer, ReportData, RunInfo
from ttscale_evals.rows import Row, load_result
from ttscale_evals.store import Result, ResultStore, RunDirectory

Title: TypeAlias = tuple[str, str, str]
"""Benchmark, strategy and model of a row."""

_LOG = logging.getLogger(__name__)


def load_report(directories: Sequence[Path]) -> ReportData:
    """Read runs, finished or not, from their stores; rows of the same title get their directory's name.

    Raises:
        ConfigError: a directory holds no run, or a broken one.
    """
    runs = [_load_run(directory) for directory in directories]
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


def _load_run(path: Path) -> ReportData:
    directory, result = RunDirectory(path), load_result(path)
    info = RunInfo(
        directory=str(path),
        config=directory.config_path.read_text(encoding="utf-8"),
        command=resume_command(path),
    )
    return ReportData(rows=tuple(result.rows), answers=tuple(_answers(directory, result.config)), runs=(info,))


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
    return item.benchmark, item.strategy, item.model


def _answers(directory: RunDirectory, config: EvalConfig) -> Iterator[Answer]:
    problems = _problems(config)
    with ResultStore(directory.store_path) as store:
        titles = {cell.number: (cell.benchmark, cell.strategy) for cell in store.cells()}
        for result in store.results():
            yield _answer(result, titles[result.cell], config.model, problems.get(result.key))


def _problems(config: EvalConfig) -> Mapping[str, Problem]:
    """Return the problems by the keys of their results; none where the data cannot be had any more."""
    try:
        plan = make_plan(config)
    except Exception as error:  # a report of what is in the store must not need the data
        _LOG.warning("the report lacks the questions: %s", error)
        return {}
    return {key: problem for cell in plan.cells for key, problem in zip(cell.keys, cell.problems, strict=True)}


def _answer(result: Result, titles: tuple[str, str], model: str, problem: Problem | None) -> Answer:
    outcome = result.outcome
    return Answer(
        benchmark=titles[0],
        strategy=titles[1],
        model=model,
        problem_id=result.problem_id,
        question="" if problem is None else question_text(problem),
        target=None if problem is None else problem.target,
        answer=outcome.answer,
        text=outcome.text,
        result="failed" if result.is_failed else "right" if result.grade.correct else "wrong",
        tokens=outcome.usage.tokens,
        seconds=outcome.seconds,
        stop_reason=outcome.stop_reason,
        confidence=outcome.confidence,
        error=outcome.error,
    )


def question_text(problem: Problem) -> str:
    """Return what the model was asked, as text: the user's messages, or the raw prompt."""
    prompt = problem.prompt
    if prompt.messages:
        return "\n\n".join(message.content for message in prompt.messages if message.role == "user")
    return prompt.text or f"{len(prompt.token_ids or ())} token ids"
