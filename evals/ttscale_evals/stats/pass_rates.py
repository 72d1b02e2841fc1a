"""pass@k and pass^k: that one of k samples is right, and that all of them are, without bias."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ttscale_evals.stats._checks import require_k


def pass_at_k(num_samples: ArrayLike, num_correct: ArrayLike, k: int) -> float:
    """Return the unbiased estimate of pass@k: the chance that one of k samples is right, mean over problems.

    See `pass_at_k_by_problem`, whose arguments and errors are the same.
    """
    return float(pass_at_k_by_problem(num_samples, num_correct, k).mean())


def pass_hat_k(num_samples: ArrayLike, num_correct: ArrayLike, k: int) -> float:
    """Return the unbiased estimate of pass^k: the chance that k samples are all right, mean over problems.

    See `pass_hat_k_by_problem`, whose arguments and errors are the same.
    """
    return float(pass_hat_k_by_problem(num_samples, num_correct, k).mean())


def pass_at_k_by_problem(num_samples: ArrayLike, num_correct: ArrayLike, k: int) -> NDArray[np.float64]:
    """Return the unbiased estimate of each problem's pass@k: the chance that one of k samples is right.

    For a problem with c of n samples right it is 1 - C(n - c, k) / C(n, k), computed as a product that neither
    overflows nor cancels (Chen et al. 2021, arXiv:2107.03374, section 2.1).

    Args:
        num_samples: n of each problem, shape [num_problems]; scalars are one problem.
        num_correct: c of each problem, shape [num_problems], 0 <= c <= n.
        k: 1 <= k <= n of every problem: a missing sample is not a wrong one, so fewer than k are refused.

    Returns:
        Chances in [0, 1], shape [num_problems]; of their mean there are intervals over problems.

    Raises:
        ValueError: there are no problems, or k, n and c do not fit together.
    """
    drawn, right = _counted(num_samples, num_correct, k, "pass@k")
    return 1.0 - _chance_of_all(drawn, drawn - right, k)


def pass_hat_k_by_problem(num_samples: ArrayLike, num_correct: ArrayLike, k: int) -> NDArray[np.float64]:
    """Return the unbiased estimate of each problem's pass^k: the chance that k samples are all right.

    For a problem with c of n samples right it is C(c, k) / C(n, k) (Yao et al. 2024, arXiv:2406.12045, of
    τ-bench). Arguments, what is returned and errors as `pass_at_k_by_problem`.
    """
    drawn, right = _counted(num_samples, num_correct, k, "pass^k")
    return _chance_of_all(drawn, right, k)


def _counted(
    num_samples: ArrayLike, num_correct: ArrayLike, k: int, name: str
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return n and c of each problem, once they fit together and k."""
    drawn, right = np.broadcast_arrays(
        np.atleast_1d(np.asarray(num_samples, dtype=np.int64)),
        np.atleast_1d(np.asarray(num_correct, dtype=np.int64)),
    )
    if drawn.size == 0:
        raise ValueError(f"there is no {name} of no problems")
    require_k(k, int(drawn.min()), name)
    if bool((right < 0).any()) or bool((right > drawn).any()):
        raise ValueError("the number of right samples must lie between 0 and the number of samples")
    return drawn, right


def _chance_of_all(drawn: NDArray[np.int64], marked: NDArray[np.int64], k: int) -> NDArray[np.float64]:
    """Return the chance that k of the samples drawn are all marked ones, C(marked, k) / C(drawn, k)."""
    chance = np.ones(drawn.shape)
    for taken in range(k):
        chance *= np.maximum(marked - taken, 0) / (drawn - taken)
    return chance
