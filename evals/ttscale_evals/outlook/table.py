"""An estimate as a table for a terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from rich.text import Text

from ttscale.cli.console import one_line
from ttscale_evals.drawing import add_column, drawn, empty_table
from ttscale_evals.outlook.estimate import CellEstimate, Estimate
from ttscale_evals.report import formats

_Show: TypeAlias = Callable[[float | None], str]

_NUMBERS: Final[Sequence[tuple[str, str, _Show]]] = (
    ("samples", "samples", formats.count),
    ("prompt_tokens", "prompt tokens", formats.magnitude),
    ("tokens", "tokens", formats.magnitude),
    ("flops", "FLOPs", formats.magnitude),
    ("usd", "USD", formats.dollars),
    ("seconds", "time", lambda seconds: formats.UNKNOWN if seconds is None else formats.duration(seconds)),
)


def render_estimate(estimate: Estimate, *, width: int, color: bool = False) -> str:
    """Return the matrix with what each row takes, the totals, and notes.

    Args:
        estimate: of a run.
        width: of the terminal in columns.
        color: whether to write escape sequences.
    """
    cells = estimate.cells
    texts: list[tuple[str, Callable[[CellEstimate], str]]] = [("strategy", lambda cell: cell.strategy)]
    if len({cell.model for cell in cells}) > 1:
        texts.append(("model", lambda cell: cell.model))
    if len({cell.budget for cell in cells}) > 1:
        texts.append(("budget", lambda cell: cell.budget or "none"))
    has_done = any(cell.num_done for cell in cells)
    table = empty_table()
    for title in ("benchmark", *(title for title, _ in texts)):
        add_column(table, title, is_number=False)
    for title in ("problems", *(("done",) if has_done else ()), *(title for _, title, _ in _NUMBERS)):
        add_column(table, title, is_number=True)
    for place, cell in enumerate(cells):
        is_first = place == 0 or cells[place - 1].benchmark != cell.benchmark
        if is_first:
            table.add_section()
        counts = [cell.num_problems, *([cell.num_done] if has_done else [])]
        numbers = [_cell_text(cell, name, show) for name, _, show in _NUMBERS]
        names = [cell.benchmark if is_first else "", *(text(cell) for _, text in texts)]
        table.add_row(
            *(Text(one_line(name)) for name in names), *(formats.count(number) for number in counts), *numbers
        )
    table.add_section()
    counts = [sum(cell.num_problems for cell in cells)]
    counts += [sum(cell.num_done for cell in cells)] if has_done else []
    totals = [_total_text(estimate, name, show) for name, _, show in _NUMBERS]
    blank = [""] * len(texts)
    table.add_row("total", *blank, *(formats.count(number) for number in counts), *totals)
    notes = [Text(one_line(note, max_chars=500)) for note in estimate.notes]
    return drawn([table, *notes], width=width, color=color)


def _cell_text(cell: CellEstimate, name: str, show: _Show) -> str:
    value: float | None = getattr(cell, name)
    sign = "≤ " if cell.is_bound else "≈ " if cell.basis == "its own results" else ""
    return show(value) if value is None else f"{sign}{show(value)}"


def _total_text(estimate: Estimate, name: str, show: _Show) -> str:
    value, num_unknown = estimate.total(name)
    if value is None:
        return show(value)
    sign = "≤ " if any(cell.is_bound for cell in estimate.cells) else ""
    more = f" + {num_unknown} unknown" if num_unknown else ""
    return f"{sign}{show(value)}{more}"
