"""Reliability over k attempts: pass^k. Its opposite, pass@k, is an estimator of the evaluation's statistics."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike


def pass_hat_k(num_samples: ArrayLike, num_correct: ArrayLike, k: int) -> float:
    """Return the unbiased estimate of pass^k: the chance that k samples are all right, mean over problems.

    Yao et al. 2024 (τ-bench), arXiv:2406.12045: for a problem with c of n samples right it is
    C(c, k) / C(n, k).

    Args:
        num_samples: n of each problem, shape [num_problems]; scalars are one problem.
        num_correct: c of each problem, shape [num_problems], 0 <= c <= n.
        k: 1 <= k <= n of every problem.

    Returns:
        In [0, 1].

    Raises:
        ValueError: there are no problems, or k, n and c do not fit together.
    """
    drawn, right = np.broadcast_arrays(
        np.atleast_1d(np.asarray(num_samples, dtype=np.int64)),
        np.atleast_1d(np.asarray(num_correct, dtype=np.int64)),
    )
    if drawn.size == 0:
        raise ValueError("there is no pass^k of no problems")
    if k < 1 or bool((drawn < k).any()):
        raise ValueError(
            f"pass^k needs 1 <= k <= samples of every problem, got k={k} and {int(drawn.min())} samples"
        )
    if bool((right < 0).any()) or bool((right > drawn).any()):
        raise ValueError("the number of right samples must lie between 0 and the number of samples")
    pairs = zip(drawn.tolist(), right.tolist(), strict=True)
    return float(np.mean([math.comb(c, k) / math.comb(n, k) for n, c in pairs]))
