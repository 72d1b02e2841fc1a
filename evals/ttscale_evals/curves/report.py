"""Everything that is shown of recorded samples, as plain data, tables and lines."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Final

from ttscale import __version__
from ttscale.types import JSON
from ttscale_evals.compare.tables import Line, Table
from ttscale_evals.curves.grading import LeftOut
from ttscale_evals.curves.measuring import MEASURES, TITLES, Curves, Estimate, Measure, Point
from ttscale_evals.report import formats
from ttscale_evals.report.csv_rows import csv_cell

LEGEND: Final = (
    "accuracy: of one sample (mean@1), with its 95 % bootstrap interval over problems and its standard "
    "error, in points; samples without a grade count as wrong, and are left out in “without errors”. "
    "maj@all: the majority of all samples of a problem, ties to the answer seen first; any: one of them is "
    "right; best: the one of the greatest reward.",
    "maj@k: the majority of k samples, exactly, over all subsets, ties shared; pass@k: one of k is right; "
    "pass^k: all of k are; best@k: the one of the greatest reward; with 95 % bootstrap intervals over "
    "problems.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CurveReport:
    """All curves, and what was left out."""

    seed: int
    """Of the resampling."""
    curves: Sequence[Curves]
    """By benchmark."""
    left_out: Sequence[LeftOut] = ()

    def to_json(self) -> dict[str, JSON]:
        """Return the document of ``ttscale pool curves --json``."""
        return {
            "version": __version__,
            "seed": self.seed,
            "rows": [_row(one) for one in self.curves],
            "left_out": [asdict(one) for one in self.left_out],
        }

    def by_benchmark(self) -> list[tuple[str, list[Curves]]]:
        """Return the curves of each benchmark, in their order."""
        ordered = sorted(self.curves, key=lambda one: self._place(one.graded.benchmark))
        return [(name, list(own)) for name, own in groupby(ordered, lambda one: one.graded.benchmark)]

    def _place(self, benchmark: str) -> int:
        return [one.graded.benchmark for one in self.curves].index(benchmark)


def name_of(curves: Curves) -> str:
    """Return what to call a row: the model, with the grader where there are several."""
    graded = curves.graded
    return f"{graded.model} · {graded.grader}" if graded.grader else graded.model


def _row(curves: Curves) -> dict[str, JSON]:
    graded, honest, single = curves.graded, curves.honest, curves.accuracy
    without = curves.without_errors
    return {
        "benchmark": graded.benchmark,
        "model": graded.model,
        "grader": graded.grader or None,
        "graded_by": graded.graded_by,
        "num_problems": honest.num_problems,
        "num_samples": honest.num_samples,
        "min_samples": min(graded.num_samples),
        "max_samples": max(graded.num_samples),
        "num_not_graded": honest.num_errored,
        "accuracy": single.value,
        "accuracy_low": single.low,
        "accuracy_high": single.high,
        "stderr": single.stderr,
        "accuracy_errors_excluded": None if without is None else without[0],
        "stderr_errors_excluded": None if without is None else without[1],
        "supportable_low": honest.supportable.low,
        "supportable_high": honest.supportable.high,
        "all_samples": {name: curves.final.get(name) for name in MEASURES},
        "points": [_point(point) for point in curves.points],
        "notes": list(curves.notes),
    }


def _point(point: Point) -> dict[str, JSON]:
    found: dict[str, JSON] = {"k": point.k, "num_problems": point.num_problems}
    for name in MEASURES:
        estimate = point.estimates.get(name)
        found[name] = None if estimate is None else asdict(estimate)
    return found


# ── tables ────────────────────────────────────────────────────────────────────────────────────────────────


def tables_of(report: CurveReport) -> list[Table]:
    """Return for each benchmark a table of models, and one of their curves."""
    tables = list[Table]()
    for benchmark, own in report.by_benchmark():
        tables += [models_table(benchmark, own), curves_table(benchmark, own)]
    return tables


def models_table(benchmark: str, own: Sequence[Curves]) -> Table:
    """Return what one sample, and all of them, are worth: a line a model."""
    has_errors = any(one.without_errors is not None for one in own)
    finals: list[Measure] = [
        name for name in MEASURES if name != "pass_hat" and any(name in one.final for one in own)
    ]
    shown: dict[Measure, str] = {"maj": "maj@all", "pass": "any", "best": "best"}
    errors = ("no grade", "without errors") if has_errors else ()
    return Table(
        title=benchmark,
        columns=(
            "model",
            "n",
            "samples",
            *errors,
            "accuracy [95 %]",
            "stderr",
            *(shown[name] for name in finals),
        ),
        texts=frozenset({"model"}),
        lines=tuple(
            Line(
                cells=(
                    name_of(one),
                    formats.count(one.honest.num_problems),
                    _samples(one),
                    *(_errors(one) if has_errors else ()),
                    _text(one.accuracy),
                    _stderr(one.accuracy.stderr),
                    *(formats.percent(one.final.get(name)) for name in finals),
                )
            )
            for one in own
        ),
    )


def _errors(one: Curves) -> tuple[str, str]:
    if one.without_errors is None:
        return formats.count(one.honest.num_errored), ""
    value, stderr = one.without_errors
    return formats.count(one.honest.num_errored), f"{formats.percent(value)} ± {_stderr(stderr)}"


def curves_table(benchmark: str, own: Sequence[Curves]) -> Table:
    """Return the curves: a line a model and k."""
    shown: list[Measure] = [
        name for name in MEASURES if any(name in point.estimates for one in own for point in one.points)
    ]
    is_partial = any(point.num_problems < one.honest.num_problems for one in own for point in one.points)
    return Table(
        title=f"{benchmark}: k samples of a problem",
        columns=("model", "k", *(("n",) if is_partial else ()), *(f"{TITLES[name]} [95 %]" for name in shown)),
        texts=frozenset({"model"}),
        lines=tuple(
            Line(
                cells=(
                    name_of(one),
                    str(point.k),
                    *((formats.count(point.num_problems),) if is_partial else ()),
                    *(_text(point.estimates.get(name)) for name in shown),
                )
            )
            for one in own
            for point in one.points
        ),
    )


def _samples(one: Curves) -> str:
    least, most = min(one.graded.num_samples), max(one.graded.num_samples)
    return f"{least:,}" if least == most else f"{least:,}–{most:,}"


def _text(estimate: Estimate | None) -> str:
    if estimate is None:
        return formats.UNKNOWN
    return f"{formats.percent(estimate.value)} {formats.interval(estimate.low, estimate.high)}"


def _stderr(value: float | None) -> str:
    return formats.UNKNOWN if value is None else f"{100 * value:.2f}"


def lines_of(report: CurveReport) -> list[str]:
    """Return what a reader must know, the general first; what holds of several models is said once."""
    lines: list[str] = [*LEGEND]
    for benchmark, own in report.by_benchmark():
        graded_by = dict[str, list[str]]()
        notes = dict[str, list[str]]()
        for one in own:
            graded_by.setdefault(one.graded.graded_by, []).append(name_of(one))
            for note in one.notes:
                notes.setdefault(note, []).append(name_of(one))
        lines += [f"{benchmark}, {_whose(names, own)}graded by {by}." for by, names in graded_by.items()]
        lines += [f"{benchmark}, {_whose(names, own)}{note}." for note, names in notes.items()]
    return lines


def _whose(names: Sequence[str], own: Sequence[Curves]) -> str:
    if len(names) == len(own) and len(own) > 1:
        return "all models: "
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{', '.join(names[:3])}{more}: "


# ── files ─────────────────────────────────────────────────────────────────────────────────────────────────

_CSV_COLUMNS: Final = (
    *("benchmark", "model", "grader", "graded_by", "measure", "k"),
    *("num_problems", "value", "low", "high", "stderr"),
)


def render_csv(report: CurveReport) -> str:
    """Return one line a benchmark, model, measure and k; `accuracy` has no k."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(_CSV_COLUMNS)
    for one in report.curves:
        graded = one.graded
        first = list(map(csv_cell, (graded.benchmark, graded.model, graded.grader, graded.graded_by)))
        single = one.accuracy
        writer.writerow([*first, "accuracy", "", one.honest.num_problems, *_numbers(single)])
        for point in one.points:
            for name, estimate in point.estimates.items():
                writer.writerow([*first, TITLES[name], point.k, point.num_problems, *_numbers(estimate)])
    return file.getvalue()


def _numbers(estimate: Estimate) -> list[float | None]:
    return [estimate.value, estimate.low, estimate.high, estimate.stderr]
