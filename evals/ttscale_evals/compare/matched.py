"""Systems against the plain baselines at matched compute: the baseline's curve at what each system costs.

Between two measured points of a curve accuracy is interpolated linearly in cost: a mixture that spends the less
on some problems and the more on the others has just that. Beyond the measured points nothing is said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from ttscale_evals.compare.axes import AXES, AxisName
from ttscale_evals.compare.curves import Curve, reference_curves
from ttscale_evals.compare.groups import Group
from ttscale_evals.compare.means import Floats, Means, Measurements
from ttscale_evals.replay.matched import place_of, value_at
from ttscale_evals.stats import percentile_interval

_SLACK: Final = 1e-9
"""Relative difference of two costs that is rounding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A measured point of a curve."""

    system: str
    cost: float
    """Mean of a problem."""
    accuracy: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchedCost:
    """A system against a curve at the same mean cost of a problem."""

    benchmark: str
    system: str
    axis: AxisName
    cost: float
    accuracy: float
    reference: str
    """The curve's title."""
    reference_accuracy: float | None
    """The curve's at this cost; ``None`` out of its measured range."""
    difference: float | None
    """Accuracy of the system minus the curve's."""
    difference_low: float | None
    """Of the 95 % paired bootstrap interval over problems."""
    difference_high: float | None
    nearest: tuple[Point, ...]
    """The measured points on either side, or the one that is nearest; the cheaper one first."""
    note: str = ""
    """Why nothing is said, if so."""


def match_costs(
    group: Group, measured: Measurements, axes: Sequence[AxisName], baseline: str | None
) -> list[MatchedCost]:
    """Hold every system of a group against the reference curves that it is not a point of."""
    curves = reference_curves(group, baseline)
    return [
        _match(group, measured, axis, curve, place)
        for axis in axes
        for curve in curves
        for place in range(len(group.systems))
        if place not in curve.members
    ]


def _match(group: Group, measured: Measurements, axis: AxisName, curve: Curve, place: int) -> MatchedCost:
    cost, accuracy = float(measured.point.costs[axis][0, place]), float(measured.point.accuracy[0, place])
    points = sorted(_points(group, measured.point, axis, curve), key=lambda point: point.cost)
    slack = _SLACK * max(1.0, abs(cost))
    reference = difference = low = high = None
    note = ""
    if cost < points[0].cost - slack:
        nearest, note = points[:1], f"costs less {AXES[axis].title} than any measured point"
    elif cost > points[-1].cost + slack:
        nearest, note = points[-1:], f"costs more {AXES[axis].title} than any measured point"
    else:
        reference = float(_on_curve(measured.point, axis, curve, place)[0])
        difference = accuracy - reference
        again = measured.again.accuracy[:, place] - _on_curve(measured.again, axis, curve, place)
        low, high = percentile_interval(again)
        nearest = _around(points, cost, slack)
    return MatchedCost(
        benchmark=group.benchmark,
        system=group.systems[place].label,
        axis=axis,
        cost=cost,
        accuracy=accuracy,
        reference=curve.title,
        reference_accuracy=reference,
        difference=difference,
        difference_low=low,
        difference_high=high,
        nearest=tuple(nearest),
        note=note,
    )


def _points(group: Group, means: Means, axis: AxisName, curve: Curve) -> list[Point]:
    return [
        Point(
            system=group.systems[member].label,
            cost=float(means.costs[axis][0, member]),
            accuracy=float(means.accuracy[0, member]),
        )
        for member in curve.members
    ]


def _around(points: Sequence[Point], cost: float, slack: float) -> list[Point]:
    same = [point for point in points if abs(point.cost - cost) <= slack]
    if same:
        return same[-1:]
    below = [point for point in points if point.cost < cost]
    return [below[-1], points[len(below)]]


def _on_curve(means: Means, axis: AxisName, curve: Curve, place: int) -> Floats:
    """Return the curve's accuracy at the system's cost, in each row; its ends where that is beyond them."""
    members = list(curve.members)
    costs, accuracies = means.costs[axis][:, members], means.accuracy[:, members]
    order = np.argsort(costs, axis=1, kind="stable")
    costs, accuracies = np.take_along_axis(costs, order, 1), np.take_along_axis(accuracies, order, 1)
    return value_at(place_of(means.costs[axis][:, place], costs), accuracies)
