"""What graded samples come to: accuracy, and for each k the majority, any, all, and the best of k of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from ttscale.errors import ConfigError
from ttscale_evals.curves.grading import Graded
from ttscale_evals.stats import (
    HonestAccuracy,
    best_at_k,
    bootstrap_interval,
    honest_accuracy,
    maj_curve,
    mean_and_stderr,
    pass_at_k_by_problem,
    pass_hat_k_by_problem,
    percentile_interval,
    problem_means,
    resampled_means,
)
from ttscale_strategies.voting.rules import majority

Measure = Literal["maj", "pass", "pass_hat", "best"]
MEASURES: Final[Sequence[Measure]] = ("maj", "pass", "pass_hat", "best")
TITLES: Final[Mapping[Measure, str]] = {
    "maj": "maj@k",
    "pass": "pass@k",
    "pass_hat": "pass^k",
    "best": "best@k",
}

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A mean over problems, in [0, 1]."""

    value: float
    low: float
    """Of the 95 % bootstrap interval over problems."""
    high: float
    stderr: float | None
    """``None``: of a single problem."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """What k samples of a problem are worth."""

    k: int
    num_problems: int
    """Those that have k samples; the others are in no number of this k."""
    estimates: Mapping[Measure, Estimate]
    """Without those that cannot be told: the majority without answers, the best without rewards."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Curves:
    """What is known of a model on a benchmark, under one grader."""

    graded: Graded
    honest: HonestAccuracy
    accuracy: Estimate
    """Of one sample: the mean over problems of the mean over their samples; those without a grade are wrong."""
    without_errors: tuple[float, float | None] | None
    """Mean and standard error where samples without a grade are left out; ``None``: every sample has one."""
    final: Mapping[Measure, float]
    """Of all samples a problem has: the majority (ties go to the answer seen first), any, all, the best."""
    points: Sequence[Point]
    notes: Sequence[str]


def measure(graded: Graded, ks: Sequence[int], *, seed: int) -> Curves:
    """Return accuracy and curves; pure, and the same for the same arguments.

    maj@k is exact over all subsets of k samples, and tied answers share the win; pass@k and pass^k are
    unbiased; best@k takes the sample of the greatest reward, of equals the first. Samples without a grade are
    wrong, and those without an answer do not vote.

    Args:
        graded: at least one problem, each with a sample.
        ks: empty: 1, 2, 4 and so on up to the samples of the problem that has fewest.
        seed: of the resampling, >= 0.

    Raises:
        ConfigError: a k is greater than any problem's number of samples, or below 1.
    """
    counts = graded.num_samples
    least, most = min(counts), max(counts)
    if wrong := [k for k in ks if not 1 <= k <= most]:
        name = graded.ids[counts.index(most)]
        raise ConfigError(
            f"k={wrong[0]} is more than the samples of {graded.model!r} on {graded.benchmark!r}: a problem has "
            f"{most} at most ({name!r}, say); choose a k up to {most}, or leave the model out with --recorded."
        )
    chosen = sorted(set(ks)) or _usual(least)
    honest = honest_accuracy(graded.correct)
    means = problem_means(graded.correct)
    return Curves(
        graded=graded,
        honest=honest,
        accuracy=_single_estimate(means, seed),
        without_errors=_without_errors(graded, honest),
        final=_final(graded),
        points=_points(graded, chosen, seed),
        notes=[*graded.notes, *_notes(graded, chosen)],
    )


def _usual(most: int) -> list[int]:
    doubled = [2**power for power in range(most.bit_length()) if 2**power <= most]
    return doubled if doubled[-1] == most else [*doubled, most]


def _single_estimate(means: Floats, seed: int) -> Estimate:
    value, stderr = mean_and_stderr(means.tolist())
    low, high = bootstrap_interval(means.tolist(), seed=seed)
    return Estimate(value=value, low=low, high=high, stderr=stderr)


def _without_errors(graded: Graded, honest: HonestAccuracy) -> tuple[float, float | None] | None:
    if honest.num_errored == 0 or honest.errors_excluded is None:
        return None
    means = problem_means(graded.correct, errors="excluded")
    return mean_and_stderr(means[~np.isnan(means)].tolist())


# ── curves ────────────────────────────────────────────────────────────────────────────────────────────────


