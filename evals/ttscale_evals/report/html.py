"""The report as one page that needs nothing else: scripts, styles and data are in it, and it loads nothing.

The content security policy in its head lets only its own three scripts run, known by their hashes, and no
request leave the page. Text from models and files enters as escaped HTML here, or as JSON that the page's
script puts into text nodes.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Final

import ttscale
from ttscale.cli.console import finite, sanitise
from ttscale.errors import MissingExtra
from ttscale.types import JSON
from ttscale_evals.report import formats
from ttscale_evals.report.data import Answer, ReportData, RunInfo
from ttscale_evals.report.figures import figures
from ttscale_evals.report.leaderboard import Column, Group, columns, footnotes, group_rows
from ttscale_evals.rows import Row

MAX_ANSWERS: Final = 5_000
"""Most answers the page holds; the run's store holds all."""
MAX_TEXT_CHARS: Final = 1_500
"""Longer texts are cut in the page."""


def render_html(data: ReportData, *, title: str = "ttscale report", max_answers: int = MAX_ANSWERS) -> str:
    """Return the page.

    Args:
        data: what it shows.
        title: its heading.
        max_answers: answers beyond these are left out of the problem browser, and the page says so.

    Raises:
        MissingExtra: plotly, whose script draws the plots, is not installed.
    """
    plotly, script = _plotly(), _asset("page.js")
    groups = group_rows(data.rows)
    parts = {
        "policy": html.escape(_policy(plotly, script)),
        "title": _escaped(title),
        "style": _asset("page.css"),
        "summary": _escaped(_summary(data)),
        "leaderboard": "\n".join(_table(group, columns(data.rows)) for group in groups),
        "footnotes": _items(footnotes(data.rows)),
        "omitted": _omitted(len(data.answers) - max_answers),
        "runs": "\n".join(_run(run) for run in data.runs),
        "footer": f"Made by ttscale {html.escape(ttscale.__version__)}.",
        "data": _json_for_script(_page_data(groups, data.answers[:max_answers])),
        "plotly": plotly,
        "script": script,
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], _asset("page.html"))


def _asset(name: str) -> str:
    return resources.files("ttscale_evals.report").joinpath("page", name).read_text(encoding="utf-8")


def _plotly() -> str:
    try:
        from plotly.offline import get_plotlyjs
    except ImportError as error:
        raise MissingExtra("plotly", "evals") from error
    source: str = get_plotlyjs()
    return source


def _omitted(number: int) -> str:
    return f'<p class="note">{number:,} more answers are in the run store.</p>' if number > 0 else ""


def _policy(*scripts: str) -> str:
    hashes = " ".join(f"'sha256-{_hash(script)}'" for script in scripts)
    # Plotly writes styles at run time and makes images of plots out of data and blob URLs.
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:; "
        f"connect-src 'none'; base-uri 'none'; form-action 'none'"
    )


