"""The report as one page that needs nothing else: styles, scripts and data are in it, and it loads nothing.

The content security policy in its head lets only its own style and script in, known by their hashes, and no
request leave the page. Text from models and files enters as escaped HTML here, or as JSON that the page's
script puts into text nodes; see `ttscale_evals.report.text` for what becomes of control characters.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Final

import ttscale
from ttscale.types import JSON
from ttscale_evals.metrics import Basis
from ttscale_evals.report import formats
from ttscale_evals.report.assembly import assemble, asset, escaped, list_items
from ttscale_evals.report.causes import Cause, causes
from ttscale_evals.report.chart import Axis, chart, is_dominated, known_axes
from ttscale_evals.report.column import Column
from ttscale_evals.report.columns import bases, columns, known_note
from ttscale_evals.report.data import ReportData, RunInfo
from ttscale_evals.report.leaderboard import Group, footnotes, group_rows
from ttscale_evals.report.pack import MAX_DETAIL_CHARS, json_for_script, pack
from ttscale_evals.report.text import label, shown
from ttscale_evals.report.tree_packets import MAX_TREE_CHARS
from ttscale_evals.rows import Row

MAX_ANSWERS: Final = 200_000
"""Most answers the page holds; the run's store holds all."""
_MAX_CONFIG_CHARS: Final = 100_000
_STYLES: Final = ("page.css", "trace.css", "timeline.css")
_SCRIPTS: Final = (
    *("common.js", "chart.js", "leaderboard.js"),
    *("tree_model.js", "tree_map.js", "tree_grid.js", "tree_node.js", "tree.js"),
    *("timeline_model.js", "timeline_rows.js", "timeline_map.js", "timeline_node.js", "timeline.js"),
    *("trace.js", "details.js", "problems.js"),
)


def render_html(
    data: ReportData,
    *,
    title: str = "ttscale report",
    max_answers: int = MAX_ANSWERS,
    max_detail_chars: int = MAX_DETAIL_CHARS,
    max_tree_chars: int = MAX_TREE_CHARS,
) -> str:
    """Return the page.

    Args:
        data: what it shows.
        title: its heading.
        max_answers: answers beyond these are left out of the problem browser, and the page says so.
        max_detail_chars: of all samples and time lines together, compressed; beyond that they are left out,
            question by question, and the page says so.
        max_tree_chars: the same for search trees, answer by answer.
    """
    groups, axes = group_rows(data.rows), known_axes(data.rows)
    shown_columns = columns(data.rows, more=True)
    known = bases(shown_columns, data.rows)
    answers = data.answers[:max_answers]
    found = causes(answers)
    packed = pack(answers, found, max_detail_chars=max_detail_chars, max_tree_chars=max_tree_chars)
    omitted = _omitted("answers are", len(data.answers) - max_answers)
    parts = {
        "title": escaped(title),
        "summary": _summary(data),
        "axes": "".join(_axis(axis, is_first=axis is axes[0]) for axis in axes),
        "columns": "".join(_choice(column) for column in shown_columns if column.key != "strategy"),
        "leaderboard": "\n".join(_table(group, shown_columns, known) for group in groups),
        "known": escaped(known_note(shown_columns, data.rows), max_chars=2_000),
        "footnotes": list_items(footnotes(data.rows)),
        "causes": _causes(found.groups),
        "omitted": omitted
        + _omitted("questions' samples are", packed.num_left_out)
        + _omitted("answers' search trees are", packed.num_trees_left_out),
        "runs": "\n".join(_run(run) for run in data.runs),
        "footer": f"Made by ttscale {html.escape(ttscale.__version__)}.",
        "data": json_for_script(_charts(groups, axes)),
        "index": packed.index,
        "packets": "\n".join(packed.packets),
        "trees": "\n".join(packed.trees),
        "lines": "\n".join(packed.lines),
    }
    script = "\n".join(asset(name) for name in _SCRIPTS)
    style = "".join(asset(name) for name in _STYLES)
    return assemble(asset("page.html"), style=style, script=script, parts=parts)


def _omitted(what: str, number: int) -> str:
    return f'<p class="note">{number:,} more {what} in the run store only.</p>' if number > 0 else ""


def _summary(data: ReportData) -> str:
    benchmarks = {row.benchmark for row in data.rows}
    strategies = {row.strategy for row in data.rows}
    models = ", ".join(f"<bdi>{escaped(model)}</bdi>" for model in sorted({row.model for row in data.rows}))
    failed = f", {_some(data.num_failed, 'failed problem', 'failed problems')}" if data.num_failed else ""
    return (
        f"{_some(len(strategies), 'strategy', 'strategies')} on "
        f"{_some(len(benchmarks), 'benchmark', 'benchmarks')}, model {models}{failed}."
    )


