"""Tables for the terminal, of text that nobody vouches for."""

from __future__ import annotations

import io
import shutil
import sys
from collections.abc import Collection, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ttscale.cli.console import one_line


def render_table(
    titles: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    numbers: Collection[str],
    width: int | None = None,
) -> str:
    """Return a table as plain text without an end of line; texts that are too long are folded.

    Args:
        titles: of the columns.
        rows: a cell a column.
        numbers: titles of the columns that hold numbers, which stand to the right and are never folded.
        width: in characters; default the terminal's, or 120 where there is none.
    """
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for title in titles:
        is_number = title in numbers
        table.add_column(
            Text(title), justify="right" if is_number else "left", no_wrap=is_number, overflow="fold"
        )
    for row in rows:
        table.add_row(*(Text(one_line(cell)) for cell in row))
    console = Console(file=io.StringIO(), width=width or _width(), color_system=None, highlight=False)
    console.print(table)
    assert isinstance(console.file, io.StringIO)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines()).strip("\n")


def _width() -> int:
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else 120
