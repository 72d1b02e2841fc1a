"""STILL-1's choice of a leaf and its value of rollouts, by hand."""

from __future__ import annotations

import math

import pytest

from ttscale_strategies.search.rules import (
    Visits,
    backed_up,
    best_leaf,
    leaf_ucb,
    mixed_value,
    rollout_values,
)


def test_the_worked_value_of_two_rollouts_that_agree() -> None:
    assert mixed_value([0.8, 0.4], ["7", "7"]) == pytest.approx(0.8)
    assert rollout_values([0.8, 0.4], ["7", "7"]) == pytest.approx([0.9, 0.7])


def test_rollouts_that_disagree_share_the_agreement() -> None:
    assert rollout_values([0.8, 0.4, 0.0], ["7", "8", "7"]) == pytest.approx([0.4 + 1 / 3, 0.2 + 1 / 6, 1 / 3])


def test_a_rollout_without_an_answer_agrees_with_none_and_counts_against_the_others() -> None:
    assert rollout_values([0.5, 0.5], [None, "7"]) == pytest.approx([0.25, 0.5])
    assert rollout_values([0.5, 0.5], [None, None]) == pytest.approx([0.25, 0.25])


def test_the_weight_of_the_reward_goes_from_none_to_all() -> None:
    assert mixed_value([0.8, 0.4], ["7", "8"], alpha=1.0) == pytest.approx(0.6)
    assert mixed_value([0.8, 0.4], ["7", "8"], alpha=0.0) == pytest.approx(0.5)
    assert rollout_values([], []) == []


def test_the_bound_of_a_leaf() -> None:
    assert leaf_ucb(Visits(1.8, 3), 10, exploration=1.0) == pytest.approx(0.6 + math.sqrt(math.log(10) / 4))
    assert leaf_ucb(Visits(1.8, 3, 2), 10, exploration=1.0) == pytest.approx(0.6 + math.sqrt(math.log(10) / 6))
    assert leaf_ucb(Visits(), 0) == math.inf
    assert leaf_ucb(Visits(num_pending=1), 4, exploration=1.0) == pytest.approx(math.sqrt(math.log(4) / 2))


def test_leaves_of_all_depths_are_compared_each_with_its_own_parent() -> None:
    leaves = [Visits(0.6, 1), Visits(0.5, 1), Visits(0.5, 1)]
    assert best_leaf(leaves, [2, 2, 2]) == 0
    assert best_leaf(leaves, [2, 20, 20]) == 1  # .6 + .833 against .5 + 1.731
    assert best_leaf(leaves, [2, 2, 20], exploration=0.0) == 0
    assert best_leaf([*leaves, Visits()], [2, 20, 20, 1]) == 3


def test_a_nodes_mean_goes_up_the_tree() -> None:
    parents = {0: None, 1: 0, 2: 0}
    visits = backed_up(parents, {1: mixed_value([0.8, 0.4], ["7", "7"]), 2: mixed_value([0.2], [None])})
    assert visits[0].mean == pytest.approx((0.8 + 0.1) / 2)
    assert best_leaf([visits[1], visits[2]], [visits[0].num_begun] * 2) == 0


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="no value of no rollouts"):
        mixed_value([], [])
    with pytest.raises(ValueError, match="rewards need one value a sample, got 1 for 2"):
        mixed_value([0.5], ["7", "8"])
    with pytest.raises(ValueError, match=r"rewards\[1\] must lie in"):
        mixed_value([0.5, math.nan], ["7", "8"])
    with pytest.raises(ValueError, match="alpha must lie in"):
        mixed_value([0.5], ["7"], alpha=1.5)
    with pytest.raises(ValueError, match="no best of no leaves"):
        best_leaf([], [])
    with pytest.raises(ValueError, match="parent_visits need one value"):
        best_leaf([Visits()], [])
    with pytest.raises(ValueError, match="num_parent_visits must be >= 1"):
        leaf_ucb(Visits(1.0, 1), 0)
    with pytest.raises(ValueError, match="exploration must be >= 0"):
        leaf_ucb(Visits(1.0, 1), 1, exploration=-1.0)
