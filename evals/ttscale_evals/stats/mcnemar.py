"""McNemar's exact test: two systems, right or wrong on the same problems."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ttscale_evals.stats._checks import paired_values


class McNemar(NamedTuple):
    """The problems on which two systems differ, and what they say."""

    num_ours_only: int
    """Problems that only our system has right."""
    num_theirs_only: int
    p_value: float
    """Two-sided, of no difference, in (0, 1]."""


def mcnemar_test(ours: Sequence[float], theirs: Sequence[float]) -> McNemar:
    """Return McNemar's exact test of two systems that are right or wrong on the same problems (McNemar 1947).

    Of the b + c problems that only one has right, each is as likely either's if neither is better: the p-value
    is the two-sided binomial one, min(1, 2 P(X <= min(b, c))) with X ~ Binomial(b + c, 1/2), 1 if b + c is 0.
    Exchanging the systems leaves it as it is.

    Args:
        ours: 0 or 1 a problem, shape [num_problems]. For means over several samples see `sign_flip_p_value`.
        theirs: of the same problems in the same order, shape [num_problems].

    Raises:
        ValueError: there are no problems, the shapes differ, or a value is neither 0 nor 1.
    """
    first, second = paired_values(ours, theirs, "McNemar's test")
    both = np.concatenate([first, second])
    strange = both[(both != 0) & (both != 1)]
    if strange.size:
        raise ValueError(
            f"McNemar's test needs 0 or 1 of every problem, got {float(strange[0])!r}; "
            "compare means over samples by a paired difference instead"
        )
    b, c = int((first > second).sum()), int((first < second).sum())
    # whole numbers throughout: their quotient is rounded once
    ways, tail = 1, 1
    for taken in range(min(b, c)):
        ways = ways * (b + c - taken) // (taken + 1)
        tail += ways
    return McNemar(b, c, min(1.0, 2 * tail / 2 ** (b + c)))
