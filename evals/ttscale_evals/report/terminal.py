"""The leaderboard for a terminal."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Final

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ttscale.cli.console import one_line
from ttscale_evals.report.leaderboard import Group, columns, footnotes, group_rows
from ttscale_evals.rows import Row

# Least width at which columns of a rank have room beside those of lower ranks.
_RANK_WIDTHS: Final = ((116, 3), (104, 2), (88, 1))


def render_terminal(rows: Sequence[Row], *, width: int = 120, color: bool = False) -> str:
    """Return the leaderboard as text, a table a benchmark and footnotes below.

    Args:
        rows: the leaderboard.
        width: of the terminal in columns; narrow ones get fewer table columns.
        color: whether to write escape sequences for bold type.
    """
    console = Console(
        file=io.StringIO(),
        width=width,
        force_terminal=color,
        color_system="standard" if color else None,
        highlight=False,
    )
    for group in group_rows(rows):
        console.print(_table(group, rows, width))
    for line in footnotes(rows):
        console.print(Text(one_line(line), style="dim"))
    assert isinstance(console.file, io.StringIO)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines()) + "\n"


def _table(group: Group, rows: Sequence[Row], width: int) -> Table:
    shown = columns(rows, max_rank=next((rank for least, rank in _RANK_WIDTHS if width >= least), 0))
    table = Table(
        title=Text(one_line(group.benchmark), style="bold"),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
    )
    for column in shown:
        table.add_column(
            Text(column.title),
            justify="right" if column.is_number else "left",
            no_wrap=column.is_number,
            overflow="fold",
        )
    for row in group.rows:
        style = "bold" if group.is_best(row) else ""
        table.add_row(*(Text(one_line(column.text(row)), style=style) for column in shown))
    return table
