"""The curves as one page that needs nothing else, drawn with the style and the plot of the report of a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import ttscale
from ttscale.types import JSON
from ttscale_evals.compare.tables import Table
from ttscale_evals.curves.measuring import TITLES, Curves, Estimate, Measure, Point
from ttscale_evals.curves.report import CurveReport, curves_table, lines_of, models_table, name_of
from ttscale_evals.report import formats
from ttscale_evals.report.assembly import assemble, asset, escaped, list_items
from ttscale_evals.report.pack import json_for_script
from ttscale_evals.report.text import label

_PACKAGE: Final = "ttscale_evals.curves"
_VIEWS: Final[Mapping[str, tuple[Measure, ...]]] = {
    "maj@k and pass@k": ("maj", "pass"),
    "maj@k": ("maj",),
    "pass@k": ("pass",),
    "pass^k": ("pass_hat",),
    "best@k": ("best", "maj", "pass"),
}
"""What the plot shows together, by name."""


def render_html(report: CurveReport, *, title: str) -> str:
    """Return the page.

    Args:
        report: what it shows; its names are escaped here.
        title: its heading.
    """
    known = {name for one in report.curves for point in one.points for name in point.estimates}
    views = [view for view, measures in _VIEWS.items() if measures[0] in known] or ["pass@k"]
    groups = report.by_benchmark()
    parts = {
        "title": escaped(title),
        "summary": _summary(report),
        "measures": "".join(_view(view, is_first=view == views[0]) for view in views),
        "models": "\n".join(_table(models_table(name, own)) for name, own in groups),
        "curves": "\n".join(_table(curves_table(name, own)) for name, own in groups),
        "notes": list_items(
            [*lines_of(report), *(f"left out: {one.what}: {one.why}" for one in report.left_out)]
        ),
        "footer": escaped(f"Made by ttscale {ttscale.__version__}."),
        "data": json_for_script(_data(groups, views)),
    }
    script = "\n".join([asset("common.js"), asset("curves.js", package=_PACKAGE), asset("chart.js")])
    style = asset("page.css") + asset("curves.css", package=_PACKAGE)
    return assemble(asset("curves.html", package=_PACKAGE), style=style, script=script, parts=parts)


def _summary(report: CurveReport) -> str:
    models = dict.fromkeys(one.graded.model for one in report.curves)
    benchmarks = dict.fromkeys(one.graded.benchmark for one in report.curves)
    samples = sum(one.honest.num_samples for one in report.curves)
    return escaped(
        f"{len(models)} {'model' if len(models) == 1 else 'models'}, "
        f"{len(benchmarks)} {'benchmark' if len(benchmarks) == 1 else 'benchmarks'}, {samples:,} samples."
    )


def _view(view: str, *, is_first: bool) -> str:
    checked = " checked" if is_first else ""
    return f'<label><input type="radio" name="axis" value="{escaped(view)}"{checked}> {escaped(view)}</label>'


def _table(table: Table) -> str:
    name = escaped(table.title)
    head = "".join(_cell("th", text, is_text=text in table.texts, scope="col") for text in table.columns)
    rows = "\n".join(f"<tr>{''.join(_cells(table, line.cells))}</tr>" for line in table.lines)
    return (
        f'<div class="scroll numbers" role="region" aria-label="{name}" tabindex="0"><table>'
        f"<caption>{name}</caption><thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody></table></div>"
    )


def _cells(table: Table, texts: Sequence[str]) -> Iterator[str]:
    for column, text in zip(table.columns, texts, strict=True):
        is_text = column in table.texts
        yield _cell("th" if is_text else "td", text, is_text=is_text, scope="row" if is_text else "")


def _cell(tag: str, text: str, *, is_text: bool, scope: str) -> str:
    attributes = (f' scope="{scope}"' if scope else "") + ("" if is_text else ' class="number"')
    value, bracket, bounds = (text, "", "") if is_text else text.partition(" [")
    interval = f' <span class="interval">[{escaped(bounds)}</span>' if bracket else ""
    return f"<{tag}{attributes}><bdi>{escaped(value)}</bdi>{interval}</{tag}>"


# ── the plot ──────────────────────────────────────────────────────────────────────────────────────────────


def _data(groups: Sequence[tuple[str, Sequence[Curves]]], views: Sequence[str]) -> JSON:
    return {
        "bands": True,
        "axes": [{"key": view, "title": "samples of a problem, k"} for view in views],
        "benchmarks": [
            {"name": label(name), "points": [point for one in own for point in _points(one, len(own), views)]}
            for name, own in groups
        ],
    }


def _points(one: Curves, num_models: int, views: Sequence[str]) -> list[JSON]:
    return [
        _drawn(one, point, name, estimate, is_alone=num_models == 1, views=views)
        for point in one.points
        for name, estimate in point.estimates.items()
        if point.num_problems == one.honest.num_problems
    ]


def _drawn(
    one: Curves, point: Point, name: Measure, estimate: Estimate, *, is_alone: bool, views: Sequence[str]
) -> JSON:
    """Return one point as the plot of `ttscale_evals.report` draws it; the views are its axes."""
    curve = label(TITLES[name] if is_alone else f"{name_of(one)} · {TITLES[name]}")
    interval = formats.interval(estimate.low, estimate.high)
    return {
        "name": curve,
        "curve": curve,
        "numbers": f"k={point.k}",
        "accuracy": estimate.value,
        "low": estimate.low,
        "high": estimate.high,
        "about": f"{formats.percent(estimate.value)} {interval} of {point.num_problems} problems",
        "bound": False,
        "costs": {view: point.k if name in _VIEWS[view] else None for view in views},
        "texts": dict.fromkeys(views, f"k = {point.k}"),
        "front": [],
    }
