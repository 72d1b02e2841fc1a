"""Choosing models by loss and cost: worked numbers, ties, and what a curve is worth."""

from __future__ import annotations

import numpy as np
import pytest

from ttscale_strategies.route.rules import (
    CurvePoint,
    chosen_models,
    cost_quality_curve,
    decisive_weights,
    mean_quality,
    mixing_hull,
    quality_at,
    query_normalized_cost,
    single_models,
)

LOSSES = [[0.1, 0.6], [0.1, 0.1]]
COSTS = [1.0, 0.1]


@pytest.mark.parametrize(("weight", "models"), [(0.0, [0, 0]), (0.2, [0, 1]), (0.6, [1, 1])])
def test_the_worked_router_of_two_clusters(weight: float, models: list[int]) -> None:
    assert chosen_models(LOSSES, COSTS, weight, ties="first").tolist() == models


def test_of_equally_good_models_the_cheaper_answers() -> None:
    assert chosen_models(LOSSES, COSTS, 0.0).tolist() == [0, 1]
    # equal sums: the one with more of it as cost is the dearer
    assert chosen_models([[0.0, 0.5]], [1.0, 0.0], 0.5).tolist() == [1]
    assert chosen_models([[0.0, 0.5]], [1.0, 0.0], 0.5, ties="first").tolist() == [0]
    # equal in everything: the first
    assert chosen_models([[0.3, 0.3]], [1.0, 1.0], 0.5).tolist() == [0]


@pytest.mark.parametrize(("weight", "model"), [(0.0, 0), (0.05, 1)])
def test_the_worked_router_by_size(weight: float, model: int) -> None:
    assert chosen_models([[1.0, 1.2]], [10.0, 1.0], weight).tolist() == [model]


def test_several_wishes_are_weighed_together() -> None:
    costs = [[10.0, 0.0], [1.0, 5.0]]
    assert chosen_models([[1.0, 1.2]], costs, [0.05, 0.0]).tolist() == [1]
    assert chosen_models([[1.0, 1.2]], costs, [0.05, 0.1]).tolist() == [0]


def test_a_sweep_meets_every_choice_once() -> None:
    weights = decisive_weights(LOSSES, COSTS)
    # where A and B change places in cluster 1: .5 / .9
    assert weights == pytest.approx((0.0, 0.5 / 0.9 / 2, 2 * 0.5 / 0.9))
    curve = cost_quality_curve(LOSSES, COSTS, [[1.0, 0.0], [1.0, 1.0]])
    assert [point.point for point in curve] == [CurvePoint(0.55, 1.0), CurvePoint(0.1, 0.5)]
    assert [point.shares for point in curve] == [(0.5, 0.5), (0.0, 1.0)]


def test_a_curve_is_paid_as_it_turned_out() -> None:
    curve = cost_quality_curve(
        LOSSES, COSTS, [[1.0, 0.0], [1.0, 1.0]], paid=[[7.0, 1.0], [5.0, 3.0]], weights=[0.0, 9.0]
    )
    assert [point.point for point in curve] == [CurvePoint(5.0, 1.0), CurvePoint(2.0, 0.5)]


def test_models_of_one_price_have_one_choice() -> None:
    assert decisive_weights(LOSSES, [1.0, 1.0]) == (0.0,)
    assert len(cost_quality_curve([[0.2, 0.1]], [1.0, 1.0], [[0.0, 1.0]])) == 1


def test_single_models_are_means() -> None:
    assert single_models([[1.0, 0.0], [1.0, 1.0]], [[4.0, 1.0], [2.0, 1.0]]) == (
        CurvePoint(3.0, 1.0),
        CurvePoint(1.0, 0.5),
    )
    with pytest.raises(ValueError, match="need one shape"):
        single_models([[1.0]], [[1.0, 2.0]])


HULL = (CurvePoint(1.0, 0.2), CurvePoint(2.0, 0.6), CurvePoint(5.0, 0.9))


