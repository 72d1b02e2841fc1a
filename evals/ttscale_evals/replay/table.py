"""A comparison for a terminal: a table for each model and benchmark, and one over all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from ttscale.cli.console import one_line
from ttscale_evals.drawing import add_column, drawn, empty_table
from ttscale_evals.replay.matched import AtEqualCost, Matched
from ttscale_evals.replay.totals import Total, totals
from ttscale_evals.report import formats
from ttscale_evals.report.row_texts import difference_text, saving_text
from ttscale_evals.rows import Row

_FOOTNOTES: Final = (
    "accuracy: in the order of the recording; the rest is the mean over drawn orders, if any.",
    "= tokens, = samples, = path: the strategy's accuracy minus that of the plain majority that costs the "
    "same, in points, with its 95 % paired interval over problems; a dash where none does.",
    "saved: share of the tokens that the plain majority needs for the strategy's accuracy; a dash where it has "
    "that with one sample, or never.",
    "mean@n, pass@n: one recorded sample, and the right one of them if there is any.",
)


@dataclass(frozen=True, slots=True)
class _Column:
    title: str
    text: Callable[[Row], str]
    least_width: int = 0
    """Of the terminal; in a narrower one it is left out."""


def render_comparison(rows: Sequence[Row], *, num_orders: int, width: int = 120, color: bool = False) -> str:
    """Return the tables as text.

    Args:
        rows: of all runs.
        num_orders: how many orders were drawn; 0: the recorded one was compared.
        width: of the terminal in columns.
        color: whether to write escape sequences for bold type.
    """
    parts = list[RenderableType]()
    for model, benchmark in dict.fromkeys((row.model, row.benchmark) for row in rows):
        own = [row for row in rows if (row.model, row.benchmark) == (model, benchmark)]
        parts.append(_table(own, num_orders, width))
    if len(parts) > 1:
        parts.append(_total_table(totals(rows)))
    parts += [
        Text(one_line(f"refused ({row.model}, {row.benchmark}): {row.refused}"))
        for row in rows
        if row.refused is not None
    ]
    parts += [Text(line, style="dim") for line in _FOOTNOTES]
    return drawn(parts, width=width, color=color)


def _table(rows: Sequence[Row], num_orders: int, width: int) -> Table:
    first = rows[0]
    orders = f", {num_orders} orders" if num_orders > 1 else ", one order" if num_orders else ", as recorded"
    table = empty_table(
        f"{first.model} · {first.benchmark} ({formats.count(first.num_problems)} problems{orders})"
    )
    columns = [column for column in _columns(num_orders) if width >= column.least_width]
    for column in columns:
        add_column(table, column.title, is_number=column.title != "strategy")
    for row in sorted(rows, key=lambda row: row.is_bound):
        style = "dim" if row.is_bound else ""
        table.add_row(*(Text(one_line(column.text(row)), style=style) for column in columns))
    return table


def _columns(num_orders: int) -> list[_Column]:
    """Return the columns; costs are means over drawn orders where there are any."""
    over = _Column("over orders", _over_orders, 96)
    return [
        _Column("strategy", lambda row: row.strategy),
        _Column("accuracy", lambda row: _percent(row.accuracy)),
        *([over] if num_orders else []),
        _Column("samples", lambda row: _cost(row, "samples_per_problem", "{:.2f}".format)),
        _Column("tokens", lambda row: _cost(row, "tokens_per_problem", formats.magnitude)),
        _Column("path", lambda row: _cost(row, "critical_path_tokens_per_problem", formats.magnitude), 76),
        _Column("= tokens", _matching(lambda matched: difference_text(matched.at_equal_tokens))),
        _Column("= samples", _matching(lambda matched: _difference(matched.at_equal_samples)), 138),
        _Column("= path", _matching(lambda matched: _difference(matched.at_equal_critical_path)), 126),
        _Column("saved", _matching(lambda matched: saving_text(matched.at_equal_accuracy)), 116),
    ]


def _difference(compared: AtEqualCost) -> str:
    return formats.points(compared.difference)


def _percent(value: float | None) -> str:
    return formats.UNKNOWN if value is None else f"{100 * value:.1f}"


def _cost(row: Row, name: str, text: Callable[[float], str]) -> str:
    value: float | None = getattr(row if row.average is None else row.average, name)
    return formats.UNKNOWN if value is None else text(value)


def _over_orders(row: Row) -> str:
    if row.average is None:
        return ""
    over = row.average
    return f"{_percent(over.accuracy)} {formats.interval(over.accuracy_low, over.accuracy_high)}"


def _matching(text: Callable[[Matched], str]) -> Callable[[Row], str]:
    return lambda row: "" if row.matched is None else text(row.matched)


def _total_table(members: Sequence[Total]) -> Table:
    table = empty_table("all models and benchmarks, in the recorded order")
    names = ("strategy", "rows", "problems", "accuracy", "mean of rows", "samples", "tokens", "path")
    for name in names:
        table.add_column(Text(name), justify="left" if name == "strategy" else "right", no_wrap=True)
    for total in members:
        table.add_row(
            Text(one_line(total.strategy)),
            formats.count(total.num_rows),
            formats.count(total.num_problems),
            f"{100 * total.accuracy:.2f} %",
            f"{100 * total.mean_accuracy:.2f} %",
            f"{total.samples_per_problem:.3f}",
            formats.count(total.tokens_per_problem),
            formats.count(total.critical_path_tokens_per_problem),
        )
    return table
