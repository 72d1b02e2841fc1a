"""What a router is worth: its accuracy at each cost against mixing the models at random, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ttscale_strategies.checks import require_positive
from ttscale_strategies.route.rules import (
    CurvePoint,
    chosen_models,
    decisive_weights,
    mean_quality,
    mixing_hull,
)

Floats = NDArray[np.float64]

_MAX_WEIGHTS: Final = 201
"""Of a longer sweep this many are tried, evenly spread over it."""
_NUM_COSTS: Final = 101


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A difference, and between which it lies at 95 % confidence."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingGain:
    """A router against random mixing on questions that it was not fitted on; qualities as accuracies."""

    costs: tuple[float, ...]
    """Mean costs a question at which both are compared, from the cheapest model's to the dearest's."""
    routed: tuple[float, ...]
    """Accuracy of the router at each."""
    mixed: tuple[float, ...]
    """Of mixing the models at random: the zero router."""
    oracle: tuple[float, ...]
    """Of knowing beforehand which model is right."""
    gains: tuple[Estimate, ...]
    """Routed over mixed, each with its own interval."""
    band: tuple[Estimate, ...]
    """The same, in intervals that hold at all costs at once."""
    area: Estimate
    """Mean gain over all costs."""
    share_of_oracle: float | None
    """The mean gain as a share of the oracle's; ``None``: the oracle gains nothing."""
    mean_quality: float
    """AIQ (RouterBench, arXiv:2403.12031): mean accuracy over costs of the hull of the router's points. It is
    chosen with hindsight, so never less than the plain curve's."""


def routing_gain(
    losses: ArrayLike, costs: Sequence[float], quality: ArrayLike, *, seed: int, num_resamples: int = 1000
) -> RoutingGain:
    """Return how much better than mixing at random the choice by expected losses is, cost by cost.

    λ is swept; between two points of the sweep the two are mixed, and what costs more than the dearest point is
    worth as much as it. Intervals are of the bootstrap over questions, with the router as it is: that another
    one would have been fitted on other questions is not in them.

    Args:
        losses: expected, of questions that the router was not fitted on, shape [num_questions, num_models].
        costs: of an answer of each model; two different ones or more.
        quality: of each answer as it turned out, shape [num_questions, num_models].
        seed: of the bootstrap, >= 0.
        num_resamples: >= 1.

    Raises:
        ValueError: there are no questions, the shapes do not fit, all costs are equal, or a number is not
            finite.
    """
    require_positive(num_resamples, "num_resamples")
    expected, price, worth = _checked(losses, costs, quality)
    grid = np.linspace(price.min(), price.max(), _NUM_COSTS)
    num_questions = expected.shape[0]
    counts = np.random.default_rng(seed).multinomial(
        num_questions, np.full(num_questions, 1.0 / num_questions), size=num_resamples
    )
    counts = np.vstack([np.ones((1, num_questions), dtype=counts.dtype), counts]) / num_questions
    routed, points = _curves(expected, price, worth, counts, grid)
    oracle, _ = _curves(1.0 - worth, price, worth, counts[:1], grid)
    mixed = np.stack([_mixed(means, price, grid) for means in counts @ worth])
    gains = routed - mixed
    areas = _mean_height(gains)
    oracle_area = float(_mean_height(oracle[:1] - mixed[:1])[0])
    return RoutingGain(
        costs=tuple(grid.tolist()),
        routed=tuple(routed[0].tolist()),
        mixed=tuple(mixed[0].tolist()),
        oracle=tuple(oracle[0].tolist()),
        gains=tuple(_estimate(column) for column in gains.T),
        band=_band(gains),
        area=_estimate(areas),
        share_of_oracle=float(areas[0]) / oracle_area if oracle_area > 0.0 else None,
        mean_quality=mean_quality(mixing_hull(points), low=float(grid[0]), high=float(grid[-1])),
    )


