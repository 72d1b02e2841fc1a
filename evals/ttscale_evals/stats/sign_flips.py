"""Fisher's test of paired differences: how often random signs would make as much of a difference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ttscale_evals.stats._checks import finite_values

MAX_ENUMERATED: Final = 14
"""Most problems with a difference whose signs are enumerated all; of more, random ones are looked at."""
_SLACK: Final = 1e-9
"""Relative difference of two sums that is rounding."""
_MAX_DRAWN: Final = 2_000_000


def sign_flip_p_value(differences: Sequence[float], *, seed: int, num_flips: int = 10_000) -> float:
    """Return the two-sided p-value of no difference between two systems, from their problems' differences.

    If neither is better, a problem's difference is as likely of the other sign; the p-value is the chance that
    random signs make a sum at least as far from 0 as the observed one (Fisher 1935). It assumes no
    distribution, takes means over samples as well as 0 and 1, and is McNemar's exact test of the latter.

    It is exact where at most `MAX_ENUMERATED` problems differ. Otherwise it is estimated from random signs, the
    observed ones counted among them, so it is never 0 (Phipson and Smyth 2010).

    Args:
        differences: one a problem, finite, shape [num_problems].
        seed: of random signs, >= 0.
        num_flips: >= 1; how many random signs are looked at.

    Raises:
        ValueError: there are no differences, or one is not finite.
    """
    array = finite_values(differences, "a sign-flip test")
    sizes = np.abs(array[array != 0])
    if sizes.size == 0:
        return 1.0
    least = abs(float(array.sum())) - _SLACK * float(sizes.sum())
    if sizes.size <= MAX_ENUMERATED:
        # bit i of a number is the sign of difference i
        bits = (np.arange(2**sizes.size)[:, None] >> np.arange(sizes.size)) & 1
        return float((_sums(bits, sizes) >= least).mean())
    rng = np.random.default_rng(seed)
    num_extreme, size = 0, max(1, _MAX_DRAWN // sizes.size)
    for start in range(0, num_flips, size):
        bits = rng.integers(0, 2, (min(size, num_flips - start), sizes.size), dtype=np.int8)
        num_extreme += int((_sums(bits, sizes) >= least).sum())
    return (1 + num_extreme) / (1 + num_flips)


def _sums(bits: NDArray[np.signedinteger], sizes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how far from 0 the sums are, given 0 or 1 for each sign, shape [num_flips, num_differences]."""
    return np.abs((2.0 * bits - 1.0) @ sizes)
