"""The report as Markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ttscale.cli.console import one_line, sanitise
from ttscale_evals.report.column import Column
from ttscale_evals.report.columns import columns, known_note
from ttscale_evals.report.data import ReportData
from ttscale_evals.report.leaderboard import Group, footnotes, group_rows
from ttscale_evals.rows import Row


def render_markdown(data: ReportData, *, title: str = "ttscale report") -> str:
    """Return the leaderboard, its footnotes and each run's configuration as Markdown."""
    parts, shown = [f"# {escape(title)}"], columns(data.rows)
    for group in group_rows(data.rows):
        parts += [f"## {escape(group.benchmark)}", _table(group, shown)]
    notes = [*footnotes(data.rows), f"How numbers are known: {known_note(shown, data.rows)}"]
    parts.append("\n".join(f"- {escape(line)}" for line in notes))
    for run in data.runs:
        parts += [
            f"## Run {escape(run.directory)}",
            fenced(run.command, "sh"),
            fenced(run.config, "yaml"),
        ]
    return "\n\n".join(parts) + "\n"


def _table(group: Group, shown: Sequence[Column]) -> str:
    lines = [
        "| " + " | ".join(escape(column.title) for column in shown) + " |",
        "|" + "|".join("---:" if column.is_number else "---" for column in shown) + "|",
    ]
    lines += [_line(row, shown, is_best=group.is_best(row)) for row in group.rows]
    return "\n".join(lines)


def _line(row: Row, shown: Sequence[Column], *, is_best: bool) -> str:
    cells = [escape(column.text(row)) for column in shown]
    if is_best:
        cells = [
            f"**{cell}**" if column.key in {"strategy", "accuracy"} else cell
            for cell, column in zip(cells, shown, strict=True)
        ]
    return "| " + " | ".join(cells) + " |"


def escape(text: str) -> str:
    """Return text on one line that Markdown shows as it is."""
    return re.sub(r"([\\`*_{}\[\]<>|#~&])", r"\\\1", one_line(text))


def fenced(text: str, language: str) -> str:
    """Return text as a block of code that nothing in it can end."""
    clean = sanitise(text).rstrip("\n")
    longest = max((len(run) for run in re.findall(r"`+", clean)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{clean}\n{fence}"
