"""What the page's plot draws: for each benchmark, accuracy against every cost that is known.

Rows that differ only in a strategy's numbers (n, say) are points of one line.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from ttscale.errors import ParameterError
from ttscale.registry import Spec
from ttscale.types import JSON
from ttscale_evals.report import formats
from ttscale_evals.report.front import Point, dominators, front
from ttscale_evals.report.naming import Naming
from ttscale_evals.report.row_texts import accuracy_text, flops_per_problem, usd_per_problem
from ttscale_evals.report.text import label
from ttscale_evals.rows import Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """A cost that accuracy is drawn against."""

    key: str
    name: str
    title: str
    """The name with its unit."""
    of: Callable[[Row], float | None]
    text: Callable[[float | None], str]


AXES: Final = (
    Axis(
        key="tokens",
        name="tokens",
        title="tokens per problem",
        of=lambda row: row.tokens_per_problem,
        text=formats.count,
    ),
    Axis(key="flops", name="FLOPs", title="FLOPs per problem", of=flops_per_problem, text=formats.magnitude),
    Axis(
        key="latency",
        name="median latency",
        title="median latency in seconds",
        of=lambda row: row.latency_p50_seconds,
        text=formats.seconds,
    ),
    Axis(
        key="path",
        name="critical-path tokens",
        title="critical-path tokens per problem",
        of=lambda row: row.critical_path_tokens_per_problem,
        text=formats.count,
    ),
    Axis(
        key="path_seconds",
        name="critical-path seconds",
        title="critical-path seconds per problem",
        of=lambda row: row.critical_path_seconds_per_problem,
        text=formats.seconds,
    ),
    Axis(
        key="kv",
        name="KV token-steps",
        title="KV token-steps per problem",
        of=lambda row: row.kv_token_steps_per_problem,
        text=formats.magnitude,
    ),
    Axis(
        key="usd",
        name="US dollars",
        title="US dollars per problem",
        of=usd_per_problem,
        text=formats.dollars,
    ),
)


def known_axes(rows: Sequence[Row]) -> list[Axis]:
    """Return the costs that at least one row has; tokens where there is none, for the plot to say so."""
    return [axis for axis in AXES if any((axis.of(row) or 0.0) > 0 for row in rows)] or [AXES[0]]


def chart(rows: Sequence[Row], axes: Sequence[Axis]) -> dict[str, JSON]:
    """Return the points of one benchmark, in plain JSON.

    Args:
        rows: of one benchmark; those without an accuracy have no point.
        axes: as from `known_axes`.

    Returns:
        ``points``, each with its names, accuracy, interval and costs by axis (``None``: unknown or 0, which
        has no place on a logarithmic axis), and under ``front`` whether it is on the Pareto front of an axis.
        What was not run is on none.
    """
    naming = Naming(rows)
    drawn = [row for row in rows if row.accuracy is not None]
    fronts = {axis.key: front([_place(row, axis) for row in drawn]) for axis in axes}
    points: list[JSON] = []
    for number, row in enumerate(drawn):
        points.append(
            {
                "name": label(naming.name(row)),
                "curve": label(_curve(row, naming)),
                "numbers": label(", ".join([*_numbers(row), *naming.budget(row)])),
                "accuracy": row.accuracy,
                "low": row.accuracy_low,
                "high": row.accuracy_high,
                "about": f"{accuracy_text(row)} of {row.num_problems} problems",
                "bound": row.is_bound,
                "costs": {axis.key: _cost(row, axis) for axis in axes},
                "texts": {axis.key: f"{axis.text(axis.of(row))} {axis.title}" for axis in axes},
                "front": [axis.key for axis in axes if fronts[axis.key][number]],
            }
        )
    return {"points": points}


def is_dominated(rows: Sequence[Row]) -> list[bool]:
    """Return of each row of a benchmark whether another is as accurate for as few tokens, and better in one."""
    return [place is not None for place in dominators([_place(row, AXES[0]) for row in rows])]


def _place(row: Row, axis: Axis) -> Point:
    return (None, None) if row.is_bound else (_cost(row, axis), row.accuracy)


def _cost(row: Row, axis: Axis) -> float | None:
    return axis.of(row) or None


def _curve(row: Row, naming: Naming) -> str:
    """Return the name of the line a row is on: rows that differ in numbers or budget only are on one."""
    spec, numbers = _split(row.strategy)
    name = str(Spec(spec.name, {key: value for key, value in spec.params.items() if key not in numbers}))
    return " · ".join([name, *naming.model(row)])


def _numbers(row: Row) -> list[str]:
    return [f"{name}={value:g}" for name, value in _split(row.strategy)[1].items()]


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
