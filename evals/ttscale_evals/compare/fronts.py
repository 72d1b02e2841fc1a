"""Pareto fronts: which systems no other beats in accuracy at no more cost."""

from __future__ import annotations

from dataclasses import dataclass

from ttscale_evals.compare.axes import AxisName
from ttscale_evals.compare.groups import Group
from ttscale_evals.compare.means import Measurements
from ttscale_evals.report.front import dominators
from ttscale_evals.stats import percentile_interval


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontPoint:
    """A system on the plane of accuracy and one cost; intervals are 95 %."""

    benchmark: str
    axis: AxisName
    system: str
    cost: float
    """Mean of a problem."""
    cost_low: float
    """Of the bootstrap interval over problems."""
    cost_high: float
    accuracy: float
    accuracy_low: float
    """Over problems: Wilson's of 0 and 1, the bootstrap's of means over seeds."""
    accuracy_high: float
    dominated_by: str | None
    """The most accurate system that costs no more and is no less accurate; ``None``: on the front."""


def draw_front(group: Group, measured: Measurements, axis: AxisName) -> list[FrontPoint]:
    """Return every system of a group on one axis, the cheapest first, with what dominates it."""
    costs = measured.point.costs[axis][0].tolist()
    accuracies = measured.point.accuracy[0].tolist()
    dominating = dominators(list(zip(costs, accuracies, strict=True)))
    points = list[FrontPoint]()
    for place in sorted(range(len(costs)), key=lambda place: (costs[place], -accuracies[place])):
        cost_interval = percentile_interval(measured.again.costs[axis][:, place])
        accuracy_interval = measured.accuracy_interval(place)
        dominator = dominating[place]
        points.append(
            FrontPoint(
                benchmark=group.benchmark,
                axis=axis,
                system=group.systems[place].label,
                cost=costs[place],
                cost_low=cost_interval.low,
                cost_high=cost_interval.high,
                accuracy=accuracies[place],
                accuracy_low=accuracy_interval.low,
                accuracy_high=accuracy_interval.high,
                dominated_by=None if dominator is None else group.systems[dominator].label,
            )
        )
    return points
