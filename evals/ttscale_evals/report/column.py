"""What a column of the leaderboard is, and how those of numbers are made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ttscale_evals.report import formats
from ttscale_evals.rows import Row

Number = Callable[[Row], float | None]
Rows = Sequence[Row]


def always(_: Rows) -> bool:
    """Return that a column has something to say of any rows."""
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column: what it shows of a row, and what it is sorted by."""

    key: str
    title: str
    meaning: str
    """A sentence for readers who do not know the title."""
    text: Callable[[Row], str]
    value: Callable[[Row], float | str | None]
    """``None``: unknown, sorted last."""
    field: str = ""
    """The row's field that it rests on, by which it is looked up how the number is known; empty: no number."""
    is_number: bool = True
    rank: int = 0
    """How dispensable it is where there is little room; 0: always shown, 5: never in a terminal."""
    where: Callable[[Rows], bool] = always
    """Whether it has something to say of these rows."""
    is_more: bool = False
    """Whether only readers who ask for it see it."""


def several(of: Callable[[Row], str]) -> Callable[[Rows], bool]:
    """Return whether rows have several of these texts."""
    return lambda rows: len({of(row) for row in rows}) > 1


def any_of(number: Number) -> Callable[[Rows], bool]:
    """Return whether a number is there and not 0 in some row."""
    return lambda rows: any(number(row) for row in rows)


def number_column(
    key: str,
    title: str,
    meaning: str,
    number: Number,
    text: Callable[[float | None], str] = formats.count,
    *,
    field: str,
    rank: int = 5,
    where: Callable[[Rows], bool] | None = None,
    is_more: bool = True,
) -> Column:
    """Return a column of a number; by default one that is seen on request, where some row has it."""
    return Column(
        key=key,
        title=title,
        meaning=meaning,
        text=lambda row: text(number(row)),
        value=number,
        field=field,
        rank=rank,
        where=any_of(number) if where is None else where,
        is_more=is_more,
    )


def per_problem(number: Number) -> Number:
    """Return the mean of a problem of what a row has the sum of."""

    def mean(row: Row) -> float | None:
        total = number(row)
        return None if total is None or not row.num_problems else total / row.num_problems

    return mean