def _some(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"


def _choice(column: Column) -> str:
    checked = "" if column.is_more else " checked"
    box = f'<input type="checkbox" value="{column.key}"{checked}>'
    return f'<label title="{escaped(column.meaning)}">{box} {escaped(column.title)}</label>'


def _table(group: Group, shown_columns: Sequence[Column], known: Mapping[str, Basis]) -> str:
    head = "".join(_header(column, known.get(column.key)) for column in shown_columns)
    body = "\n".join(
        _row(row, shown_columns, is_best=group.is_best(row), is_dominated=behind)
        for row, behind in zip(group.rows, is_dominated(group.rows), strict=True)
    )
    name = escaped(group.benchmark)
    return (
        f'<div class="scroll leaderboard" role="region" aria-label="{name}" tabindex="0">'
        f"<table><caption>{name}</caption>"
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div>"
    )


def _header(column: Column, basis: Basis | None) -> str:
    sort = "descending" if column.key == "accuracy" else "none"
    kind = f' class="{" ".join([*(["number"] if column.is_number else []), *([basis] if basis else [])])}"'
    title = f"{column.meaning} {basis.capitalize()}." if basis else column.meaning
    return (
        f'<th scope="col" data-column="{column.key}" aria-sort="{sort}"{kind}{_hidden(column)}>'
        f'<button type="button" title="{escaped(title)}">{escaped(column.title)}</button></th>'
    )


def _hidden(column: Column) -> str:
    """Return the attribute of cells that the reader has to ask for."""
    return " hidden" if column.is_more else ""


def _row(row: Row, shown_columns: Sequence[Column], *, is_best: bool, is_dominated: bool) -> str:
    cells = "".join(_cell(row, column, is_dominated=is_dominated) for column in shown_columns)
    kind = ' class="best"' if is_best and not is_dominated else ' class="dominated"' if is_dominated else ""
    return f"<tr{kind}>{cells}</tr>"


def _cell(row: Row, column: Column, *, is_dominated: bool) -> str:
    value = column.value(row)
    attribute = f'data-value="{"" if value is None else escaped(str(value))}"'
    if column.key == "strategy":
        said = '<span class="hidden"> (dominated)</span>' if is_dominated else ""
        return f'<th scope="row" {attribute}><bdi>{escaped(column.text(row))}</bdi>{said}</th>'
    if column.key == "accuracy":
        bounds = escaped(formats.interval(row.accuracy_low, row.accuracy_high))
        point = escaped(formats.percent(row.accuracy))
        return f'<td class="number accuracy" {attribute}>{point} <span class="interval">{bounds}</span></td>'
    kind = ' class="number"' if column.is_number else ""
    return f"<td{kind}{_hidden(column)} {attribute}>{escaped(column.text(row))}</td>"


def _causes(groups: Sequence[Cause]) -> str:
    if not groups:
        return '<p class="note">Every problem was brought to an end, answered and judged in full.</p>'
    rows = "\n".join(_cause(cause, place) for place, cause in enumerate(groups))
    heads = "".join(
        f'<th scope="col" class="number">{name}</th>' for name in ("problems", "strategies", "benchmarks")
    )
    return (
        '<div class="scroll" role="region" aria-label="Errors" tabindex="0"><table id="causes">'
        '<caption class="hidden">What went wrong, by cause</caption>'
        f'<thead><tr><th scope="col">cause</th>{heads}<th scope="col">list</th></tr></thead>'
        f"<tbody>\n{rows}\n</tbody></table></div>"
        '<p class="note">A problem is counted under every cause it has; answers that are only wrong are not '
        "here. Errors that differ in numbers alone are one cause.</p>"
    )


def _cause(cause: Cause, place: int) -> str:
    counts = (cause.num_problems, cause.num_strategies, cause.num_benchmarks)
    cells = "".join(f'<td class="number">{count:,}</td>' for count in counts)
    show = (
        f'<button type="button" data-cause="{place}">show<span class="hidden"> these problems</span></button>'
    )
    return f'<tr><th scope="row"><bdi>{escaped(cause.title)}</bdi></th>{cells}<td>{show}</td></tr>'


def _run(run: RunInfo) -> str:
    return (
        f"<h3><bdi>{escaped(run.directory)}</bdi></h3><pre>{_block(run.command)}</pre>"
        f"<details><summary>Resolved configuration</summary><pre>{_block(run.config)}</pre></details>"
    )


def _block(text: str) -> str:
    return html.escape(shown(text, max_chars=_MAX_CONFIG_CHARS) or "")


def _axis(axis: Axis, *, is_first: bool) -> str:
    checked = " checked" if is_first else ""
    button = f'<input type="radio" name="axis" value="{axis.key}" id="plot-{axis.key}"{checked}>'
    return f"<label>{button} {escaped(axis.name)}</label>"


def _charts(groups: Sequence[Group], axes: Sequence[Axis]) -> JSON:
    return {
        "axes": [{"key": axis.key, "title": axis.title} for axis in axes],
        "benchmarks": [{"name": label(group.benchmark), **chart(group.rows, axes)} for group in groups],
    }
