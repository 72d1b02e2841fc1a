"""Speculative planning: returns, losses, depths, and a predictor that learns how far a draft is right."""

from __future__ import annotations

import math

import pytest

from ttscale_strategies.dag.rules.speculation import (
    MatchPredictor,
    expectile_loss,
    lambda_returns,
    speculation_depth,
    state_features,
)


def test_the_worked_returns_of_three_matches() -> None:
    assert lambda_returns([1, 1, 1]) == pytest.approx([2.8525, 1.95, 1.0])


def test_returns_without_trace_decay_trust_the_values() -> None:
    assert lambda_returns([1, 1, 0], [5.0, 7.0, 9.0], trace_decay=0.0) == pytest.approx([6.0, 8.0, 0.0])


def test_returns_of_whole_traces_count_what_is_to_come() -> None:
    assert lambda_returns([1, 1, 1, 0], [9.0] * 4, trace_decay=1.0) == pytest.approx([3, 2, 1, 0])
    assert lambda_returns([1, 1], discount=0.5, trace_decay=1.0) == pytest.approx([1.5, 1.0])
    assert lambda_returns([]) == ()


def test_wrong_returns_are_refused() -> None:
    with pytest.raises(ValueError, match="values_after need one value a sample"):
        lambda_returns([1, 1], [0.0])
    with pytest.raises(ValueError, match="trace_decay must lie in"):
        lambda_returns([1], trace_decay=1.5)


def test_the_worked_expectile_losses() -> None:
    assert expectile_loss(1, 0.99) == pytest.approx(0.99)
    assert expectile_loss(-1, 0.99) == pytest.approx(0.01)
    assert expectile_loss(3, 0.5) == expectile_loss(-3, 0.5) == 4.5


@pytest.mark.parametrize("tau", [0.0, 1.0, -1.0, math.nan])
def test_a_wrong_tau_is_refused(tau: float) -> None:
    with pytest.raises(ValueError, match="tau must lie in"):
        expectile_loss(1.0, tau)


@pytest.mark.parametrize(
    ("predicted", "offset", "most", "depth"),
    [
        (2.4, 0, 8, 2),
        (2.5, 0, 8, 3),
        (0.0, 0, 8, 1),
        (0.0, 2, 8, 2),
        (3.0, -9, 8, 1),
        (7.0, 2, 8, 8),
        (5.0, 0, 1, 1),
    ],
)
def test_the_depth_is_the_rounded_prediction_and_an_offset(
    predicted: float, offset: int, most: int, depth: int
) -> None:
    assert speculation_depth(predicted, offset, most) == depth


def test_a_predictor_begins_with_the_same_number_everywhere() -> None:
    predictor = MatchPredictor(3.0)
    assert predictor.predict(state_features([], 0)) == 3.0
    assert predictor.predict(state_features(["search"] * 5, 2)) == 3.0


def test_a_predictor_learns_after_which_tool_a_draft_goes_wrong() -> None:
    predictor = MatchPredictor(2.0)
    good, bad = state_features(["search"], 0), state_features(["merge"], 0)
    for _ in range(30):
        predictor.learn([good, good, good, good, bad])
    assert predictor.predict(bad) == pytest.approx(0.0, abs=0.3)
    assert predictor.predict(good) > 1.5
    assert predictor.num_remembered == 150


def test_a_predictor_is_encouraged_by_matches_beyond_what_it_predicts() -> None:
    predictor, state = MatchPredictor(1.0), state_features([], 0)
    reach = [predictor.predict(state)]
    for _ in range(3):
        predictor.encourage([state], state)
        reach.append(predictor.predict(state))
    assert reach == pytest.approx([1.0, 1.5, 2.0, 2.5])
    assert predictor.num_remembered == 0


def test_a_greater_tau_predicts_more() -> None:
    def learned(tau: float) -> float:
        predictor = MatchPredictor(2.0, tau=tau)
        state = state_features([], 0)
        for length in (1, 4, 2, 6, 1, 3) * 5:
            predictor.learn([state] * length)
        return predictor.predict(state)

    assert learned(0.1) < learned(0.5) < learned(0.9)


def test_a_predictor_forgets_the_oldest() -> None:
    predictor = MatchPredictor()
    predictor.learn([state_features([], 0)] * 2_499)
    predictor.learn([state_features([], 0)] * 3)
    assert predictor.num_remembered == 2_500
