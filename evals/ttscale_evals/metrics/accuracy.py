"""How many answers are right, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ttscale_evals.stats import Interval, honest_accuracy, wilson_interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """The share of right answers; ``None`` where there is nothing to take a share of."""

    num_problems: int
    num_correct: int
    num_errors: int
    value: float | None
    """Errors count as wrong."""
    interval: Interval | None
    """Wilson, 95 %, of `value`."""
    errors_excluded: float | None
    """The share among problems without error; ``None`` when it is the same as `value`."""
    supportable: Interval | None
    """From all errors wrong to all of them right; ``None`` when there are no errors."""


def accuracy_of(correct: Sequence[bool], failed: Sequence[bool]) -> Accuracy:
    """Return the accuracy of one answer a problem.

    Args:
        correct: whether each answer is right, shape [num_problems].
        failed: whether each problem ended in an error, shape [num_problems]; such an answer is not right.
    """
    num_problems, num_errors = len(correct), sum(failed)
    num_correct = sum(right and not error for right, error in zip(correct, failed, strict=True))
    if num_problems == 0:
        return Accuracy(
            num_problems=0,
            num_correct=0,
            num_errors=0,
            value=None,
            interval=None,
            errors_excluded=None,
            supportable=None,
        )
    pairs = zip(correct, failed, strict=True)
    honest = honest_accuracy([[None if error else float(right)] for right, error in pairs])
    return Accuracy(
        num_problems=num_problems,
        num_correct=num_correct,
        num_errors=num_errors,
        value=num_correct / num_problems,
        interval=wilson_interval(num_correct, num_problems),
        errors_excluded=honest.errors_excluded if num_errors else None,
        supportable=honest.supportable if num_errors else None,
    )
