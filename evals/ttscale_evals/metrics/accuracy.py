"""How many answers are right, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ttscale_evals.stats import Interval, wilson_interval


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


def accuracy_of(correct: Sequence[bool], failed: Sequence[bool]) -> Accuracy:
    """Return the accuracy of one answer a problem.

    Args:
        correct: whether each answer is right, shape [num_problems].
        failed: whether each problem ended in an error, shape [num_problems]; such an answer is not right.
    """
    num_problems, num_errors = len(correct), sum(failed)
    num_correct = sum(right and not error for right, error in zip(correct, failed, strict=True))
    if num_problems == 0:
        value = interval = None
    else:
        value, interval = num_correct / num_problems, wilson_interval(num_correct, num_problems)
    without = num_problems - num_errors
    return Accuracy(
        num_problems=num_problems,
        num_correct=num_correct,
        num_errors=num_errors,
        value=value,
        interval=interval,
        errors_excluded=num_correct / without if num_errors and without else None,
    )
