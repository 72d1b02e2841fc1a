"""Measures of roles on held-out problems: shares, and how well scores tell right from wrong."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Measure:
    """A measured value and its 95 % interval, all from 0 to 1, or from -1 where it is a difference.

    Attributes:
        value: The value.
        low: Lower end of the interval.
        high: Upper end.
        num_cases: Number of cases behind it.
    """

    value: float
    low: float
    high: float
    num_cases: int


def share(num_right: int, num_cases: int) -> Measure:
    """Return a share with its Wilson interval (Wilson 1927): for cases that are independent of each other.

    Raises:
        ValueError: There is no case, or the right ones are not among them.
    """
    from scipy.stats import binomtest

    if num_cases < 1:
        raise ValueError("There is no share of no cases; measure one or more.")
    interval = binomtest(num_right, num_cases).proportion_ci(0.95, method="wilson")
    return Measure(num_right / num_cases, float(interval.low), float(interval.high), num_cases)


def auroc(scores: Sequence[float], labels: Sequence[bool]) -> float:
    """Return the probability that a right case scores above a wrong one; ties count half (Hanley, McNeil 1982).

    It is the area under the receiver operating characteristic: 0.5 for scores by chance, 1 for perfect ones.

    Args:
        scores: One finite number a case.
        labels: Whether each case is right; as many as scores.

    Raises:
        ValueError: The numbers of scores and labels differ, a score is not finite, or one class is missing.
    """
    from scipy.stats import rankdata

    values, rights = np.asarray(scores, dtype=np.float64), np.asarray(labels, dtype=np.bool_)
    if values.shape != rights.shape:
        raise ValueError(f"There are {len(scores)} scores but {len(labels)} labels; give one of each a case.")
    if not np.isfinite(values).all():
        raise ValueError("A score is not finite; leave out cases that have no score.")
    num_right, num_wrong = int(rights.sum()), int((~rights).sum())
    if not num_right or not num_wrong:
        raise ValueError(
            f"{num_right} right and {num_wrong} wrong cases cannot be told apart; give both kinds."
        )
    above = float(rankdata(values)[rights].sum()) - num_right * (num_right + 1) / 2
    return above / (num_right * num_wrong)


def auroc_measure(
    scores: Sequence[float],
    labels: Sequence[bool],
    problems: Sequence[Hashable],
    *,
    seed: int = 0,
    num_resamples: int = 1000,
) -> Measure:
    """Return `auroc` with its percentile bootstrap interval, problems drawn again whole (Efron 1979).

    Steps of one problem depend on each other, so the cases would make the interval too narrow.

    Args:
        scores: One finite number a case.
        labels: Whether each case is right.
        problems: Of which problem each case is.
        seed: Of the resampling.
        num_resamples: 1 or more; those with one class only are left out.

    Raises:
        ValueError: As `auroc`; or the number of problems is another, or no resample has both classes.
    """
    value = auroc(scores, labels)
    if len(problems) != len(scores):
        raise ValueError(
            f"There are {len(scores)} scores but {len(problems)} problems; give one of each a case."
        )
    cases = dict[Hashable, list[int]]()
    for index, problem in enumerate(problems):
        cases.setdefault(problem, []).append(index)
    groups = [np.asarray(indices) for indices in cases.values()]
    values, rights = np.asarray(scores, dtype=np.float64), np.asarray(labels, dtype=np.bool_)
    generator, drawn = np.random.default_rng(seed), list[float]()
    for _ in range(num_resamples):
        chosen = np.concatenate([groups[i] for i in generator.integers(len(groups), size=len(groups))])
        if rights[chosen].any() and not rights[chosen].all():
            drawn.append(auroc(values[chosen].tolist(), rights[chosen].tolist()))
    if not drawn:
        raise ValueError("No resample of the problems has both right and wrong cases; measure more problems.")
    low, high = np.quantile(drawn, (0.025, 0.975))
    return Measure(value, float(low), float(high), len(scores))
