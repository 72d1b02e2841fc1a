"""What a run has come to, always rebuilt from its store."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from ttscale import __version__
from ttscale.budget.prices import PriceFile
from ttscale.types import JSON
from ttscale_evals.benchmarks.base import TIMEOUT
from ttscale_evals.config import EvalConfig, budget_text
from ttscale_evals.metrics import total_usage
from ttscale_evals.pricing import Circumstances
from ttscale_evals.replay.standing import Standing
from ttscale_evals.replay.trials import FILE_NAME, Refusal, TrialStore
from ttscale_evals.rows import Row, bound_rows, known_of, make_row
from ttscale_evals.store import ResultStore, RunDirectory, StoredCell


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A problem that was not brought to an end."""

    benchmark: str
    strategy: str
    model: str
    """What reports call it."""
    budget: str
    """Of the problem, as in ``--budget``; empty: none."""
    problem: str
    error: str
    """May quote a model or server: escape it before showing it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvalResult:
    """What a run has come to."""

    config: EvalConfig
    """Resolved."""
    run_dir: Path
    rows: Sequence[Row]
    failures: Sequence[Failure]
    not_judged: Sequence[Failure] = ()
    """Answers that the grader was late for or broke on."""

    @property
    def num_missing(self) -> int:
        """Problems planned and not done."""
        return sum(row.num_missing for row in self.rows)

    @property
    def is_complete(self) -> bool:
        """Whether every planned problem is done and judged; rows say what they lack, see `Row.not_graded`."""
        return all(row.is_complete for row in self.rows)

    def to_json(self) -> dict[str, JSON]:
        """Return the document of ``ttscale eval --json``."""
        return {
            "version": __version__,
            "model": self.config.model_title,
            "models": [model.title for model in self.config.models],
            "budgets": [budget_text(budget) for budget in self.config.budgets],
            "seed": self.config.seed,
            "run_dir": str(self.run_dir),
            "is_complete": self.is_complete,
            "how_known": known_of(self.rows),
            "rows": [row.to_json() for row in self.rows],
            "failures": [asdict(failure) for failure in self.failures],
            "not_judged": [asdict(failure) for failure in self.not_judged],
        }


def load_rows(run_dir: Path) -> list[Row]:
    """Rebuild the rows of a run, finished or not, from its store.

    Raises:
        ConfigError: the directory holds no run, or a broken one.
    """
    return list(load_result(run_dir).rows)


def load_result(run_dir: Path, *, prices: PriceFile | None = None) -> EvalResult:
    """Rebuild what a run has come to, finished or not, from its store.

    Args:
        run_dir: of the run.
        prices: what dollars are by, in place of the prices that the run was made with.

    Raises:
        ConfigError: as `load_rows`, or the price file lacks a model.
    """
    directory = RunDirectory(run_dir)
    config = directory.config()
    circumstances = Circumstances.of(directory, config, prices)
    rows, failures, not_judged = list[Row](), list[Failure](), list[Failure]()
    with ResultStore(directory.store_path) as store, ExitStack() as stack:
        standing = None
        if (run_dir / FILE_NAME).is_file():
            trials = stack.enter_context(TrialStore(run_dir))
            standing = Standing(trials, num_orders=config.orders, seed=config.seed)
        for cell in directory.cells(store):
            results = circumstances.priced(store.results(cell.number), model=cell.model)
            superseded = store.results(cell.number, superseded=True)
            retried = total_usage(result.outcome.usage for result in superseded).tokens
            seconds = store.wall_seconds(cell.number)
            row = make_row(
                cell,
                results,
                model=cell.model,
                wall_seconds=seconds,
                retried=retried,
                setting=circumstances.setting,
            )
            refusal = None if standing is None else standing.refusals.get(cell.number)
            if refusal is not None:
                rows.append(_refused_row(row, refusal))
                failures.append(_failure(cell, refusal.problem, refusal.reason))
                continue
            if standing is not None:
                over_orders, matched = standing.of(cell, results)
                row = replace(row, average=over_orders, matched=matched)
            rows.append(row)
            failures += [_failure(cell, r.problem_id, r.outcome.error) for r in results if r.is_failed]
            not_judged += [
                _failure(cell, r.problem_id, "grader timeout" if r.grade.reason == TIMEOUT else r.grade.reason)
                for r in results
                if not (r.is_failed or r.grade.is_judged)
            ]
        if standing is not None:
            for (benchmark, model), reference in standing.references.items():
                title = model or config.models[0].title
                rows += bound_rows(reference, benchmark=benchmark, model=title, seed=config.seed)
    return EvalResult(config=config, run_dir=run_dir, rows=rows, failures=failures, not_judged=not_judged)


def _failure(cell: StoredCell, problem: str, error: str | None) -> Failure:
    return Failure(
        benchmark=cell.benchmark,
        strategy=cell.strategy,
        model=cell.model,
        budget=cell.budget,
        problem=problem,
        error=error or "unknown",
    )


def _refused_row(row: Row, refusal: Refusal) -> Row:
    """Return a row that says why it is none; one that was refused in a drawn order only keeps its numbers."""
    refused = replace(row, refused=refusal.reason, num_missing=0)
    if row.num_missing == 0 and row.errors == 0:
        return refused
    return replace(
        refused,
        accuracy=None,
        accuracy_low=None,
        accuracy_high=None,
        accuracy_errors_excluded=None,
        accuracy_supportable_low=None,
        accuracy_supportable_high=None,
    )
