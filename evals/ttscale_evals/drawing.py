"""Tables and lines of text that nobody vouches for, drawn for a terminal."""

from __future__ import annotations

import io
from collections.abc import Iterable

from rich import box
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from ttscale.cli.console import one_line


def empty_table(title: str | None = None) -> Table:
    """Return a table without columns and rows."""
    return Table(
        title=None if title is None else Text(one_line(title), style="bold"),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
    )


def add_column(table: Table, title: str, *, is_number: bool) -> None:
    """Add a column: text stands to the left and is folded where it is long, numbers to the right and never."""
    table.add_column(Text(title), justify="right" if is_number else "left", no_wrap=is_number, overflow="fold")


def drawn(parts: Iterable[RenderableType], *, width: int, color: bool = False) -> str:
    """Return tables and lines as text, without blanks at the ends of lines nor a last end of line.

    Args:
        parts: from top to bottom.
        width: of the terminal in columns.
        color: whether to write escape sequences.
    """
    file = io.StringIO()
    console = Console(
        file=file,
        width=width,
        force_terminal=color,
        color_system="standard" if color else None,
        highlight=False,
    )
    for part in parts:
        console.print(part)
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines())
