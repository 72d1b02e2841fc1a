"""Two systems on the same problems: how much better one is, and whether that can be told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from statistics import NormalDist
from typing import Final

import numpy as np

from ttscale_evals.stats._checks import paired_values, require_confidence
from ttscale_evals.stats.estimators import mean_and_stderr
from ttscale_evals.stats.intervals import Interval, bootstrap_interval
from ttscale_evals.stats.sign_flips import sign_flip_p_value

_NO_SPREAD: Final = 1e-12
"""A standard error that is rounding: all problems differ alike."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedDifference:
    """How much better a system is than another on the same problems."""

    num_problems: int
    difference: float
    """Mean over problems of ours minus theirs."""
    stderr: float | None
    """Of the difference, paired by problem; ``None`` of a single problem."""
    interval: Interval
    """Percentile bootstrap over problems."""
    p_value: float
    """Two-sided, of no difference, by flipping signs of the problems' differences; see `sign_flip_p_value`."""
    confidence: float
    """Of the interval, in (0, 1)."""

    @property
    def is_told_apart(self) -> bool:
        """Whether one is better: the interval leaves 0 out, and the test agrees.

        The test is asked too, as the bootstrap of a few problems is a point where all differ alike.
        """
        leaves_zero_out = self.interval.low > 0 or self.interval.high < 0
        return leaves_zero_out and self.p_value <= 1.0 - self.confidence


def paired_difference(
    ours: Sequence[float],
    theirs: Sequence[float],
    *,
    seed: int,
    confidence: float = 0.95,
    num_resamples: int = 10_000,
) -> PairedDifference:
    """Compare two systems problem by problem (Miller 2024, arXiv:2411.00640, section 4.2).

    The differences of a problem's values are the independent draws: the standard error is that of their
    mean, and problems are drawn again with both systems' values. With several samples, seeds or runs a
    problem, give their means, see `problem_means`; the numbers of them may differ between the two systems.
    Exchanging the two systems negates the difference and mirrors the interval, exactly, under the same seed.

    Args:
        ours: one value a problem, finite, shape [num_problems].
        theirs: of the same problems in the same order, shape [num_problems].
        seed: of resampling and sign flips, >= 0.
        confidence: of the interval, in (0, 1).
        num_resamples: >= 1.

    Raises:
        ValueError: there are no problems, the shapes differ, or a value is not finite.
    """
    require_confidence(confidence)
    first, second = paired_values(ours, theirs, "a paired comparison")
    differences = (first - second).tolist()
    difference, stderr = mean_and_stderr(differences)
    return PairedDifference(
        num_problems=len(differences),
        difference=difference,
        stderr=stderr,
        interval=bootstrap_interval(differences, seed=seed, confidence=confidence, num_resamples=num_resamples),
        p_value=sign_flip_p_value(differences, seed=seed),
        confidence=confidence,
    )


def problems_needed(
    paired: PairedDifference, *, difference: float | None = None, power: float = 0.8
) -> int | None:
    """Return how many problems it takes to tell a difference apart, from the spread that was observed.

    With the standard deviation s of the problems' differences it is the least
    n >= ((z of (1 + confidence) / 2 + z of power) s / difference)², see Miller 2024 (arXiv:2411.00640,
    section 5). The number is in all, not on top of those there are.

    Args:
        paired: what was observed; its confidence is that of the two-sided test to come.
        difference: what is to be told apart, other than 0, of either sign; ``None``: what was observed. The
            problems there are suffice where that has been told apart, and do not where it has not.
        power: chance in (0, 1) that the test finds the difference.

    Returns:
        A number of problems, or ``None`` where nothing can be said: no difference was observed, or no spread.

    Raises:
        ValueError: the difference is 0 or the power out of range.
    """
    if not 0 < power < 1:
        raise ValueError(f"power must lie between 0 and 1, got {power!r}")
    if difference is not None and not (np.isfinite(difference) and difference != 0):
        raise ValueError(f"the difference to tell apart must be finite and not 0, got {difference!r}")
    if difference is None and paired.is_told_apart:
        return paired.num_problems
    effect = paired.difference if difference is None else difference
    if effect == 0 or paired.stderr is None or paired.stderr < _NO_SPREAD:
        return None
    normal = NormalDist()
    quantiles = normal.inv_cdf((1.0 + paired.confidence) / 2.0) + normal.inv_cdf(power)
    needed = ceil((quantiles * paired.stderr / effect) ** 2 * paired.num_problems)
    return max(needed, paired.num_problems + 1 if difference is None else 1)
