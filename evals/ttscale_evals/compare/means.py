"""Accuracies and costs of a benchmark's systems, as measured and over problems drawn again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ttscale_evals.compare.axes import AXES, AxisName
from ttscale_evals.compare.groups import Group
from ttscale_evals.stats import resampled_means

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
    """0 or 1, shape [num_problems, num_systems]."""
    failed: NDArray[np.bool_]
    """Shape [num_problems, num_systems]."""
    point: Means
    again: Means


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
    results = [[system.results[problem] for system in group.systems] for problem in group.problem_ids]
    failed = np.array([[result.is_failed for result in row] for row in results])
    correct = np.array(
        [[float(result.grade.correct and not result.is_failed) for result in row] for row in results]
    )
    costs = [
        np.array([[AXES[name].of(r.outcome) for r in row] for row in results], dtype=np.float64)
        for name in axes
    ]
    columns = np.concatenate([correct, *costs], axis=1)
    return Measurements(
        correct=correct,
        failed=failed,
        point=_means(columns.mean(axis=0, keepdims=True), axes),
        again=_means(resampled_means(columns, seed=seed, num_resamples=num_resamples), axes),
    )


def _means(columns: Floats, axes: Sequence[AxisName]) -> Means:
    accuracy, *costs = np.split(columns, 1 + len(axes), axis=1)
    return Means(accuracy=accuracy, costs=dict(zip(axes, costs, strict=True)))
