"""Which model answers a prompt: the least expected loss plus weighted costs, and what that choice is worth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ttscale_strategies.checks import require_all_at_least

Floats = NDArray[np.float64]
Ties = Literal["cheaper", "first"]
"""Which of equally good models is chosen: the one with the least weighted cost and then costs, or the first."""


class CurvePoint(NamedTuple):
    """What one way of choosing comes to."""

    cost: float
    """Mean cost a prompt."""
    quality: float
    """Mean quality, higher is better; of a loss of 0 or 1, the accuracy."""


@dataclass(frozen=True, slots=True)
class RoutedPoint:
    """A point of a cost-quality curve, and how it is reached."""

    weight: float
    """λ."""
    point: CurvePoint
    shares: tuple[float, ...]
    """Of the prompts that each model answers, shape [num_models]."""


def chosen_models(
    losses: ArrayLike, costs: ArrayLike, weights: float | Sequence[float], *, ties: Ties = "cheaper"
) -> NDArray[np.int64]:
    """Return the model for each prompt: argmin over h of loss(x, h) + Σ_j λ_j · cost_j(h).

    UniRoute (Jitkrittum et al. 2025, arXiv:2502.08773), with one cost; Tryage (Hari and Thomson 2023,
    arXiv:2308.11601), with one for every wish of the user: size, age, and so on.

    Args:
        losses: expected of each model on each prompt, shape [num_prompts, num_models].
        costs: of each model, shape [num_models], or [num_models, num_costs] for several.
        weights: λ, one a cost, each >= 0.
        ties: UniRoute's are for the cheaper model.

    Returns:
        Shape [num_prompts].

    Raises:
        ValueError: the shapes do not fit, or a number is out of its range.
    """
    expected, table, factors = _checked(losses, costs, weights)
    priced = table @ factors
    order = np.arange(priced.size)
    if ties == "cheaper":
        # without weights the costs themselves still tell which is cheaper
        order = np.lexsort((order, table.sum(axis=1), priced))
    return np.asarray(order[np.argmin((expected + priced)[:, order], axis=1)], dtype=np.int64)


def decisive_weights(losses: ArrayLike, costs: ArrayLike) -> tuple[float, ...]:
    """Return weights λ of one cost that between them bring about every choice there is, from 0 up.

    Where two models change places is (loss of the cheaper - loss of the dearer) / (difference of costs); the
    weights lie at 0, between all these places, and beyond the last. A sweep of them misses nothing.

    Args:
        losses: see `chosen_models`; prompts with equal rows count once.
        costs: of each model, shape [num_models].

    Raises:
        ValueError: the shapes do not fit, or a number is out of its range.
    """
    expected, table, _ = _checked(losses, costs, 0.0)
    rows, price = np.unique(expected, axis=0), table[:, 0]
    dearer, cheaper = np.nonzero(price[:, None] > price[None, :])
    places = (rows[:, cheaper] - rows[:, dearer]) / (price[dearer] - price[cheaper])
    found = np.unique(places[places > 0])
    if found.size == 0:
        return (0.0,)
    between = (found[1:] + found[:-1]) / 2.0
    return (0.0, float(found[0]) / 2.0, *between.tolist(), float(found[-1]) * 2.0)


def cost_quality_curve(
    losses: ArrayLike,
    costs: ArrayLike,
    quality: ArrayLike,
    *,
    paid: ArrayLike | None = None,
    weights: Sequence[float] | None = None,
) -> tuple[RoutedPoint, ...]:
    """Return what choosing by expected losses comes to, weight by weight.

    arXiv:2502.08773. What is expected must come from other prompts than those measured here.

    Args:
        losses: expected, shape [num_prompts, num_models].
        costs: that the choice goes by, shape [num_models].
        quality: of each model's answer to each prompt as it turned out, shape [num_prompts, num_models].
        paid: what each answer cost as it turned out, shape [num_prompts, num_models]; ``None``: `costs`.
        weights: λ, each >= 0; ``None``: `decisive_weights`.

    Returns:
        In the order of the weights; choices that repeat the one before are left out.

    Raises:
        ValueError: there are no prompts, the shapes do not fit, or a number is out of its range.
    """
    expected, table, _ = _checked(losses, costs, 0.0)
    turned_out = np.asarray(quality, dtype=np.float64)
    bills = np.broadcast_to(table[:, 0], expected.shape) if paid is None else np.asarray(paid, dtype=np.float64)
    for name, values in (("quality", turned_out), ("paid", bills)):
        if values.shape != expected.shape or not np.isfinite(values).all():
            raise ValueError(
                f"{name} needs finite values of shape {list(expected.shape)}, got {list(values.shape)}"
            )
    if expected.shape[0] == 0:
        raise ValueError("a curve needs at least one prompt")
    curve: list[RoutedPoint] = []
    before: NDArray[np.int64] | None = None
    prompts = np.arange(expected.shape[0])
    for weight in decisive_weights(expected, table[:, 0]) if weights is None else weights:
        chosen = chosen_models(expected, table[:, 0], weight)
        if before is not None and np.array_equal(before, chosen):
            continue
        before = chosen
        point = CurvePoint(float(bills[prompts, chosen].mean()), float(turned_out[prompts, chosen].mean()))
        shares = np.bincount(chosen, minlength=expected.shape[1]) / chosen.size
        curve.append(RoutedPoint(weight, point, tuple(shares.tolist())))
    return tuple(curve)


def single_models(quality: ArrayLike, paid: ArrayLike) -> tuple[CurvePoint, ...]:
    """Return what each model comes to that answers all prompts alone.

    Args:
        quality: shape [num_prompts, num_models], num_prompts >= 1.
        paid: of the same shape.

    Raises:
        ValueError: the shapes differ, or there are no prompts.
    """
    worth, bills = np.asarray(quality, dtype=np.float64), np.asarray(paid, dtype=np.float64)
    if worth.ndim != 2 or worth.shape != bills.shape or worth.shape[0] == 0:
        raise ValueError(
            f"quality {list(worth.shape)} and paid {list(bills.shape)} need one shape, of prompts and models"
        )
    means = zip(bills.mean(axis=0).tolist(), worth.mean(axis=0).tolist(), strict=True)
    return tuple(CurvePoint(cost, mean) for cost, mean in means)


def mixing_hull(points: Sequence[CurvePoint]) -> tuple[CurvePoint, ...]:
    """Return the upper left convex hull of points, as far as it rises: what mixing them at random reaches.

    Of single models it is the zero router, the baseline that ignores the prompt (RouterBench, Hu et al. 2024,
    arXiv:2403.12031, the non-decreasing convex hull; UniRoute's K = 1, arXiv:2502.08773).

    Args:
        points: at least one, finite.

    Returns:
        By rising cost and quality, without repetitions.

    Raises:
        ValueError: there are no points, or one is not finite.
    """
    if not points:
        raise ValueError("a hull needs at least one point")
    if not np.isfinite(np.asarray(points, dtype=np.float64)).all():
        raise ValueError(f"the points of a hull must be finite, got {list(points)!r}")
    hull: list[CurvePoint] = []
    for point in sorted(points, key=lambda point: (point.cost, -point.quality)):
        if hull and point.quality <= hull[-1].quality:
            continue
        while len(hull) > 1 and not _turns_right(hull[-2], hull[-1], point):
            hull.pop()
        hull.append(point)
    return tuple(hull)


def quality_at(hull: Sequence[CurvePoint], cost: float) -> float | None:
    """Return the quality that a hull reaches at a cost, ``None`` where even its cheapest point costs more.

    Args:
        hull: see `mixing_hull`.
        cost: beyond the last point, its quality is all there is.
    """
    if not hull or cost < hull[0].cost:
        return None
    return float(np.interp(cost, [point.cost for point in hull], [point.quality for point in hull]))


def mean_quality(hull: Sequence[CurvePoint], *, low: float, high: float) -> float:
    """Return the area under a hull between two costs, divided by their difference (AIQ, arXiv:2403.12031).

    Args:
        hull: see `mixing_hull`.
        low: at least the cost of the cheapest point, below which there is no area.
        high: > low.

    Raises:
        ValueError: the costs are the wrong way round, or below the hull.
    """
    if not hull or not low < high:
        raise ValueError(f"an area needs a hull and low < high, got {len(hull)} points, {low!r} and {high!r}")
    if low < hull[0].cost and not math.isclose(low, hull[0].cost):  # a mean of equal costs is rounded
        raise ValueError(f"low must be >= {hull[0].cost!r}, the least cost of the hull, got {low!r}")
    inner = [point.cost for point in hull if low < point.cost < high]
    costs = np.asarray([low, *inner, high])
    heights = np.interp(costs, [point.cost for point in hull], [point.quality for point in hull])
    area = float(np.sum(np.diff(costs) * (heights[1:] + heights[:-1]) / 2.0))
    return area / (high - low)


def query_normalized_cost(points: Sequence[CurvePoint], models: Sequence[CurvePoint]) -> float | None:
    """Return QNC: the least cost at which a router is as good as the best model, as a share of that model's.

    arXiv:2502.08773. The cheapest of the best models is what it is compared with.

    Args:
        points: of the router; nothing is mixed between them. Give a hull's points for what mixing reaches.
        models: see `single_models`; at least one, of costs > 0.

    Returns:
        Lower is better; ``None`` if the router is nowhere as good.

    Raises:
        ValueError: there are no models, or the best one costs nothing.
    """
    if not models:
        raise ValueError("a relative cost needs at least one model")
    best = min(models, key=lambda model: (-model.quality, model.cost))
    if not best.cost > 0.0:
        raise ValueError(f"the best model must have a cost > 0, got {best.cost!r}")
    return min((point.cost / best.cost for point in points if point.quality >= best.quality), default=None)


def _turns_right(first: CurvePoint, second: CurvePoint, third: CurvePoint) -> bool:
    """Return whether the second point lies above the line from the first to the third."""
    rise = (second.quality - first.quality) * (third.cost - first.cost)
    return rise > (third.quality - first.quality) * (second.cost - first.cost)


def _checked(
    losses: ArrayLike, costs: ArrayLike, weights: float | Sequence[float]
) -> tuple[Floats, Floats, Floats]:
    """Return losses [num_prompts, num_models], costs [num_models, num_costs] and weights [num_costs]."""
    expected, table = np.asarray(losses, dtype=np.float64), np.asarray(costs, dtype=np.float64)
    factors = np.atleast_1d(np.asarray(weights, dtype=np.float64))
    require_all_at_least(factors.tolist(), 0.0, "weights")
    if table.ndim == 1:
        table = table[:, None]
    if expected.ndim != 2 or table.ndim != 2 or expected.shape[1] != table.shape[0] or table.shape[0] == 0:
        raise ValueError(
            f"losses {list(expected.shape)} and costs {list(table.shape)} need one number of models, 1 or more"
        )
    if factors.shape != (table.shape[1],):
        raise ValueError(f"weights need one value a cost, got {factors.size} for {table.shape[1]} costs")
    if not (np.isfinite(expected).all() and np.isfinite(table).all()):
        raise ValueError("losses and costs must be finite, got NaN or infinity")
    return expected, table, factors
