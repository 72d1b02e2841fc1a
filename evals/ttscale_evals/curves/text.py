"""The curves as text: for a terminal, and as Markdown."""

from __future__ import annotations

from rich.text import Text

from ttscale.cli.console import one_line
from ttscale_evals.compare import markdown, terminal
from ttscale_evals.curves.report import CurveReport, lines_of, tables_of
from ttscale_evals.drawing import drawn
from ttscale_evals.report.markdown import escape


def render_terminal(report: CurveReport, *, width: int = 120, color: bool = False) -> str:
    """Return tables and notes for a terminal of so many columns, with escape sequences if it has colours."""
    tables = [terminal.draw_table(table) for table in tables_of(report)]
    notes = [Text(one_line(line, max_chars=2_000), style="dim") for line in lines_of(report)]
    return drawn([*tables, *notes], width=width, color=color)


def render_markdown(report: CurveReport, *, title: str) -> str:
    """Return tables and notes as Markdown."""
    parts = [f"# {escape(title)}"]
    for table in tables_of(report):
        parts += [f"## {escape(table.title)}", markdown.draw_table(table)]
    left = [f"left out: {one.what}: {one.why}" for one in report.left_out]
    parts.append("\n".join(f"- {escape(line)}" for line in (*lines_of(report), *left)))
    return "\n\n".join(parts) + "\n"
