"""The leaderboard for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.table import Table
from rich.text import Text

from ttscale.cli.console import one_line
from ttscale_evals.drawing import add_column, drawn, empty_table
from ttscale_evals.report.columns import columns
from ttscale_evals.report.leaderboard import Group, footnotes, group_rows
from ttscale_evals.rows import Row

# Least width at which columns of a rank have room beside those of lower ranks.
_RANK_WIDTHS: Final = ((160, 4), (116, 3), (104, 2), (88, 1))


def render_terminal(rows: Sequence[Row], *, width: int = 120, color: bool = False) -> str:
    """Return the leaderboard as text, a table a benchmark and footnotes below.

    Args:
        rows: the leaderboard.
        width: of the terminal in columns; narrow ones get fewer table columns.
        color: whether to write escape sequences for bold type.
    """
    tables = [_table(group, rows, width) for group in group_rows(rows)]
    notes = [Text(one_line(line), style="dim") for line in footnotes(rows)]
    return drawn([*tables, *notes], width=width, color=color) + "\n"


def _table(group: Group, rows: Sequence[Row], width: int) -> Table:
    shown = columns(rows, max_rank=next((rank for least, rank in _RANK_WIDTHS if width >= least), 0))
    table = empty_table(group.benchmark)
    for column in shown:
        add_column(table, column.title, is_number=column.is_number)
    for row in group.rows:
        style = "bold" if group.is_best(row) else ""
        table.add_row(*(Text(one_line(column.text(row)), style=style) for column in shown))
    return table
