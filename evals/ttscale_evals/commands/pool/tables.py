"""Tables for the terminal, of text that nobody vouches for."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from rich.text import Text

from ttscale.cli.console import one_line, screen
from ttscale_evals.drawing import add_column, drawn, empty_table


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
    table = empty_table()
    for title in titles:
        add_column(table, title, is_number=title in numbers)
    for row in rows:
        table.add_row(*(Text(one_line(cell)) for cell in row))
    return drawn([table], width=width or screen()["width"]).strip("\n")
