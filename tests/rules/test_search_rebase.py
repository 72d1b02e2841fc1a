"""REBASE's widths against hand-computed shares, and what is certain of them early."""

from __future__ import annotations

import math

import pytest

from ttscale_strategies.search.rules import least_rebase_widths, rebase_widths


@pytest.mark.parametrize(
    ("rewards", "budget", "temperature", "expected"),
    [
        ([0.9, 0.8, 0.1], 4, 0.2, (3, 1, 0)),  # shares 2.4618, 1.4931, .0451
        ([0.9, 0.7, 0.5, 0.3], 16, 0.2, (11, 4, 1, 0)),
        ([0.9, 0.7, 0.5, 0.3], 16, 0.1, (14, 2, 0, 0)),
        ([0.5, 0.5, 0.5], 4, 0.2, (2, 1, 1)),
        ([0.9, 0.8, 0.7, 0.2], 8, 0.2, (4, 3, 1, 0)),  # the shares .5, .375, .125, 0 of ETS
    ],
)
def test_greedy_rounding_up(
    rewards: list[float], budget: int, temperature: float, expected: tuple[int, ...]
) -> None:
    assert rebase_widths(rewards, budget, temperature=temperature) == expected


@pytest.mark.parametrize(
    ("rewards", "budget", "expected"),
    [
        ([0.9, 0.8, 0.1], 4, (2, 1, 0)),
        ([0.9, 0.7, 0.5, 0.3], 16, (10, 4, 1, 1)),
        ([0.5, 0.5], 1, (1, 1)),  # halves go up: one more than the budget
        ([0.5] * 8, 3, (0,) * 8),
    ],
)
def test_rounding_to_the_nearest(rewards: list[float], budget: int, expected: tuple[int, ...]) -> None:
    assert rebase_widths(rewards, budget, rounding="nearest") == expected


def test_widths_come_in_the_order_of_the_rewards_and_ties_go_to_the_first() -> None:
    assert rebase_widths([0.3, 0.9, 0.5, 0.7], 16) == (0, 11, 1, 4)
    assert rebase_widths([0.5, 0.5, 0.5, 0.5], 2) == (1, 1, 0, 0)


def test_a_tiny_temperature_gives_all_to_the_best_without_underflow() -> None:
    assert rebase_widths([-5.0, 0.2, 900.0], 7, temperature=1e-6) == (0, 0, 7)
    assert least_rebase_widths([0.9, 0.1], 7, num_pending=1, temperature=1e-6) == (0, 0)
    assert least_rebase_widths([1.0, 0.1], 7, num_pending=1, temperature=1e-6) == (3, 0)


@pytest.mark.parametrize("rounding", ["ceil", "nearest"])
def test_nothing_to_share_or_nobody_to_share_with(rounding: str) -> None:
    assert rebase_widths([0.1, 0.2], 0, rounding="ceil" if rounding == "ceil" else "nearest") == (0, 0)
    assert rebase_widths([], 5, rounding="ceil" if rounding == "ceil" else "nearest") == ()
    assert least_rebase_widths([], 5, num_pending=2) == ()


@pytest.mark.parametrize(
    ("rewards", "budget", "num_pending", "expected"),
    [
        ([1.0], 8, 1, (4,)),  # one more like it takes half
        ([1.0, 0.0], 8, 1, (4, 0)),
        ([0.9] * 4, 16, 0, (4, 4, 4, 4)),
        ([1.0] * 3, 16, 1, (4, 4, 3)),  # in truth (4, 4, 4)
        ([1.0] * 6, 8, 2, (1, 1, 1, 0, 0, 0)),  # in truth one each
        ([0.2], 8, 1, (0,)),  # e^4 times likelier
    ],
)
def test_what_is_certain_before_all_is_known(
    rewards: list[float], budget: int, num_pending: int, expected: tuple[int, ...]
) -> None:
    assert least_rebase_widths(rewards, budget, num_pending=num_pending) == expected


def test_a_lower_ceiling_of_the_rewards_makes_more_certain() -> None:
    assert least_rebase_widths([0.6], 8, num_pending=1)[0] < 4
    assert least_rebase_widths([0.6], 8, num_pending=1, highest=0.6) == (4,)


@pytest.mark.parametrize(
    ("rewards", "budget", "temperature", "message"),
    [
        ([0.1, math.nan], 4, 0.2, r"rewards\[1\]"),
        ([math.inf], 4, 0.2, r"rewards\[0\]"),
        ([0.1], -1, 0.2, "budget"),
        ([0.1], 4, 0.0, "temperature"),
        ([0.1], 4, math.nan, "temperature"),
    ],
)
def test_numbers_out_of_range_are_named(
    rewards: list[float], budget: int, temperature: float, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        rebase_widths(rewards, budget, temperature=temperature)
    with pytest.raises(ValueError, match=message):
        least_rebase_widths(rewards, budget, num_pending=1, temperature=temperature, highest=math.inf)


def test_a_reward_above_the_highest_there_can_be_is_refused() -> None:
    with pytest.raises(ValueError, match="highest"):
        least_rebase_widths([0.5, 1.2], 4, num_pending=1)
    with pytest.raises(ValueError, match="num_pending"):
        least_rebase_widths([0.5], 4, num_pending=-1)
