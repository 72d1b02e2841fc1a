"""The comparison as Markdown."""

from __future__ import annotations

from ttscale_evals.compare.comparison import Comparison
from ttscale_evals.compare.tables import Line, Table, tables_of
from ttscale_evals.compare.terminal import LEGEND
from ttscale_evals.report.markdown import escape


def render_markdown(comparison: Comparison, *, title: str = "ttscale comparison") -> str:
    """Return tables and notes; winners are bold, dominated systems in italics."""
    parts = [f"# {escape(title)}"]
    for table in tables_of(comparison):
        parts += [f"## {escape(table.title)}", draw_table(table)]
    left = [f"left out: {entry.what}: {entry.why}" for entry in (*comparison.unreadable, *comparison.left_out)]
    parts.append("\n".join(f"- {escape(line)}" for line in (LEGEND, *comparison.notes, *left)))
    return "\n\n".join(parts) + "\n"


def draw_table(table: Table) -> str:
    """Return a table as Markdown, without its title; bold and dim lines have their first cell marked."""
    head = "| " + " | ".join(map(escape, table.columns)) + " |"
    rule = "|" + "|".join("---" if column in table.texts else "---:" for column in table.columns) + "|"
    return "\n".join([head, rule, *map(_line, table.lines)])


def _line(line: Line) -> str:
    mark = "*" if line.is_dim else "**" if line.is_bold else ""
    first, *others = map(escape, line.cells)
    return "| " + " | ".join([f"{mark}{first}{mark}", *others]) + " |"