def curve_area(losses: ArrayLike, costs: Sequence[float], quality: ArrayLike) -> float:
    """Return the mean accuracy over all costs of choosing by expected losses; see `routing_gain`."""
    expected, price, worth = _checked(losses, costs, quality)
    grid = np.linspace(price.min(), price.max(), _NUM_COSTS)
    every = np.full((1, expected.shape[0]), 1.0 / expected.shape[0])
    curve, _ = _curves(expected, price, worth, every, grid)
    return float(_mean_height(curve)[0])


def _curves(
    expected: Floats, price: Floats, worth: Floats, counts: Floats, grid: Floats
) -> tuple[Floats, list[CurvePoint]]:
    """Return accuracies at the grid's costs, a row for each weighting of the questions; points of the first."""
    sweep = decisive_weights(expected, price)
    places = np.unique(np.linspace(0, len(sweep) - 1, min(_MAX_WEIGHTS, len(sweep))).round().astype(np.int64))
    chosen = np.stack([chosen_models(expected, price, sweep[place]) for place in places[::-1]])
    questions = np.arange(expected.shape[0])
    # the more a cost weighs, the less is spent on each question: by falling weights costs rise
    spent, reached = counts @ price[chosen].T, counts @ worth[questions, chosen].T
    # equal costs to the last digit but one: the better of them would be hindsight, the later one is the rule's
    curves = [
        np.interp(grid, x + np.arange(x.size) * 1e-12 * grid[-1], y)
        for x, y in zip(spent, reached, strict=True)
    ]
    points = [CurvePoint(*pair) for pair in zip(spent[0].tolist(), reached[0].tolist(), strict=True)]
    return np.stack(curves), points


def _mean_height(curves: Floats) -> Floats:
    """Return the mean over the grid's costs of each row, straight between them."""
    return np.asarray((curves[:, 1:] + curves[:, :-1]).mean(axis=1) / 2.0, dtype=np.float64)


def _mixed(means: Floats, price: Floats, grid: Floats) -> Floats:
    hull = mixing_hull([CurvePoint(*pair) for pair in zip(price.tolist(), means.tolist(), strict=True)])
    return np.interp(grid, [point.cost for point in hull], [point.quality for point in hull])


def _estimate(values: Floats) -> Estimate:
    low, high = np.quantile(values[1:], [0.025, 0.975])
    return Estimate(value=float(values[0]), low=float(low), high=float(high))


def _band(gains: Floats) -> tuple[Estimate, ...]:
    """Return the band in which 95 % of resampled curves lie as a whole, as wide as each place varies."""
    spread = gains[1:].std(axis=0)
    distances = np.abs(gains[1:] - gains[0])
    relative = np.divide(distances, spread, out=np.zeros_like(distances), where=spread > 0.0)
    width = spread * np.quantile(relative.max(axis=1), 0.95)
    rows = zip(gains[0].tolist(), width.tolist(), strict=True)
    return tuple(Estimate(value=value, low=value - half, high=value + half) for value, half in rows)


def _checked(losses: ArrayLike, costs: Sequence[float], quality: ArrayLike) -> tuple[Floats, Floats, Floats]:
    expected, worth = np.asarray(losses, dtype=np.float64), np.asarray(quality, dtype=np.float64)
    price = np.asarray(costs, dtype=np.float64)
    if expected.ndim != 2 or expected.shape != worth.shape or expected.shape[1:] != price.shape:
        raise ValueError(
            f"losses {list(expected.shape)}, quality {list(worth.shape)} and costs {list(price.shape)} need "
            f"one number of questions and of models"
        )
    if expected.shape[0] == 0:
        raise ValueError("a curve needs at least one question")
    if not all(np.isfinite(values).all() for values in (expected, worth, price)):
        raise ValueError("losses, quality and costs must be finite, got NaN or infinity")
    if not price.min() < price.max():
        raise ValueError(f"there is nothing to choose between models of one cost, got {price.tolist()!r}")
    return expected, price, worth
