"""The comparison for a terminal."""

from __future__ import annotations

from typing import Final

from rich.table import Table as RichTable
from rich.text import Text

from ttscale.cli.console import one_line
from ttscale_evals.compare.comparison import Comparison
from ttscale_evals.compare.tables import Line, Table, tables_of
from ttscale_evals.drawing import add_column, drawn, empty_table

LEGEND: Final = (
    "points: accuracy minus the other's, in points; only: problems that only the first and only the second has "
    "right; p: McNemar's exact test, by Holm's method over all pairs. At equal cost the curve is interpolated "
    "between measured points, never beyond them. Dominated: another system costs no more and is no less "
    "accurate."
)


def render_terminal(comparison: Comparison, *, width: int = 120, color: bool = False) -> str:
    """Return tables and notes as text.

    Args:
        comparison: what to show.
        width: of the terminal in columns; long names are folded.
        color: whether to write escape sequences: winners in bold, dominated systems grey.
    """
    tables = [draw_table(table) for table in tables_of(comparison)]
    notes = [Text(one_line(line), style="dim") for line in (LEGEND, *comparison.notes)]
    return drawn([*tables, *notes], width=width, color=color) + "\n"


def draw_table(table: Table) -> RichTable:
    """Return a table with its title, to be drawn."""
    shown = empty_table(table.title)
    for column in table.columns:
        add_column(shown, column, is_number=column not in table.texts)
    for line in table.lines:
        shown.add_row(*(Text(one_line(cell), style=_style(line)) for cell in line.cells))
    return shown


def _style(line: Line) -> str:
    return "dim" if line.is_dim else "bold" if line.is_bold else ""
