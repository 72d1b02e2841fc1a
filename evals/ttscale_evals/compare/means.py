"""Accuracies and costs of a benchmark's systems, as measured and over problems drawn again.

What a problem came to under several seeds is one draw: its mean over them. Problems are the clusters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import nan
from statistics import fmean
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ttscale.types import Outcome
from ttscale_evals.compare.axes import AXES, AxisName
from ttscale_evals.compare.groups import Group
from ttscale_evals.compare.system import System
from ttscale_evals.stats import Interval, percentile_interval, problem_means, resampled_means, wilson_interval
from ttscale_evals.store import Result

Floats = NDArray[np.float64]

NUM_RESAMPLES: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """Means over problems, a column a system, a row a resample (or one row: as measured)."""

    accuracy: Floats
    """Shape [num_rows, num_systems]; failed problems are wrong."""
    costs: Mapping[AxisName, Floats]
    """Mean cost of a problem, shape [num_rows, num_systems] each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurements:
    """What a group's systems came to. All systems are drawn with the same problems: what is computed of the
    resamples is paired by problem.
    """

    correct: Floats
    """Mean over a problem's seeds, failed answers wrong: 0 or 1 of a single one; shape
    [num_problems, num_systems]."""
    graded: Floats
    """The same over the answers that did not fail; NaN where all of them did."""
    point: Means
    again: Means

    def is_binary(self, place: int) -> bool:
        """Whether a system has 0 or 1 of every problem: one seed, or several that agree."""
        return bool(np.isin(self.correct[:, place], (0.0, 1.0)).all())

    def accuracy_interval(self, place: int) -> Interval:
        """Return the 95 % interval of a system's accuracy: Wilson's where it is binary, else bootstrap."""
        if not self.is_binary(place):
            return percentile_interval(self.again.accuracy[:, place])
        return wilson_interval(round(float(self.correct[:, place].sum())), len(self.correct))


def measure(
    group: Group, axes: Sequence[AxisName], *, seed: int, num_resamples: int = NUM_RESAMPLES
) -> Measurements:
    """Return what the systems of a group came to on its problems.

    Args:
        group: whose systems have all of its problems, >= 1.
        axes: costs that all of them know.
        seed: of the resampling, >= 0.
        num_resamples: >= 1.
    """
    samples = [samples_of(system, group.problem_ids) for system in group.systems]
    correct = np.stack([problem_means(given) for given in samples], axis=1)
    answers = [[system.answers(problem) for system in group.systems] for problem in group.problem_ids]
    costs = [np.array([[mean_cost(AXES[name].of, a) for a in row] for row in answers]) for name in axes]
    columns = np.concatenate([correct, *costs], axis=1)
    return Measurements(
        correct=correct,
        graded=np.stack([problem_means(given, errors="excluded") for given in samples], axis=1),
        point=_means(columns.mean(axis=0, keepdims=True), axes),
        again=_means(resampled_means(columns, seed=seed, num_resamples=num_resamples), axes),
    )


def samples_of(system: System, problems: Sequence[str]) -> list[list[float | None]]:
    """Return of each problem whether its answers are right, one a seed; ``None``: it failed."""
    return [
        [None if answer.is_failed else float(answer.grade.correct) for answer in system.answers(problem)]
        for problem in problems
    ]


def mean_cost(of: Callable[[Outcome], float | None], answers: Sequence[Result]) -> float:
    """Return the mean cost of a problem's answers, NaN where that of one is unknown."""
    known = [cost for answer in answers if (cost := of(answer.outcome)) is not None]
    return fmean(known) if len(known) == len(answers) else nan


def _means(columns: Floats, axes: Sequence[AxisName]) -> Means:
    accuracy, *costs = np.split(columns, 1 + len(axes), axis=1)
    return Means(accuracy=accuracy, costs=dict(zip(axes, costs, strict=True)))
