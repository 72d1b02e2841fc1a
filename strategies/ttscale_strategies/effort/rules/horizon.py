"""Whether a model's short samples are the right ones, or its long ones, and what to do then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from ttscale_strategies.checks import require_positive, require_share

Family: TypeAlias = Literal["short", "long", "plain", "unknown"]
"""Reasons, and its short samples are better whatever the question; reasons, and on hard questions its long ones
are; does not reason; nothing is known."""
Compute: TypeAlias = Literal["low", "high"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HorizonFit:
    """How much more often short samples are right than long ones, and what that says of the model."""

    family: Family
    difference: float
    """On hard questions, accuracy of the shorter half of a question's samples less that of the longer half."""
    low: float
    """Where it begins at 95 % confidence."""
    high: float
    num_hard: int
    """Questions that tell: with right samples and wrong ones, and fewer right ones than half of such."""


def horizon_of(
    lengths: Sequence[Sequence[int]],
    correct: Sequence[Sequence[float]],
    *,
    seed: int,
    num_resamples: int = 1000,
) -> HorizonFit:
    """Tell a model's family from graded samples.

    "The Art of Scaling Test-Time Compute" (arXiv:2512.02008) sets short-horizon models, whose shorter traces
    are better at any difficulty, apart from long-horizon ones, whose longer traces are better on hard ones.
    The paper sorts models by hand; the test is ours: on the harder half of the questions that have right and
    wrong samples, short ones are right more often, or less often, and the 95 % interval of a bootstrap over
    questions is on one side of 0. Otherwise nothing is known. Samples as long as the median are in neither
    half. Whether a model reasons at all cannot be told from lengths: that family is yours to name.

    Args:
        lengths: generated tokens of each question's samples, >= 0.
        correct: grade of each, in [0, 1], in the same order.
        seed: of the bootstrap, >= 0.
        num_resamples: >= 1.

    Raises:
        ValueError: a question's lengths and grades are not as many, or a grade lies outside [0, 1].
    """
    require_positive(num_resamples, "num_resamples")
    if len(lengths) != len(correct):
        raise ValueError(f"correct needs one list a question, got {len(correct)} for {len(lengths)}")
    telling = list[tuple[float, float]]()
    for index, (tokens, grades) in enumerate(zip(lengths, correct, strict=True)):
        if len(tokens) != len(grades):
            raise ValueError(f"question {index} has {len(tokens)} lengths and {len(grades)} grades")
        for grade in grades:
            require_share(grade, "correct")
        found = _halves(tokens, grades)
        if found is not None and 0.0 < sum(grades) < len(grades):
            telling.append((sum(grades) / len(grades), found))
    telling.sort(key=lambda pair: pair[0])
    hard = np.asarray([difference for _, difference in telling[: (len(telling) + 1) // 2]])
    if hard.size < 2:
        return HorizonFit(family="unknown", difference=0.0, low=-1.0, high=1.0, num_hard=int(hard.size))
    draws = np.random.default_rng(seed).integers(hard.size, size=(num_resamples, hard.size))
    low, high = np.quantile(hard[draws].mean(axis=1), [0.025, 0.975])
    family: Family = "short" if low > 0.0 else "long" if high < 0.0 else "unknown"
    return HorizonFit(
        family=family, difference=float(hard.mean()), low=float(low), high=float(high), num_hard=int(hard.size)
    )


def _halves(tokens: Sequence[int], grades: Sequence[float]) -> float | None:
    """Return by how much the shorter samples are better; ``None``: all are as long as each other."""
    middle = float(np.median(tokens)) if tokens else 0.0
    short = [grade for length, grade in zip(tokens, grades, strict=True) if length < middle]
    long = [grade for length, grade in zip(tokens, grades, strict=True) if length > middle]
    return sum(short) / len(short) - sum(long) / len(long) if short and long else None


def family_recipe(family: Family, compute: Compute, n: int) -> tuple[str, str]:
    """Return what arXiv:2512.02008 recommends for a family, as the spec of a strategy, and why.

    Low compute: the first of n samples to finish for short-horizon and plain models, one sample for
    long-horizon ones. High compute: the majority of n for all. Where the family is unknown that is what is
    left, with low compute too.

    Args:
        family: of the model.
        compute: how much may be spent.
        n: samples, >= 1.

    Raises:
        ValueError: n is less than 1.
    """
    require_positive(n, "n")
    vote = f"self_consistency:n={n}"
    if family == "unknown":
        return vote, "nothing is known of the model, and a majority vote is never far from the best"
    if compute == "high":
        return vote, f"with high compute a majority vote is best for the family {family!r}"
    if family == "long":
        return (
            "single",
            "a long-horizon model with low compute does best with one sample, not the first of many",
        )
    return f"first_finish:n={n},k=1", f"with low compute the first to finish is best for the family {family!r}"
