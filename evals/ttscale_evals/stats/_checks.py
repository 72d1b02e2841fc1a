"""What the statistics ask of their arguments."""

from __future__ import annotations

from collections.abc import Sequence, Sized

import numpy as np
from numpy.typing import ArrayLike, NDArray


def finite_values(values: ArrayLike, name: str) -> NDArray[np.float64]:
    """Return values as an array of shape [num_values], num_values >= 1, once all of them are finite.

    Raises:
        ValueError: there are none, they are not one a place, or one is not finite.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise ValueError(f"{name} needs values of shape [num_values], got {list(array.shape)}")
    if array.size == 0:
        raise ValueError(f"{name} needs at least one value: there are no problems")
    if not bool(np.isfinite(array).all()):
        raise ValueError(f"{name} needs finite values, got {float(array[~np.isfinite(array)][0])!r}")
    return array


def shares(values: ArrayLike, name: str) -> NDArray[np.float64]:
    """Return values as `finite_values` does, once all of them lie in [0, 1]."""
    array = finite_values(values, name)
    if bool(((array < 0) | (array > 1)).any()):
        wrong = float(array[(array < 0) | (array > 1)][0])
        raise ValueError(f"{name} needs values in [0, 1], got {wrong!r}")
    return array


def paired_values(ours: ArrayLike, theirs: ArrayLike, name: str) -> tuple[NDArray[np.float64], ...]:
    """Return the values of two systems as `finite_values` does, once there are as many of either.

    Raises:
        ValueError: their numbers differ, or see `finite_values`.
    """
    first, second = finite_values(ours, name), finite_values(theirs, name)
    if first.size != second.size:
        raise ValueError(
            f"{name} needs the same problems of both systems in the same order, "
            f"got {first.size} and {second.size}"
        )
    return first, second


def require_k(k: int, num_samples: int, name: str) -> None:
    """Refuse a k that is not in [1, num_samples]: samples that are missing are not made up.

    Raises:
        ValueError: k is out of range.
    """
    if not 1 <= k <= num_samples:
        raise ValueError(
            f"{name} needs 1 <= k <= samples of every problem, got k={k} and {num_samples} samples"
        )


def require_as_many(name: str, *columns: Sized) -> None:
    """Refuse columns of different lengths.

    Raises:
        ValueError: the lengths differ.
    """
    lengths = [len(column) for column in columns]
    if len(set(lengths)) > 1:
        raise ValueError(f"{name} needs arguments of equal lengths, got {' and '.join(map(str, lengths))}")


def require_confidence(confidence: float) -> None:
    """Refuse a confidence outside (0, 1).

    Raises:
        ValueError: it is out of range.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, got {confidence!r}")


def require_problems(problems: Sequence[Sized], name: str) -> None:
    """Refuse no problems, and problems without samples: missing is not wrong.

    Raises:
        ValueError: there are no problems, or one has no samples.
    """
    if len(problems) == 0:
        raise ValueError(f"there is no {name} of no problems")
    for number, samples in enumerate(problems):
        if len(samples) == 0:
            raise ValueError(f"{name} needs samples of every problem, but problem {number} has none")
