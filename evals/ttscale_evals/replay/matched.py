"""Strategies against plain majority voting at matched compute: pure functions on numpy arrays.

The reference is the majority of the first k samples, k = 1 to n, of the same orders of the same recorded
samples. Between two numbers of samples it is interpolated linearly, in cost and in accuracy: a mixture that
draws k samples for some problems and k + 1 for the others has just those. Problems are the independent draws:
per problem everything is averaged over orders first, and intervals come from problems drawn again, strategy and
reference together (a paired bootstrap).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from ttscale_evals.stats import percentile_interval, resampled_means

Floats = NDArray[np.float64]

Reach = Literal["reached", "at once", "never"]
"""Whether the reference gets to an accuracy: with its first sample already (``"at once"``), or with none."""

NUM_RESAMPLES: Final = 10_000
_SLACK: Final = 1e-9
"""Relative difference of two costs that is rounding."""
_COSTS: Final = ("tokens", "samples", "critical_path_tokens")


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What a strategy came to, per problem, each the mean over orders; shape [num_problems]."""

    correct: Floats
    """In [0, 1]."""
    tokens: Floats
    """All that a token budget counts, aborted samples included."""
    samples: Floats
    critical_path_tokens: Floats
    seconds: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """The reference: the majority of the first k samples, per problem and k, each the mean over orders.

    Shape [num_problems, n]; column k - 1 is the majority of k samples.
    """

    correct: Floats
    tokens: Floats
    critical_path_tokens: Floats
    seconds: Floats

    @property
    def samples(self) -> Floats:
        """How many samples each column draws."""
        return np.broadcast_to(np.arange(1.0, self.correct.shape[1] + 1), self.correct.shape)

    def at(self, k: int) -> Measured:
        """Return what the majority of k samples came to."""
        return Measured(
            correct=self.correct[:, k - 1],
            tokens=self.tokens[:, k - 1],
            samples=self.samples[:, k - 1],
            critical_path_tokens=self.critical_path_tokens[:, k - 1],
            seconds=self.seconds[:, k - 1],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Average:
    """What a strategy came to, over problems and orders."""

    num_orders: int
    """Drawn orders that were averaged."""
    accuracy: float
    accuracy_low: float
    """Of the 95 % bootstrap interval over problems."""
    accuracy_high: float
    tokens_per_problem: float
    samples_per_problem: float
    critical_path_tokens_per_problem: float
    seconds_per_problem: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AtEqualCost:
    """The strategy against the reference at the same mean cost."""

    cost: float
    """The strategy's mean over problems."""
    reference_samples: float | None
    """How many samples the reference draws for it; not a whole number where it is interpolated."""
    reference_accuracy: float | None
    difference: float | None
    """The strategy's accuracy minus the reference's."""
    difference_low: float | None
    """Of the 95 % paired bootstrap interval over problems."""
    difference_high: float | None
    note: str = ""
    """Why there is nothing to compare with, if so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AtEqualAccuracy:
    """The tokens that the reference needs for the strategy's accuracy."""

    tokens: float
    """The strategy's mean over problems."""
    reference_tokens: float | None
    """The least at which the reference is as accurate."""
    saving: float | None
    """Share of them that the strategy saves; negative where it needs more."""
    saving_low: float | None
    """Of the 95 % bootstrap interval over problems. Where the reference never gets there in a resample, all is
    saved (1.0); where it is there with its first sample, that one's tokens are what it needs."""
    saving_high: float | None
    note: str = ""
    """Why nothing can be said, if so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Matched:
    """A strategy against plain majority voting at matched compute."""

    reference: str
    at_equal_tokens: AtEqualCost
    at_equal_samples: AtEqualCost
    at_equal_critical_path: AtEqualCost
    at_equal_accuracy: AtEqualAccuracy


def average(measured: Measured, *, num_orders: int, seed: int, num_resamples: int = NUM_RESAMPLES) -> Average:
    """Return a strategy's means over problems, its accuracy with an interval.

    Args:
        measured: per problem, >= 1 of them.
        num_orders: how many orders were averaged.
        seed: of the bootstrap.
        num_resamples: >= 1.
    """
    means = resampled_means(measured.correct[:, None], seed=seed, num_resamples=num_resamples)
    interval = percentile_interval(means[:, 0])
    return Average(
        num_orders=num_orders,
        accuracy=float(measured.correct.mean()),
        accuracy_low=interval.low,
        accuracy_high=interval.high,
        tokens_per_problem=float(measured.tokens.mean()),
        samples_per_problem=float(measured.samples.mean()),
        critical_path_tokens_per_problem=float(measured.critical_path_tokens.mean()),
        seconds_per_problem=float(measured.seconds.mean()),
    )


def compare(
    measured: Measured, curve: Curve, *, seed: int, reference: str = "", num_resamples: int = NUM_RESAMPLES
) -> Matched:
    """Hold a strategy against the reference at equal tokens, samples and critical path, and at equal accuracy.

    Args:
        measured: the strategy, shape [num_problems].
        curve: the reference on the same problems and orders, shape [num_problems, n], n >= 1.
        seed: of the bootstrap.
        reference: what to call the reference.
        num_resamples: >= 1.
    """
    costs = [(getattr(measured, name), getattr(curve, name)) for name in _COSTS]
    own = [measured.correct, *(cost for cost, _ in costs)]
    columns = np.concatenate([np.stack(own, axis=1), curve.correct, *(of for _, of in costs)], axis=1)
    point = columns.mean(axis=0, keepdims=True)
    again = resampled_means(columns, seed=seed, num_resamples=num_resamples)
    equal = [_at_equal_cost(_pair(point, number), _pair(again, number)) for number in range(len(_COSTS))]
    return Matched(
        reference=reference,
        at_equal_tokens=equal[0],
        at_equal_samples=equal[1],
        at_equal_critical_path=equal[2],
        at_equal_accuracy=_at_equal_accuracy(_pair(point, 0), _pair(again, 0)),
    )


@dataclass(frozen=True, slots=True)
class _Pair:
    """Mean accuracies and one mean cost of strategy and reference, a row a resample."""

    accuracy: Floats
    """Of the strategy, shape [num_rows]."""
    cost: Floats
    reference: Floats
    """Accuracies of the reference, shape [num_rows, n]."""
    costs: Floats


def _pair(means: Floats, cost: int) -> _Pair:
    """Take one of `_COSTS` out of the means of the strategy's columns and then the reference's."""
    own = 1 + len(_COSTS)
    curves = np.split(means[:, own:], own, axis=1)
    return _Pair(means[:, 0], means[:, 1 + cost], curves[0], curves[1 + cost])


# ── at equal cost ─────────────────────────────────────────────────────────────────────────────────────────


def place_of(cost: Floats, costs: Floats) -> Floats:
    """Return where on the reference's curve a cost lies, from 0 (one sample) to n - 1, clipped to that.

    Where several numbers of samples cost the same, it is the greatest of these.

    Args:
        cost: shape [num_rows].
        costs: of the reference, never falling within a row; shape [num_rows, n].
    """
    slack = _SLACK * np.maximum(1.0, np.abs(cost))
    below = np.maximum((costs <= (cost + slack)[:, None]).sum(axis=1) - 1, 0)
    above = np.minimum(below + 1, costs.shape[1] - 1)
    rows = np.arange(len(cost))
    start, gap = costs[rows, below], costs[rows, above] - costs[rows, below]
    share = np.divide(cost - start, gap, out=np.zeros_like(cost), where=gap > 0)
    found: Floats = below + np.clip(share, 0.0, 1.0)
    return found


def value_at(place: Floats, values: Floats) -> Floats:
    """Return the reference's values at places on its curve, by linear interpolation.

    Args:
        place: see `place_of`, shape [num_rows].
        values: shape [num_rows, n].
    """
    below = np.floor(place).astype(np.int64)
    above = np.minimum(below + 1, values.shape[1] - 1)
    rows, share = np.arange(len(place)), place - below
    found: Floats = values[rows, below] * (1.0 - share) + values[rows, above] * share
    return found


def _at_equal_cost(point: _Pair, again: _Pair) -> AtEqualCost:
    """Compare at equal cost, given the means over problems and those over resampled problems."""
    mean, least, most = float(point.cost[0]), float(point.costs[0, 0]), float(point.costs[0, -1])
    slack = _SLACK * max(1.0, abs(mean))
    if mean < least - slack:
        return _no_equal_cost(mean, "it costs less than one sample")
    if mean > most + slack:
        return _no_equal_cost(mean, f"it costs more than the majority of all {point.costs.shape[1]} samples")
    place = place_of(point.cost, point.costs)
    matching = float(value_at(place, point.reference)[0])
    differences = again.accuracy - value_at(place_of(again.cost, again.costs), again.reference)
    interval = percentile_interval(differences)
    return AtEqualCost(
        cost=mean,
        reference_samples=1.0 + float(place[0]),
        reference_accuracy=matching,
        difference=float(point.accuracy[0]) - matching,
        difference_low=interval.low,
        difference_high=interval.high,
    )


def _no_equal_cost(cost: float, note: str) -> AtEqualCost:
    return AtEqualCost(
        cost=cost,
        reference_samples=None,
        reference_accuracy=None,
        difference=None,
        difference_low=None,
        difference_high=None,
        note=note,
    )


# ── at equal accuracy ─────────────────────────────────────────────────────────────────────────────────────


def cost_of_accuracy(accuracy: Floats, reference: Floats, costs: Floats) -> Floats:
    """Return the least cost at which the reference is as accurate, infinite where it never is.

    Where it is so with its first sample, that one's cost is returned. The accuracy of a majority need not rise
    with every sample; what counts is where it gets there first.

    Args:
        accuracy: to be reached, shape [num_rows].
        reference: accuracies, shape [num_rows, n].
        costs: shape [num_rows, n].
    """
    is_there = reference >= (accuracy - _SLACK)[:, None]
    first, rows = is_there.argmax(axis=1), np.arange(len(accuracy))
    before = np.maximum(first - 1, 0)
    start, gap = reference[rows, before], reference[rows, first] - reference[rows, before]
    share = np.clip(np.divide(accuracy - start, gap, out=np.zeros_like(accuracy), where=gap > 0), 0.0, 1.0)
    found = costs[rows, before] * (1.0 - share) + costs[rows, first] * share
    return np.where(is_there.any(axis=1), found, np.inf)


def reach(accuracy: float, reference: Floats) -> Reach:
    """Return whether the reference gets to an accuracy.

    Args:
        accuracy: to be reached.
        reference: accuracies, shape [n].
    """
    if float(reference[0]) >= accuracy - _SLACK:
        return "at once"
    return "reached" if bool((reference >= accuracy - _SLACK).any()) else "never"


_WHY_NOT: Final[dict[Reach, str]] = {
    "at once": "the majority has this accuracy with one sample",
    "never": "the majority never has this accuracy",
}


def _at_equal_accuracy(point: _Pair, again: _Pair) -> AtEqualAccuracy:
    """Compare at equal accuracy, given the means over problems and those over resampled problems."""
    tokens = float(point.cost[0])
    reached = reach(float(point.accuracy[0]), point.reference[0])
    needed = float(cost_of_accuracy(point.accuracy, point.reference, point.costs)[0])
    if reached != "reached" or needed <= 0:
        return AtEqualAccuracy(
            tokens=tokens,
            reference_tokens=None,
            saving=None,
            saving_low=None,
            saving_high=None,
            note=_WHY_NOT.get(reached, "the majority costs nothing"),
        )
    needed_again = cost_of_accuracy(again.accuracy, again.reference, again.costs)
    interval = percentile_interval(1.0 - again.cost / np.maximum(needed_again, _SLACK))
    return AtEqualAccuracy(
        tokens=tokens,
        reference_tokens=needed,
        saving=1.0 - tokens / needed,
        saving_low=interval.low,
        saving_high=interval.high,
    )