def test_the_hull_leaves_out_what_mixing_beats() -> None:
    below = [CurvePoint(3.0, 0.65), CurvePoint(4.0, 0.79), CurvePoint(2.0, 0.1), CurvePoint(6.0, 0.9)]
    assert mixing_hull([*below, *HULL[::-1], HULL[1]]) == HULL
    assert mixing_hull([CurvePoint(2.0, 0.5), CurvePoint(1.0, 0.5)]) == (CurvePoint(1.0, 0.5),)
    # points on a line between others are no corners
    assert mixing_hull([CurvePoint(0.0, 0.0), CurvePoint(1.0, 1.0), CurvePoint(2.0, 2.0)]) == (
        CurvePoint(0.0, 0.0),
        CurvePoint(2.0, 2.0),
    )
    with pytest.raises(ValueError, match="at least one point"):
        mixing_hull([])
    with pytest.raises(ValueError, match="finite"):
        mixing_hull([CurvePoint(1.0, float("nan"))])


def test_between_corners_a_hull_is_straight() -> None:
    assert quality_at(HULL, 1.5) == pytest.approx(0.4)
    assert quality_at(HULL, 99.0) == 0.9
    assert quality_at(HULL, 0.9) is None
    assert quality_at((), 1.0) is None


def test_the_area_under_a_hull_is_its_mean_height() -> None:
    # 1 to 2: .4; 2 to 5: .75 thrice; 5 to 6: .9
    assert mean_quality(HULL, low=1.0, high=6.0) == pytest.approx((0.4 + 3 * 0.75 + 0.9) / 5)
    assert mean_quality(HULL, low=2.5, high=3.0) == pytest.approx(0.675)
    with pytest.raises(ValueError, match="low < high"):
        mean_quality(HULL, low=2.0, high=2.0)
    with pytest.raises(ValueError, match=r"low must be >= 1\.0"):
        mean_quality(HULL, low=0.5, high=2.0)


def test_relative_cost_is_that_of_being_as_good_as_the_best_model() -> None:
    models = [CurvePoint(10.0, 0.8), CurvePoint(12.0, 0.8), CurvePoint(1.0, 0.4)]
    points = [CurvePoint(3.0, 0.7), CurvePoint(4.0, 0.8), CurvePoint(6.0, 0.9)]
    assert query_normalized_cost(points, models) == pytest.approx(0.4)
    assert query_normalized_cost(models, models) == 1.0
    assert query_normalized_cost(points[:1], models) is None
    with pytest.raises(ValueError, match="at least one model"):
        query_normalized_cost(points, [])
    with pytest.raises(ValueError, match="cost > 0"):
        query_normalized_cost(points, [CurvePoint(0.0, 1.0)])


def test_a_router_that_knows_dominates_random_mixing() -> None:
    rng = np.random.default_rng(0)
    is_hard = rng.random(400) < 0.5
    quality = np.stack([np.ones(400), np.where(is_hard, 0.0, 1.0)], axis=1)
    expected = 1.0 - np.stack([np.full(400, 0.99), np.where(is_hard, 0.1, 0.98)], axis=1)
    curve = cost_quality_curve(expected, COSTS, quality)
    paid = np.broadcast_to(COSTS, quality.shape)
    baseline = mixing_hull(single_models(quality, paid))
    middle = curve[1].point
    mixed = quality_at(baseline, middle.cost)
    assert mixed is not None
    assert middle.quality == 1.0 > mixed + 0.2
    hull = mixing_hull([point.point for point in curve])
    assert mean_quality(hull, low=0.1, high=1.0) > mean_quality(baseline, low=0.1, high=1.0)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="one number of models"):
        chosen_models([[0.1, 0.2]], [1.0], 0.0)
    with pytest.raises(ValueError, match=r"weights\[0\] must be >= 0"):
        chosen_models(LOSSES, COSTS, -1.0)
    with pytest.raises(ValueError, match="weights need one value a cost, got 2 for 1"):
        chosen_models(LOSSES, COSTS, [0.1, 0.2])
    with pytest.raises(ValueError, match="finite"):
        chosen_models([[float("nan"), 0.0]], COSTS, 0.0)
    with pytest.raises(ValueError, match="quality needs finite values of shape"):
        cost_quality_curve(LOSSES, COSTS, [[1.0, 0.0]])
    with pytest.raises(ValueError, match="at least one prompt"):
        cost_quality_curve(np.zeros((0, 2)), COSTS, np.zeros((0, 2)))
