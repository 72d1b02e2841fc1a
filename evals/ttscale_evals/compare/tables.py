"""A comparison as tables of text, drawn by the renderers. Nobody vouches for the text in them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final, TypeVar

from ttscale_evals.compare.axes import AXES, AxisName
from ttscale_evals.compare.comparison import Comparison
from ttscale_evals.compare.entries import Entry
from ttscale_evals.compare.fronts import FrontPoint
from ttscale_evals.compare.matched import MatchedCost, Point
from ttscale_evals.compare.pairs import Pair
from ttscale_evals.report import formats
from ttscale_evals.report.row_texts import accuracy_text, not_judged
from ttscale_evals.rows import Row

Item = TypeVar("Item")
Key = TypeVar("Key")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One row of a table."""

    cells: tuple[str, ...]
    is_dim: bool = False
    """A dominated system."""
    is_bold: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table whose first column is text."""

    title: str
    columns: tuple[str, ...]
    lines: tuple[Line, ...]
    texts: frozenset[str]
    """Columns of text, which may be folded; the others hold numbers."""


def tables_of(comparison: Comparison) -> list[Table]:
    """Return the tables in the order of reading: systems, who is better, matched compute, Pareto fronts."""
    dominated = _dominated(comparison.fronts)
    tables = list[Table]()
    for benchmark, entries in _grouped(comparison.entries, lambda entry: entry.row.benchmark):
        tables.append(_systems(benchmark, entries, dominated))
        pairs = [pair for pair in comparison.pairs if pair.benchmark == benchmark]
        if pairs:
            tables.append(_pairs(benchmark, pairs, num_pairs=len(comparison.pairs)))
        matched = [found for found in comparison.matched if found.benchmark == benchmark]
        tables += [
            _matched(f"{benchmark}: at equal {AXES[axis].title}, against the {reference}", axis, found)
            for (axis, reference), found in _grouped(matched, _axis_and_curve)
        ]
        points = [point for point in comparison.fronts if point.benchmark == benchmark]
        tables += [
            _front(f"{benchmark}: Pareto front of accuracy against {AXES[axis].title}", axis, found)
            for axis, found in _grouped(points, _axis)
        ]
    return tables


def _grouped(items: Sequence[Item], key: Callable[[Item], Key]) -> list[tuple[Key, list[Item]]]:
    """Return runs of items with the same key, in their order."""
    return [(found, list(members)) for found, members in groupby(items, key)]


def _axis_and_curve(matched: MatchedCost) -> tuple[AxisName, str]:
    return matched.axis, matched.reference


def _axis(point: FrontPoint) -> AxisName:
    return point.axis


def _dominated(points: Sequence[FrontPoint]) -> set[tuple[str, str]]:
    """Return benchmark and label of the systems that are on no front."""
    on_front = {(p.benchmark, p.system) for p in points if p.dominated_by is None}
    return {(p.benchmark, p.system) for p in points} - on_front


def _systems(benchmark: str, entries: Sequence[Entry], dominated: set[tuple[str, str]]) -> Table:
    ordered = sorted(entries, key=lambda e: (-(e.row.accuracy or 0.0), e.row.tokens_per_problem or 0.0))
    has_seeds = any(len(entry.seeds) > 1 for entry in entries)
    shown = [column for column in _SYSTEM_COLUMNS if column.title in _ALWAYS or _is_known(column, entries)]
    return Table(
        title=benchmark,
        columns=("system", *(["seeds"] if has_seeds else []), *(column.title for column in shown)),
        texts=frozenset({"system"}),
        lines=tuple(
            Line(
                cells=(
                    entry.label,
                    *([formats.count(len(entry.seeds))] if has_seeds else []),
                    *(column.text(entry.row) for column in shown),
                ),
                is_dim=(benchmark, entry.label) in dominated,
            )
            for entry in ordered
        ),
    )


@dataclass(frozen=True, slots=True)
class _Column:
    title: str
    text: Callable[[Row], str]
    number: Callable[[Row], float | None]


_SYSTEM_COLUMNS: Final = (
    _Column("accuracy [95 %]", accuracy_text, lambda row: row.accuracy),
    _Column("n", lambda row: formats.count(row.num_problems), lambda row: row.num_problems),
    _Column("errors", lambda row: formats.count(row.errors), lambda row: row.errors),
    _Column("unparsed", lambda row: formats.count(row.unparsed), lambda row: row.unparsed),
    _Column("truncated", lambda row: formats.count(row.truncated), lambda row: row.truncated),
    _Column("not judged", lambda row: formats.count(not_judged(row)), not_judged),
    _Column("tokens", lambda row: formats.count(row.tokens_per_problem), lambda row: row.tokens_per_problem),
    _Column("p50 s", lambda row: formats.seconds(row.latency_p50_seconds), lambda row: row.latency_p50_seconds),
)
_ALWAYS: Final = ("accuracy [95 %]", "n", "errors", "unparsed", "tokens", "p50 s")


def _is_known(column: _Column, entries: Sequence[Entry]) -> bool:
    """Whether a column has something to say: a number that is neither unknown nor 0."""
    return any(column.number(entry.row) for entry in entries)


def _pairs(benchmark: str, pairs: Sequence[Pair], *, num_pairs: int) -> Table:
    corrected = f", corrected for {num_pairs} pairs" if num_pairs > 1 else ""
    return Table(
        title=f"{benchmark}: who is better, problem by problem{corrected}",
        columns=("verdict", "points [95 %]", "only", "p"),
        texts=frozenset({"verdict"}),
        lines=tuple(
            Line(
                cells=(
                    pair.verdict,
                    points_text(pair.difference, pair.difference_low, pair.difference_high),
                    f"{pair.num_ours_only}:{pair.num_theirs_only}",
                    p_text(pair.p_adjusted),
                ),
                is_bold=pair.better is not None,
            )
            for pair in map(_winner_first, pairs)
        ),
    )


def _winner_first(pair: Pair) -> Pair:
    return pair.turned() if pair.better == pair.theirs else pair


def _matched(title: str, axis: AxisName, found: Sequence[MatchedCost]) -> Table:
    text = AXES[axis].text
    return Table(
        title=title,
        columns=("system", AXES[axis].title, "points [95 %]", "nearest measured"),
        texts=frozenset({"system", "nearest measured"}),
        lines=tuple(
            Line(
                cells=(
                    matched.system,
                    text(matched.cost),
                    points_text(matched.difference, matched.difference_low, matched.difference_high),
                    _nearest(matched, text),
                )
            )
            for matched in found
        ),
    )


def _nearest(matched: MatchedCost, text: Callable[[float | None], str]) -> str:
    def shown(point: Point) -> str:
        return f"{point.system} ({text(point.cost)}; {formats.percent(point.accuracy)})"

    note = f"{matched.note}; nearest: " if matched.note else ""
    return note + ", ".join(map(shown, matched.nearest))


def _front(title: str, axis: AxisName, points: Sequence[FrontPoint]) -> Table:
    text: Final = AXES[axis].text
    return Table(
        title=title,
        columns=("system", f"{AXES[axis].title} [95 %]", "accuracy [95 %]", "standing"),
        texts=frozenset({"system", "standing"}),
        lines=tuple(
            Line(
                cells=(
                    point.system,
                    f"{text(point.cost)} [{text(point.cost_low)}, {text(point.cost_high)}]",
                    _accuracy(point),
                    "front" if point.dominated_by is None else f"dominated by {point.dominated_by}",
                ),
                is_dim=point.dominated_by is not None,
            )
            for point in points
        ),
    )


def _accuracy(point: FrontPoint) -> str:
    return f"{formats.percent(point.accuracy)} {formats.interval(point.accuracy_low, point.accuracy_high)}"


def points_text(difference: float | None, low: float | None, high: float | None) -> str:
    """Return a difference with its interval in points, ``+1.2 [-0.3, +2.8]``; a dash where it is not known."""
    if difference is None:
        return formats.UNKNOWN
    return f"{formats.points(difference)} [{formats.points(low)}, {formats.points(high)}]"


def p_text(value: float) -> str:
    """Return a p-value in two figures: 0.0123 is ``0.012``; below 0.001 it is ``<0.001``."""
    return "<0.001" if value < 0.001 else f"{value:.2g}"