def _points(graded: Graded, ks: Sequence[int], seed: int) -> list[Point]:
    """Return the points; all k that the same problems have are resampled together."""
    by_problems = dict[tuple[int, ...], list[int]]()
    for k in ks:
        able = tuple(place for place, count in enumerate(graded.num_samples) if count >= k)
        by_problems.setdefault(able, []).append(k)
    return [point for able, able_ks in by_problems.items() for point in _points_of(graded, able, able_ks, seed)]


def _points_of(graded: Graded, places: Sequence[int], ks: Sequence[int], seed: int) -> list[Point]:
    correct = [[grade or 0.0 for grade in graded.correct[place]] for place in places]
    counts = [len(samples) for samples in correct]
    right = [sum(grade == 1.0 for grade in samples) for samples in correct]
    tables: dict[Measure, Floats] = {}
    if has_answers(graded):
        tables["maj"] = maj_curve([graded.keys[place] for place in places], correct, ks, seed=seed)
    tables["pass"] = np.stack([pass_at_k_by_problem(counts, right, k) for k in ks], axis=1)
    tables["pass_hat"] = np.stack([pass_hat_k_by_problem(counts, right, k) for k in ks], axis=1)
    if graded.rewards is not None:
        rewards = [graded.rewards[place] for place in places]
        tables["best"] = np.stack([best_at_k(rewards, correct, k) for k in ks], axis=1)
    again = resampled_means(np.concatenate(list(tables.values()), axis=1), seed=seed, num_resamples=10_000)
    points = list[Point]()
    for number, k in enumerate(ks):
        estimates: dict[Measure, Estimate] = {}
        for place, (name, table) in enumerate(tables.items()):
            value, stderr = mean_and_stderr(table[:, number].tolist())
            low, high = percentile_interval(again[:, place * len(ks) + number])
            estimates[name] = Estimate(value=value, low=low, high=high, stderr=stderr)
        points.append(Point(k=k, num_problems=len(places), estimates=estimates))
    return points


def has_answers(graded: Graded) -> bool:
    """Whether any answer is known, so that there is something to vote on."""
    return any(key is not None for keys in graded.keys for key in keys)


def _final(graded: Graded) -> dict[Measure, float]:
    correct = [[grade or 0.0 for grade in samples] for samples in graded.correct]
    found: dict[Measure, float] = {}
    if has_answers(graded):
        found["maj"] = fmean(map(_elected, graded.keys, correct))
    found["pass"] = fmean(float(1.0 in samples) for samples in correct)
    found["pass_hat"] = fmean(float(all(grade == 1.0 for grade in samples)) for samples in correct)
    if graded.rewards is not None:
        pairs = zip(graded.rewards, correct, strict=True)
        found["best"] = fmean(float(best_at_k([given], [right], len(right))[0]) for given, right in pairs)
    return found


def _elected(keys: Sequence[str | None], correct: Sequence[float]) -> float:
    winner = majority(keys)
    return 0.0 if winner is None else correct[keys.index(winner.key)]


# ── what a reader must know ───────────────────────────────────────────────────────────────────────────────


def _notes(graded: Graded, ks: Sequence[int]) -> list[str]:
    counts, notes = graded.num_samples, list[str]()
    least, most = min(counts), max(counts)
    if least < most:
        name, num_least = graded.ids[counts.index(least)], counts.count(least)
        also = f" and {num_least - 1} others" if num_least > 1 else ""
        notes.append(
            f"numbers of samples differ: {least} of the problem {name!r}{also}, up to {most} of others; up to "
            f"k={least} all {len(counts)} problems count"
        )
        partial = [k for k in ks if k > least]
        if partial:
            able = ", ".join(f"k={k}: {sum(count >= k for count in counts)}" for k in partial)
            notes.append(
                f"beyond that only the problems that have k samples ({able}): other problems, other curve"
            )
    if not has_answers(graded):
        notes.append("no answers were recorded, so there is no majority")
    elif silent := _num_silent(graded):
        notes.append(f"{silent:,} samples graded as right have no recorded answer, so they do not vote")
    partial_grades = sum(0 < (grade or 0) < 1 for samples in graded.correct for grade in samples)
    if partial_grades:
        notes.append(
            f"{partial_grades:,} grades lie between 0 and 1: they count as such, in pass@k and pass^k as wrong"
        )
    return notes


def _num_silent(graded: Graded) -> int:
    pairs = zip(graded.keys, graded.correct, strict=True)
    return sum(
        key is None and bool(grade) for keys, samples in pairs for key, grade in zip(keys, samples, strict=True)
    )
