"""Runs made by hand, for tests of comparisons: a store with given results, no model behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ttscale.types import JSON, Outcome, Usage
from ttscale_evals.benchmarks import Grade
from ttscale_evals.compare.system import BenchmarkKey, Source, System
from ttscale_evals.config import EvalConfig
from ttscale_evals.rows import Setting
from ttscale_evals.store import Result, RunDirectory, StoredCell


@dataclass(frozen=True, kw_only=True)
class Given:
    """What a strategy comes to, a mark a problem: ``1`` right, ``0`` wrong, ``x`` failed, ``-`` no answer."""

    strategy: str
    marks: str
    tokens: int = 100
    seconds: float = 1.0
    usd: float | None = None
    first: int = 0
    """Number of the first problem."""
    num_planned: int | None = None
    target: str = "1"


@dataclass(frozen=True, kw_only=True)
class GivenRun:
    """A run on one benchmark, unless rows of several are given."""

    rows: Sequence[Given]
    benchmark: str = "sums"
    params: Mapping[str, JSON] = field(default_factory=dict[str, JSON])
    settings: Mapping[str, object] = field(default_factory=dict[str, object])
    about: Mapping[str, JSON] = field(default_factory=dict[str, JSON])


def make_run(path: Path, run: GivenRun) -> Path:
    """Write a run's directory and return its path."""
    config = EvalConfig.load(
        None,
        {
            "model": "my:model",
            "benchmarks": [{"name": run.benchmark, "params": run.params}],
            "strategies": [row.strategy for row in run.rows],
            **run.settings,
        },
    )
    title = config.benchmarks[0].title
    with RunDirectory(path).open(config, run.about, resume=False) as store:
        planned = [len(row.marks) if row.num_planned is None else row.num_planned for row in run.rows]
        store.set_cells(
            [
                StoredCell(
                    number=number,
                    benchmark=title,
                    strategy=row.strategy,
                    num_problems=planned[number],
                    fingerprint=f"{number}",
                )
                for number, row in enumerate(run.rows)
            ]
        )
        for number, row in enumerate(run.rows):
            for place, mark in enumerate(row.marks):
                store.add(_result(row, number, place, mark), cell_seconds=1.0)
    return path


def make_system(strategy: str, marks_by_seed: Mapping[int, str]) -> System:
    """Return a system with a run a seed, without a run directory; marks as of `Given`."""
    results = dict[str, dict[int, Result]]()
    for seed, marks in marks_by_seed.items():
        for place, mark in enumerate(marks):
            result = _result(Given(strategy=strategy, marks=marks), 0, place, mark)
            results.setdefault(result.problem_id, {})[seed] = result
    sources = tuple(
        Source(
            directory=f"run{seed}",
            model="my:model",
            options={},
            budget="",
            seed=seed,
            setting=Setting(),
            graders={},
        )
        for seed in marks_by_seed
    )
    return System(
        sources=sources,
        benchmark=BenchmarkKey(title="sums", name="sums", params={}),
        strategy=strategy,
        name=strategy,
        params={},
        results=results,
        label=strategy,
    )


def _result(row: Given, cell: int, place: int, mark: str) -> Result:
    outcome = Outcome(
        answer=None if mark in "x-" else mark,
        stop_reason="error" if mark == "x" else "finished",
        error="broken" if mark == "x" else None,
        # Costs vary from problem to problem, and come to the given ones in the mean of an even number of them.
        usage=Usage(generated=row.tokens + (place % 2 * 2 - 1), calls=1, flops=None, usd=row.usd),
        seconds=row.seconds,
        critical_path_tokens=row.tokens // 2,
    )
    reason = "no answer" if mark == "-" else ""
    return Result(
        key=f"{cell}/{place}",
        cell=cell,
        position=row.first + place,
        problem_id=f"p{row.first + place}",
        question=f"What is {row.first + place}?",
        target=row.target,
        outcome=outcome,
        grade=Grade(correct=mark == "1", value=float(mark == "1"), reason=reason),
    )
