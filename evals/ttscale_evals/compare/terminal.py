"""The comparison for a terminal."""

from __future__ import annotations

import io
from typing import Final

from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from ttscale.cli.console import one_line
from ttscale_evals.compare.comparison import Comparison
from ttscale_evals.compare.tables import Line, Table, tables_of

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
    console = Console(
        file=io.StringIO(),
        width=width,
        force_terminal=color,
        color_system="standard" if color else None,
        highlight=False,
    )
    for table in tables_of(comparison):
        console.print(_drawn(table))
    for line in (LEGEND, *comparison.notes):
        console.print(Text(one_line(line), style="dim"))
    assert isinstance(console.file, io.StringIO)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines()) + "\n"


def _drawn(table: Table) -> RichTable:
    drawn = RichTable(
        title=Text(one_line(table.title), style="bold"),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
    )
    for column in table.columns:
        is_text = column in table.texts
        drawn.add_column(
            Text(column), justify="left" if is_text else "right", no_wrap=not is_text, overflow="fold"
        )
    for line in table.lines:
        drawn.add_row(*(Text(one_line(cell), style=_style(line)) for cell in line.cells))
    return drawn


def _style(line: Line) -> str:
    return "dim" if line.is_dim else "bold" if line.is_bold else ""
