"""The plots as Plotly figures in plain JSON: accuracy against tokens and against latency, for one benchmark.

A trace is a strategy; rows that differ only in its numbers (n, say) are points of one line. Plotly reads a
small markup in names and labels, so text from outside is escaped for it.
"""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ttscale.errors import ParameterError
from ttscale.registry import Spec
from ttscale.types import JSON
from ttscale_evals.report import formats
from ttscale_evals.report.leaderboard import accuracy_text
from ttscale_evals.rows import Row

# Okabe and Ito's colours, told apart by colour-blind readers too; the symbols tell them apart without colour.
_COLORS: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c8c8c")
_SYMBOLS: Final = ("circle", "square", "diamond", "triangle-up", "cross", "star", "pentagon", "hexagon")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cost:
    """What the horizontal axis shows."""

    title: str
    of: Callable[[Row], float | None]
    text: Callable[[float], str]


_COSTS: Final[Mapping[str, _Cost]] = {
    "tokens": _Cost(title="tokens per problem", of=lambda row: row.tokens_per_problem, text=formats.count),
    "latency": _Cost(
        title="median latency in seconds", of=lambda row: row.latency_p50_seconds, text=formats.seconds
    ),
}


@dataclass(frozen=True, slots=True)
class _Point:
    at: float
    """The cost, > 0."""
    accuracy: float
    row: Row


def figures(rows: Sequence[Row]) -> dict[str, JSON]:
    """Return both figures for the rows of one benchmark, ready for ``Plotly.react``."""
    return {name: _figure(rows, cost) for name, cost in _COSTS.items()}


def _figure(rows: Sequence[Row], cost: _Cost) -> JSON:
    """Return one figure; a row whose cost is unknown or 0 has no place on a logarithmic axis."""
    points = [
        _Point(at, row.accuracy, row)
        for row in rows
        if row.accuracy is not None and (at := cost.of(row) or 0.0) > 0
    ]
    several_models = len({row.model for row in rows}) > 1
    curves: dict[str, list[_Point]] = {}
    for point in sorted(points, key=lambda point: point.at):
        curves.setdefault(_curve(point.row, several_models), []).append(point)
    # Colours go by name, so that a strategy keeps its own in both plots.
    traces = [_trace(name, curves[name], place, cost) for place, name in enumerate(sorted(curves))]
    return {"traces": traces, "layout": _layout(points, cost)}


def _curve(row: Row, several_models: bool) -> str:
    """Return the name of the line a row is on."""
    spec, numbers = _split(row.strategy)
    label = str(Spec(spec.name, {name: value for name, value in spec.params.items() if name not in numbers}))
    return f"{label} · {row.model}" if several_models else label


def _split(strategy: str) -> tuple[Spec, dict[str, float]]:
    """Return a strategy's spec, and those of its parameters that are numbers."""
    try:
        spec = Spec.parse(strategy)
    except ParameterError:  # a label of the user's own
        return Spec(strategy, {}), {}
    numbers = dict[str, float]()
    for name, value in spec.params.items():
        if isinstance(value, int | float) and not isinstance(value, bool):
            numbers[name] = value
    return spec, numbers


def _trace(name: str, points: Sequence[_Point], place: int, cost: _Cost) -> JSON:
    color = _COLORS[place % len(_COLORS)]
    return {
        "type": "scatter",
        "name": _escaped(name),
        "mode": "lines+markers+text" if len(points) > 1 else "markers",
        "x": [point.at for point in points],
        "y": [point.accuracy for point in points],
        "error_y": {
            "type": "data",
            "symmetric": False,
            "array": [_reach(point.row.accuracy_high, point, 1) for point in points],
            "arrayminus": [_reach(point.row.accuracy_low, point, -1) for point in points],
            "thickness": 1.5,
            "width": 5,
        },
        "marker": {"size": 10, "color": color, "symbol": _SYMBOLS[place % len(_SYMBOLS)]},
        "line": {"color": color, "width": 1.5},
        "text": [_numbers(point.row) for point in points],
        "textposition": "bottom right",
        "textfont": {"size": 11},
        "hovertext": [_hover(point, cost) for point in points],
        "hovertemplate": "%{hovertext}<extra></extra>",
    }


def _reach(end: float | None, point: _Point, sign: int) -> float:
    """Return how far an error bar reaches from its point; 0 where the interval is unknown."""
    return 0.0 if end is None else max(0.0, sign * (end - point.accuracy))


def _numbers(row: Row) -> str:
    return _escaped(", ".join(f"{name}={value:g}" for name, value in _split(row.strategy)[1].items()))


def _hover(point: _Point, cost: _Cost) -> str:
    row = point.row
    return "<br>".join(
        [
            f"<b>{_escaped(row.strategy)}</b>",
            f"{accuracy_text(row)} of {row.num_problems} problems",
            f"{cost.text(point.at)} {cost.title}",
        ]
    )


def _escaped(text: str) -> str:
    return html.escape(text, quote=False)


def _layout(points: Sequence[_Point], cost: _Cost) -> JSON:
    ends = [(point.row.accuracy_low, point.row.accuracy_high, point.accuracy) for point in points]
    lowest = min((point if low is None else low for low, _, point in ends), default=0.0)
    highest = max((point if high is None else high for _, high, point in ends), default=1.0)
    return {
        "xaxis": {"type": "log", "title": {"text": cost.title}, "automargin": True, **_ticks(points, cost)},
        "yaxis": {
            "title": {"text": "accuracy"},
            "tickformat": ".0%",
            "range": [max(-0.02, lowest - 0.05), min(1.02, highest + 0.05)],
            "automargin": True,
        },
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        "margin": {"l": 60, "r": 16, "t": 24, "b": 60},
        "hovermode": "closest",
    }


def _ticks(points: Sequence[_Point], cost: _Cost) -> dict[str, JSON]:
    """Return range and ticks of a logarithmic axis: 1, 2 and 5 times powers of ten, written out in full."""
    if not points:
        return {}
    low, high = min(point.at for point in points) / 1.4, max(point.at for point in points) * 1.6
    steps = (1, 2, 5) if high / low < 300 else (1,)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    values = [float(f"{step}e{power}") for power in powers for step in steps]
    shown = [value for value in values if low <= value <= high]
    return {
        "range": [math.log10(low), math.log10(high)],
        "tickvals": shown,
        "ticktext": [f"{value:,.10g}" for value in shown],
    }
