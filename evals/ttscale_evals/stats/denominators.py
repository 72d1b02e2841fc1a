"""Accuracy that says what it is of: errored samples count as wrong, and stand beside what else can be said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ttscale_evals.stats._checks import require_problems
from ttscale_evals.stats.intervals import Interval

Samples = Sequence[float | None]
"""Whether each sample of a problem is right, in [0, 1]; ``None``: it errored, so nobody knows."""

Errors = Literal["wrong", "excluded", "right"]
"""What an errored sample counts as."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HonestAccuracy:
    """An accuracy under every reading of the samples that errored; all are means over problems, in [0, 1]."""

    num_problems: int
    num_samples: int
    """Errored ones included."""
    num_errored: int
    num_problems_without_grade: int
    """Problems all of whose samples errored; without errors they are left out."""
    errors_as_wrong: float
    """The headline."""
    errors_excluded: float | None
    """Errored samples left out of their problem, and problems with no other; ``None`` if all errored."""
    supportable: Interval
    """From all errored samples wrong to all of them right: what the samples can support."""


def honest_accuracy(correct: Sequence[Samples]) -> HonestAccuracy:
    """Return the accuracy with errors as wrong, with errors excluded, and the range that can be supported.

    Each is the mean over problems of the mean over a problem's samples. Errors need not be random (long
    generations time out more), so leaving them out says more than is known.

    Args:
        correct: of each problem's samples, in [0, 1], ``None``: errored; shape [num_problems][num_samples].
            Numbers of samples may differ.

    Raises:
        ValueError: there are no problems, one has no samples, or a value is out of range.
    """
    table = _flat(correct)
    graded = table.means("excluded")
    known = graded[~np.isnan(graded)]
    as_wrong, as_right = float(table.means("wrong").mean()), float(table.means("right").mean())
    return HonestAccuracy(
        num_problems=len(correct),
        num_samples=table.values.size,
        num_errored=int(table.is_errored.sum()),
        num_problems_without_grade=int(np.isnan(graded).sum()),
        errors_as_wrong=as_wrong,
        errors_excluded=float(known.mean()) if known.size else None,
        supportable=Interval(as_wrong, as_right),
    )


def problem_means(correct: Sequence[Samples], *, errors: Errors = "wrong") -> NDArray[np.float64]:
    """Return the mean over each problem's samples: the independent draws that all statistics are of.

    With several runs or seeds a problem, give the samples of all of them; comparisons of such means are then
    clustered by problem.

    Args:
        correct: as of `honest_accuracy`.
        errors: what an errored sample counts: 0, nothing, or 1.

    Returns:
        Shape [num_problems]; NaN of a problem all of whose samples are excluded.

    Raises:
        ValueError: as `honest_accuracy`.
    """
    return _flat(correct).means(errors)


@dataclass(frozen=True, slots=True)
class _Flat:
    """The samples of all problems, one after the other."""

    values: NDArray[np.float64]
    """0 of errored samples; shape [num_samples]."""
    is_errored: NDArray[np.bool_]
    places: NDArray[np.int64]
    """Which problem each sample is of."""

    def means(self, errors: Errors) -> NDArray[np.float64]:
        """Return the mean over each problem's samples, see `problem_means`."""
        filled = self.values + self.is_errored if errors == "right" else self.values
        counted = ~self.is_errored if errors == "excluded" else np.ones_like(self.is_errored)
        sums, sizes = np.bincount(self.places, weights=filled), np.bincount(self.places, weights=counted)
        means = np.full(len(sums), np.nan)
        np.divide(sums, sizes, out=means, where=sizes > 0)
        return means


def _flat(correct: Sequence[Samples]) -> _Flat:
    """Return all samples, once there are some of every problem and they are in range."""
    require_problems(correct, "accuracy")
    flat = [value for samples in correct for value in samples]
    places = np.repeat(np.arange(len(correct)), [len(samples) for samples in correct])
    values = np.array([0.0 if value is None else value for value in flat], dtype=np.float64)
    in_range = (values >= 0) & (values <= 1)
    if not bool(in_range.all()):
        raise ValueError(
            "whether a sample is right must lie in [0, 1], or be None where it errored, "
            f"but problem {int(places[~in_range][0])} has {float(values[~in_range][0])!r}"
        )
    return _Flat(values, np.array([value is None for value in flat]), places)
