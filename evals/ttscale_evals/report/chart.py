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
from ttscale_evals.report.front import dominated, front
from ttscale_evals.report.leaderboard import accuracy_text, flops_per_problem
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
        key="usd",
        name="US dollars",
        title="US dollars per problem",
        of=lambda row: None if row.usd is None or not row.num_problems else row.usd / row.num_problems,
        text=lambda value: formats.UNKNOWN if value is None else f"{value:.3g} $",
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
    several_models = len({row.model for row in rows}) > 1
    drawn = [row for row in rows if row.accuracy is not None]
    fronts = {axis.key: front([_place(row, axis) for row in drawn]) for axis in axes}
    points: list[JSON] = []
    for number, row in enumerate(drawn):
        points.append(
            {
                "name": label(f"{row.strategy} · {row.model}" if several_models else row.strategy),
                "curve": label(_curve(row, several_models)),
                "numbers": label(_numbers(row)),
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
    return dominated([_place(row, AXES[0]) for row in rows])


def _place(row: Row, axis: Axis) -> tuple[float | None, float | None]:
    return (None, None) if row.is_bound else (_cost(row, axis), row.accuracy)


def _cost(row: Row, axis: Axis) -> float | None:
    return axis.of(row) or None


def _curve(row: Row, several_models: bool) -> str:
    """Return the name of the line a row is on."""
    spec, numbers = _split(row.strategy)
    name = str(Spec(spec.name, {key: value for key, value in spec.params.items() if key not in numbers}))
    return f"{name} · {row.model}" if several_models else name


def _numbers(row: Row) -> str:
    return ", ".join(f"{name}={value:g}" for name, value in _split(row.strategy)[1].items())


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
