"""Two systems on the same problems: who is better, whether that can be told, and what it would take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Final, Literal

import numpy as np

from ttscale_evals.compare.groups import Group
from ttscale_evals.compare.means import Floats, Measurements
from ttscale_evals.stats import (
    PairedDifference,
    holm_adjusted,
    mcnemar_test,
    mean_and_stderr,
    percentile_interval,
    problems_needed,
    sign_flip_p_value,
)

CONFIDENCE: Final = 0.95

Test = Literal["mcnemar", "sign_flips"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One system against another on the same problems; accuracies in [0, 1], failed problems wrong."""

    benchmark: str
    ours: str
    theirs: str
    num_problems: int
    difference: float
    """Accuracy of ours minus theirs."""
    difference_low: float
    """Of the 95 % paired bootstrap interval over problems."""
    difference_high: float
    difference_stderr: float | None
    """Paired by problem; ``None`` of a single problem."""
    difference_errors_excluded: float | None
    """Among the problems that neither failed, where that is another number."""
    num_ours_only: int
    """Problems that only ours has right; of means over seeds: that ours has right more often."""
    num_theirs_only: int
    test: Test
    """McNemar's exact test where both have 0 or 1 of every problem, else Fisher's of the signs of the problems'
    differences (`ttscale_evals.stats.sign_flip_p_value`), which is the same test for 0 and 1."""
    p_value: float
    """Two-sided."""
    p_adjusted: float
    """By Holm's method over all pairs of the comparison, those of other benchmarks too."""
    better: str | None
    """The system that is better, at 95 % confidence over all pairs together; ``None``: no difference shown."""
    problems_needed: int | None
    """Where none is better: how many problems would tell a difference of this size in 4 of 5 cases, with as
    many pairs; ``None`` where nothing can be said."""

    @property
    def verdict(self) -> str:
        """Who wins, in words."""
        if self.better is not None:
            return f"{self.better} is better than {self.theirs if self.better == self.ours else self.ours}"
        what = f"{self.ours} and {self.theirs}: no difference shown"
        if self.num_ours_only == self.num_theirs_only == 0:
            how = "right on the same problems" if self.test == "mcnemar" else "every problem right as often"
            return f"{what}; {how}"
        if self.problems_needed is None:
            return what
        return f"{what}; about {_round(self.problems_needed):,} problems would tell"

    def turned(self) -> Pair:
        """Return the same comparison the other way round."""
        without = self.difference_errors_excluded
        return replace(
            self,
            ours=self.theirs,
            theirs=self.ours,
            difference=-self.difference,
            difference_low=-self.difference_high,
            difference_high=-self.difference_low,
            difference_errors_excluded=None if without is None else -without,
            num_ours_only=self.num_theirs_only,
            num_theirs_only=self.num_ours_only,
        )


def _round(value: int) -> int:
    """Return a whole number in two figures: more of them would claim too much."""
    return int(float(f"{value:.1e}")) if value >= 100 else value


def choose_pairs(group: Group, baseline: str | None) -> list[tuple[int, int]]:
    """Return which systems to compare, each with what it is held against, by their places.

    Args:
        group: the systems.
        baseline: a label; every other system is held against it. ``None``, or not in the group: against the
            plain baselines; where there are none, every pair.
    """
    everyone = range(len(group.systems))
    chosen = [i for i in everyone if group.systems[i].label == baseline]
    against = chosen or [i for i in everyone if group.systems[i].is_plain]
    if not against:
        return [(later, earlier) for earlier, later in combinations(everyone, 2)]
    # of two baselines the one that draws more is held against the other
    rank = {place: (group.systems[place].size, place) for place in against}
    return [
        (ours, theirs)
        for theirs in against
        for ours in everyone
        if ours != theirs and (ours not in rank or rank[ours] > rank[theirs])
    ]


def compare_pairs(
    groups: Sequence[tuple[Group, Measurements]], baseline: str | None, *, seed: int = 0
) -> list[Pair]:
    """Compare the systems of each group, and correct for the number of pairs in all of them together.

    Args:
        groups: with what their systems came to.
        baseline: see `choose_pairs`.
        seed: of random signs, >= 0.
    """
    found = [
        _compare(group, measured, ours, theirs, seed=seed)
        for group, measured in groups
        for ours, theirs in choose_pairs(group, baseline)
    ]
    adjusted = holm_adjusted([pair.p_value for pair, _ in found])
    return [
        _judge(pair, paired, p_adjusted=p, num_pairs=len(found))
        for (pair, paired), p in zip(found, adjusted, strict=True)
    ]


def _compare(
    group: Group, measured: Measurements, ours: int, theirs: int, *, seed: int
) -> tuple[Pair, PairedDifference]:
    first, second = measured.correct[:, ours], measured.correct[:, theirs]
    differences = (first - second).tolist()
    is_binary = measured.is_binary(ours) and measured.is_binary(theirs)
    p_value = (
        mcnemar_test(first.tolist(), second.tolist()).p_value
        if is_binary
        else sign_flip_p_value(differences, seed=seed)
    )
    difference, stderr = mean_and_stderr(differences)
    again = measured.again.accuracy
    interval = percentile_interval(again[:, ours] - again[:, theirs], confidence=CONFIDENCE)
    paired = PairedDifference(
        num_problems=len(first),
        difference=difference,
        stderr=stderr,
        interval=interval,
        p_value=p_value,
        confidence=CONFIDENCE,
    )
    pair = Pair(
        benchmark=group.benchmark,
        ours=group.systems[ours].label,
        theirs=group.systems[theirs].label,
        num_problems=len(first),
        difference=difference,
        difference_low=interval.low,
        difference_high=interval.high,
        difference_stderr=stderr,
        difference_errors_excluded=_without_errors(
            measured.graded[:, ours] - measured.graded[:, theirs], difference
        ),
        num_ours_only=int((first > second).sum()),
        num_theirs_only=int((first < second).sum()),
        test="mcnemar" if is_binary else "sign_flips",
        p_value=p_value,
        p_adjusted=1.0,
        better=None,
        problems_needed=None,
    )
    return pair, paired


def _without_errors(differences: Floats, value: float) -> float | None:
    known = differences[~np.isnan(differences)]
    without = float(known.mean()) if known.size else value
    return None if without == value else without


def _judge(pair: Pair, paired: PairedDifference, *, p_adjusted: float, num_pairs: int) -> Pair:
    """Say who is better, given the p-value that is corrected for the number of pairs."""
    judged = replace(paired, p_value=p_adjusted)
    if judged.is_told_apart:
        better = pair.ours if pair.difference > 0 else pair.theirs
        return replace(pair, p_adjusted=p_adjusted, better=better)
    # Holm's method asks this much of the first pair that it decides.
    strict = replace(judged, confidence=1.0 - (1.0 - CONFIDENCE) / num_pairs)
    return replace(pair, p_adjusted=p_adjusted, problems_needed=problems_needed(strict))
