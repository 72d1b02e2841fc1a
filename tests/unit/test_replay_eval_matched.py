"""Matched compute: hand-computed comparisons, and what holds of every curve."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ttscale_evals.replay.matched import (
    Curve,
    Floats,
    Measured,
    average,
    compare,
    cost_of_accuracy,
    place_of,
    reach,
    value_at,
)
from ttscale_evals.replay.reference import leaders
from ttscale_evals.stats import bootstrap_interval, resampled_means
from ttscale_strategies.voting.rules import majority

FEW = 400
"""Resamples, where the interval is not what is looked at."""


def curve(
    correct: list[list[float]], tokens: list[list[float]], path: list[list[float]] | None = None
) -> Curve:
    costs = np.array(tokens)
    longest = costs if path is None else np.array(path)
    return Curve(correct=np.array(correct), tokens=costs, critical_path_tokens=longest, seconds=longest / 50.0)


def measured(
    correct: list[float], tokens: list[float], samples: list[float], path: list[float] | None = None
) -> Measured:
    longest = np.array(tokens if path is None else path)
    return Measured(
        correct=np.array(correct),
        tokens=np.array(tokens),
        samples=np.array(samples),
        critical_path_tokens=longest,
        seconds=longest / 50.0,
    )


# Two problems, three samples. Means of the majority: accuracy 0.5, 0.75, 1; tokens 20, 40, 60; path 20, 25, 30.
MAJORITY = curve(
    [[1.0, 1.0, 1.0], [0.0, 0.5, 1.0]],
    [[10.0, 20.0, 30.0], [30.0, 60.0, 90.0]],
    [[10.0, 10.0, 10.0], [30.0, 40.0, 50.0]],
)
# Means: accuracy 0.8, 35 tokens, 2.5 samples, path 20.
STRATEGY = measured([1.0, 0.6], [20.0, 50.0], [2.0, 3.0], [10.0, 30.0])


# ── by hand ───────────────────────────────────────────────────────────────────────────────────────────────


def test_at_equal_tokens_the_majority_is_interpolated_between_two_numbers_of_samples() -> None:
    found = compare(STRATEGY, MAJORITY, seed=0).at_equal_tokens
    assert found.cost == 35.0
    assert found.reference_samples == pytest.approx(1.75)  # 35 lies at three quarters between 20 and 40
    assert found.reference_accuracy == pytest.approx(0.6875)
    assert found.difference == pytest.approx(0.1125)
    # The first problem twice: no difference. The second twice: 0.6 against a third of 0.5 and 1/3 of the way.
    assert found.difference_low == pytest.approx(0.0)
    assert found.difference_high == pytest.approx(0.6 - 1 / 3)
    assert found.note == ""


def test_at_equal_samples_and_at_equal_critical_path() -> None:
    found = compare(STRATEGY, MAJORITY, seed=0, num_resamples=FEW)
    assert found.at_equal_samples.cost == 2.5
    assert found.at_equal_samples.reference_accuracy == pytest.approx(0.875)
    assert found.at_equal_samples.difference == pytest.approx(-0.075)
    assert found.at_equal_critical_path.reference_samples == 1.0
    assert found.at_equal_critical_path.difference == pytest.approx(0.3)


def test_at_equal_accuracy_the_tokens_of_the_majority_are_interpolated() -> None:
    found = compare(STRATEGY, MAJORITY, seed=0).at_equal_accuracy
    assert found.tokens == 35.0
    assert found.reference_tokens == pytest.approx(44.0)  # 0.8 lies at a fifth between 0.75 and 1
    assert found.saving == pytest.approx(1 - 35 / 44)
    # The first problem twice: 20 tokens for what the first sample's 10 buy. The second twice: 50 of 66.
    assert found.saving_low == pytest.approx(-1.0)
    assert found.saving_high == pytest.approx(1 - 50 / 66)


def test_what_the_majority_has_with_one_sample_or_never_has_no_saving() -> None:
    poor = replace(STRATEGY, correct=np.array([0.4, 0.4]))
    found = compare(poor, MAJORITY, seed=0, num_resamples=FEW).at_equal_accuracy
    assert (found.reference_tokens, found.saving, found.saving_low, found.saving_high) == (None,) * 4
    assert found.note == "the majority has this accuracy with one sample"
    worse = curve([[1.0, 1.0], [0.0, 0.0]], [[10.0, 20.0], [30.0, 60.0]])
    assert compare(STRATEGY, worse, seed=0, num_resamples=FEW).at_equal_accuracy.note == (
        "the majority never has this accuracy"
    )


def test_outside_the_curve_there_is_nothing_to_compare_with_and_it_is_said_why() -> None:
    cheap = replace(STRATEGY, tokens=np.array([5.0, 5.0]))
    dear = replace(STRATEGY, tokens=np.array([5.0, 500.0]))
    for strategy, why in (
        (cheap, "it costs less than one sample"),
        (dear, "it costs more than the majority of all 3 samples"),
    ):
        found = compare(strategy, MAJORITY, seed=0, num_resamples=FEW).at_equal_tokens
        assert (found.reference_samples, found.reference_accuracy, found.difference) == (None, None, None)
        assert (found.difference_low, found.difference_high, found.note) == (None, None, why)


def test_of_several_numbers_of_samples_that_cost_the_same_the_greatest_is_meant() -> None:
    costs = np.array([[10.0, 20.0, 20.0, 20.0, 30.0]])
    assert place_of(np.array([20.0]), costs).tolist() == [3.0]
    assert place_of(np.array([25.0]), costs).tolist() == [3.5]
    assert place_of(np.array([15.0]), costs).tolist() == [0.5]
    assert place_of(np.array([1.0]), costs).tolist() == [0.0]
    assert place_of(np.array([99.0]), costs).tolist() == [4.0]
    assert place_of(np.array([20.0 - 1e-12]), costs).tolist() == [3.0]  # rounding


def test_an_accuracy_counts_as_reached_where_the_curve_gets_there_first() -> None:
    accuracies, costs = np.array([[0.5, 0.9, 0.7, 0.95]]), np.array([[1.0, 2.0, 3.0, 4.0]])
    assert cost_of_accuracy(np.array([0.7]), accuracies, costs) == pytest.approx([1.5])
    assert cost_of_accuracy(np.array([0.92]), accuracies, costs) == pytest.approx([3.88])
    assert cost_of_accuracy(np.array([0.96]), accuracies, costs).tolist() == [np.inf]
    assert cost_of_accuracy(np.array([0.1]), accuracies, costs).tolist() == [1.0]
    assert [reach(value, accuracies[0]) for value in (0.5, 0.7, 0.96)] == ["at once", "reached", "never"]


def test_an_average_has_the_interval_of_its_problems() -> None:
    strategy = measured([1.0, 0.0, 1.0, 1.0], [1.0, 2.0, 3.0, 6.0], [1.0] * 4, [1.0, 1.0, 2.0, 2.0])
    found = average(strategy, num_orders=5, seed=1)
    assert (found.accuracy, found.tokens_per_problem, found.num_orders) == (0.75, 3.0, 5)
    assert (found.samples_per_problem, found.critical_path_tokens_per_problem) == (1.0, 1.5)
    assert found.seconds_per_problem == pytest.approx(0.03)
    assert (found.accuracy_low, found.accuracy_high) == (0.25, 1.0)


# ── of every curve ────────────────────────────────────────────────────────────────────────────────────────

shapes = st.tuples(st.integers(1, 6), st.integers(1, 5))


@st.composite
def curves(draw: st.DrawFn) -> Curve:
    num_problems, n = draw(shapes)
    shares = arrays(np.float64, (num_problems, n), elements=st.floats(0.0, 1.0, width=32))
    lengths = arrays(np.float64, (num_problems, n), elements=st.integers(1, 1000).map(float))
    drawn = draw(lengths)
    return Curve(
        correct=draw(shares),
        tokens=np.cumsum(drawn, axis=1),
        critical_path_tokens=np.maximum.accumulate(drawn, axis=1),
        seconds=np.maximum.accumulate(drawn, axis=1) / 50.0,
    )


@given(curves(), st.data())
@settings(max_examples=60, deadline=None)
def test_the_majority_against_itself_makes_no_difference_and_saves_nothing(
    of: Curve, data: st.DataObject
) -> None:
    k = data.draw(st.integers(1, of.correct.shape[1]))
    found = compare(of.at(k), of, seed=3, num_resamples=FEW)
    for compared in (found.at_equal_tokens, found.at_equal_samples):
        assert compared.reference_samples == pytest.approx(k)
        assert compared.difference == pytest.approx(0.0, abs=1e-9)
        assert (compared.difference_low, compared.difference_high) == pytest.approx((0.0, 0.0), abs=1e-9)
    same_path = found.at_equal_critical_path
    assert same_path.reference_samples is not None
    assert same_path.reference_samples >= k - 1e-9
    assert found.at_equal_accuracy.saving is None or found.at_equal_accuracy.saving <= 1e-9


@pytest.mark.slow
@given(curves(), st.data())
@settings(max_examples=60, deadline=None)
def test_where_every_sample_makes_it_more_accurate_the_majority_needs_its_own_tokens(
    of: Curve, data: st.DataObject
) -> None:
    rising = replace(of, correct=np.sort(of.correct, axis=1))
    means = rising.correct.mean(axis=0)
    assume(len(means) > 1 and bool((np.diff(means) > 1e-6).all()))
    k = data.draw(st.integers(2, len(means)))
    found = compare(rising.at(k), rising, seed=3, num_resamples=FEW).at_equal_accuracy
    assert found.reference_tokens == pytest.approx(float(rising.tokens[:, k - 1].mean()))
    assert found.saving == pytest.approx(0.0, abs=1e-9)


@given(curves(), st.floats(0.0, 6000.0), st.floats(0.0, 6000.0))
@settings(max_examples=60, deadline=None)
def test_a_dearer_place_is_never_before_a_cheaper_one(of: Curve, one: float, other: float) -> None:
    costs = of.tokens.mean(axis=0, keepdims=True)
    low, high = sorted((one, other))
    places = [float(place_of(np.array([cost]), costs)[0]) for cost in (low, high)]
    assert 0.0 <= places[0] <= places[1] <= costs.shape[1] - 1


@given(curves())
@settings(max_examples=60, deadline=None)
def test_a_whole_place_has_the_value_that_stands_there(of: Curve) -> None:
    values: Floats = of.correct.mean(axis=0, keepdims=True)
    found = [float(value_at(np.array([float(place)]), values)[0]) for place in range(values.shape[1])]
    assert found == pytest.approx(values[0].tolist())


@given(st.lists(st.integers(-1, 3), min_size=1, max_size=12))
def test_whoever_leads_after_k_votes_is_whom_the_majority_rule_elects(votes: list[int]) -> None:
    places = leaders(np.array(votes, dtype=np.int64)).tolist()
    keys = [None if vote < 0 else str(vote) for vote in votes]
    for k, place in enumerate(places, start=1):
        winner = majority(keys[:k])
        assert place == (-1 if winner is None else keys.index(winner.key))


# ── resampling ────────────────────────────────────────────────────────────────────────────────────────────


def test_resampled_means_are_paired_repeatable_and_spread_as_a_bootstrap_is() -> None:
    values = np.array([0.0, 1.0, 1.0, 0.0, 1.0, 0.5])
    means = resampled_means(np.stack([values, 2 * values], axis=1), seed=5, num_resamples=4000)
    assert means.shape == (4000, 2)
    assert np.allclose(means[:, 1], 2 * means[:, 0])
    assert np.array_equal(
        means, resampled_means(np.stack([values, 2 * values], axis=1), seed=5, num_resamples=4000)
    )
    low, high = np.quantile(means[:, 0], [0.025, 0.975])
    assert (low, high) == pytest.approx(bootstrap_interval(values.tolist(), seed=0), abs=0.09)
    assert means[:, 0].std() == pytest.approx(values.std() / np.sqrt(6), rel=0.05)


def test_resamples_that_do_not_fit_in_memory_at_once_come_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ttscale_evals.stats.resampling._MAX_DRAWN", 25)
    means = resampled_means(np.arange(10.0)[:, None], seed=0, num_resamples=7)
    assert means.shape == (7, 1)
    assert len(set(means[:, 0].tolist())) > 4
    assert bool(((means >= 0) & (means <= 9)).all())


def test_there_is_no_mean_of_no_problems() -> None:
    with pytest.raises(ValueError, match="no mean of no problems"):
        resampled_means(np.zeros((0, 2)), seed=0, num_resamples=10)
