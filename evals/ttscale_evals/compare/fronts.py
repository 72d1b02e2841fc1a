"""Pareto fronts: which systems no other beats in accuracy at no more cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ttscale_evals.compare.axes import AxisName
from ttscale_evals.compare.groups import Group
from ttscale_evals.compare.means import Measurements
from ttscale_evals.stats import percentile_interval, wilson_interval


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
    """Of the Wilson interval."""
    accuracy_high: float
    dominated_by: str | None
    """The most accurate system that costs no more and is no less accurate; ``None``: on the front."""


def draw_front(group: Group, measured: Measurements, axis: AxisName) -> list[FrontPoint]:
    """Return every system of a group on one axis, the cheapest first, with what dominates it."""
    costs = measured.point.costs[axis][0].tolist()
    accuracies = measured.point.accuracy[0].tolist()
    dominators = dominated_by(costs, accuracies)
    points = list[FrontPoint]()
    for place in sorted(range(len(costs)), key=lambda place: (costs[place], -accuracies[place])):
        cost_interval = percentile_interval(measured.again.costs[axis][:, place])
        num_correct = round(float(measured.correct[:, place].sum()))
        accuracy_interval = wilson_interval(num_correct, len(group.problem_ids))
        dominator = dominators[place]
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


def dominated_by(costs: Sequence[float], accuracies: Sequence[float]) -> list[int | None]:
    """Return for each system the place of one that dominates it, ``None`` on the Pareto front.

    One dominates another if it costs no more and is no less accurate, and is better in one of the two; equals
    do not dominate each other. Of several the most accurate is named, then the cheapest.

    Args:
        costs: shape [num_systems].
        accuracies: shape [num_systems].
    """
    everyone = range(len(costs))

    def dominates(one: int, other: int) -> bool:
        is_no_worse = costs[one] <= costs[other] and accuracies[one] >= accuracies[other]
        return is_no_worse and (costs[one], accuracies[one]) != (costs[other], accuracies[other])

    return [
        min(
            (one for one in everyone if dominates(one, other)),
            key=lambda one: (-accuracies[one], costs[one]),
            default=None,
        )
        for other in everyone
    ]