def _hash(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _escaped(text: str) -> str:
    return html.escape(sanitise(text))


def _items(lines: Sequence[str]) -> str:
    return '<ul class="footnotes">' + "".join(f"<li>{_escaped(line)}</li>" for line in lines) + "</ul>"


def _summary(data: ReportData) -> str:
    benchmarks = {row.benchmark for row in data.rows}
    strategies = {row.strategy for row in data.rows}
    models = sorted({row.model for row in data.rows})
    failed = f", {_some(data.num_failed, 'failed problem', 'failed problems')}" if data.num_failed else ""
    return (
        f"{_some(len(strategies), 'strategy', 'strategies')} on "
        f"{_some(len(benchmarks), 'benchmark', 'benchmarks')}, model {', '.join(models)}{failed}."
    )


def _some(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def _table(group: Group, shown: Sequence[Column]) -> str:
    head = "".join(_header(column) for column in shown)
    body = "\n".join(_row(row, shown, is_best=group.is_best(row)) for row in group.rows)
    return (
        f'<div class="scroll leaderboard" role="region" aria-label="{_escaped(group.benchmark)}" tabindex="0">'
        f"<table><caption>{_escaped(group.benchmark)}</caption>"
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div>"
    )


def _header(column: Column) -> str:
    sort = "descending" if column.key == "accuracy" else "none"
    kind = ' class="number"' if column.is_number else ""
    return (
        f'<th scope="col" aria-sort="{sort}"{kind}>'
        f'<button type="button" title="{_escaped(column.meaning)}">{_escaped(column.title)}</button></th>'
    )


def _row(row: Row, shown: Sequence[Column], *, is_best: bool) -> str:
    cells = "".join(_cell(row, column) for column in shown)
    kind = ' class="best"' if is_best else ""
    return f"<tr{kind}>{cells}</tr>"


def _cell(row: Row, column: Column) -> str:
    value = column.value(row)
    attribute = f'data-value="{"" if value is None else _escaped(str(value))}"'
    if column.key == "strategy":
        return f'<th scope="row" {attribute}>{_escaped(column.text(row))}</th>'
    if column.key == "accuracy":
        bounds = _escaped(formats.interval(row.accuracy_low, row.accuracy_high))
        point = _escaped(formats.percent(row.accuracy))
        return f'<td class="number accuracy" {attribute}>{point} <span class="interval">{bounds}</span></td>'
    kind = ' class="number"' if column.is_number else ""
    return f"<td{kind} {attribute}>{_escaped(column.text(row))}</td>"


def _run(run: RunInfo) -> str:
    return (
        f"<h3>{_escaped(run.directory)}</h3><pre>{_escaped(run.command)}</pre>"
        f"<details><summary>Resolved configuration</summary><pre>{_escaped(run.config)}</pre></details>"
    )


def _page_data(groups: Sequence[Group], answers: Sequence[Answer]) -> dict[str, JSON]:
    """Return what the page's script reads; each question is there once, however many strategies answered it."""
    several_models = len({answer.model for answer in answers}) > 1
    questions: dict[tuple[str, str], int] = {}
    asked: list[JSON] = []
    systems: dict[str, int] = {}
    problems: list[JSON] = []
    for answer in answers:
        system = f"{answer.strategy} · {answer.model}" if several_models else answer.strategy
        key = (answer.benchmark, answer.problem_id)
        if key not in questions:
            questions[key] = len(asked)
            asked.append(_question(answer))
        position = systems.setdefault(sanitise(system), len(systems))
        problems.append({"question": questions[key], "system": position, **_answer(answer)})
    return {
        "benchmarks": [{"name": sanitise(group.benchmark), "figures": figures(group.rows)} for group in groups],
        "systems": list(systems),
        "questions": asked,
        "problems": problems,
    }


def _question(answer: Answer) -> Mapping[str, JSON]:
    return {
        "benchmark": sanitise(answer.benchmark),
        "id": sanitise(answer.problem_id),
        "text": _cut(answer.question),
        "target": _cut(answer.target),
    }


def _answer(answer: Answer) -> Mapping[str, JSON]:
    return {
        "result": answer.result,
        "answer": _cut(answer.answer),
        "text": _cut(answer.text),
        "error": _cut(answer.error),
        "tokens": answer.tokens,
        "seconds": answer.seconds,
        "stopped": answer.stop_reason,
        "confidence": None if answer.confidence is None else round(answer.confidence, 4),
    }


def _cut(text: str | None) -> str | None:
    if text is None:
        return None
    clean = sanitise(text)
    return clean if len(clean) <= MAX_TEXT_CHARS else clean[:MAX_TEXT_CHARS] + " …"


def _json_for_script(document: JSON) -> str:
    """Return JSON that cannot end or open a script element: every <, > and & is written as an escape."""
    written = json.dumps(finite(document), allow_nan=False, separators=(",", ":"))
    return written.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
