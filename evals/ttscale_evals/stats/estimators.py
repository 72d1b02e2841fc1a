"""Point estimates: mean with standard error, unbiased pass@k, percentiles."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike


def mean_and_stderr(values: Sequence[float]) -> tuple[float, float | None]:
    """Return the mean of per-problem values and its standard error, s / sqrt(n) with s over n - 1.

    With several samples a problem, give the mean of each problem's samples: problems are the independent
    draws, samples of one problem are not. The standard error of a single value is unknown, ``None``.

    Args:
        values: one value a problem, shape [num_problems].

    Raises:
        ValueError: there are no values.
    """
    if len(values) == 0:
        raise ValueError("there is no mean of no values")
    array = np.asarray(values, dtype=np.float64)
    stderr = float(array.std(ddof=1) / np.sqrt(array.size)) if array.size > 1 else None
    return float(array.mean()), stderr


def pass_at_k(num_samples: ArrayLike, num_correct: ArrayLike, k: int) -> float:
    """Return the unbiased estimate of pass@k: the chance that one of k samples is right, mean over problems.

    For a problem with c of n samples right it is 1 - C(n - c, k) / C(n, k), computed as a product that neither
    overflows nor cancels (Chen et al. 2021, arXiv:2107.03374, section 2.1).

    Args:
        num_samples: n of each problem, shape [num_problems]; scalars are one problem.
        num_correct: c of each problem, shape [num_problems], 0 <= c <= n.
        k: 1 <= k <= n of every problem: a missing sample is not a wrong one, so fewer than k are refused.

    Raises:
        ValueError: there are no problems, or k, n and c do not fit together.
    """
    pairs = _counted(num_samples, num_correct, k, "pass@k")
    return float(np.mean([_one_pass_at_k(n, c, k) for n, c in pairs]))


def pass_hat_k(num_samples: ArrayLike, num_correct: ArrayLike, k: int) -> float:
    """Return the unbiased estimate of pass^k: the chance that k samples are all right, mean over problems.

    For a problem with c of n samples right it is C(c, k) / C(n, k) (Yao et al. 2024, arXiv:2406.12045, of
    τ-bench). Arguments and errors as `pass_at_k`.
    """
    pairs = _counted(num_samples, num_correct, k, "pass^k")
    return float(np.mean([math.comb(c, k) / math.comb(n, k) for n, c in pairs]))


def _counted(num_samples: ArrayLike, num_correct: ArrayLike, k: int, name: str) -> list[tuple[int, int]]:
    """Return n and c of each problem, once they fit together and k."""
    drawn, right = np.broadcast_arrays(
        np.atleast_1d(np.asarray(num_samples, dtype=np.int64)),
        np.atleast_1d(np.asarray(num_correct, dtype=np.int64)),
    )
    if drawn.size == 0:
        raise ValueError(f"there is no {name} of no problems")
    if k < 1 or bool((drawn < k).any()):
        raise ValueError(
            f"{name} needs 1 <= k <= samples of every problem, got k={k} and {int(drawn.min())} samples"
        )
    if bool((right < 0).any()) or bool((right > drawn).any()):
        raise ValueError("the number of right samples must lie between 0 and the number of samples")
    return list(zip(drawn.tolist(), right.tolist(), strict=True))


def _one_pass_at_k(n: int, c: int, k: int) -> float:
    if n - c < k:
        return 1.0
    return float(1.0 - np.prod(1.0 - k / np.arange(n - c + 1, n + 1)))


def percentile(values: Sequence[float], percent: float) -> float | None:
    """Return a percentile by linear interpolation between order statistics, ``None`` of no values.

    Args:
        values: in any order and unit, shape [num_values].
        percent: in [0, 100]; 50 is the median.
    """
    return float(np.percentile(np.asarray(values, dtype=np.float64), percent)) if len(values) else None
