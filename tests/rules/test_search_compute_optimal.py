"""Difficulty bins and the exchange of pretraining for inference, against the worked numbers."""

from __future__ import annotations

import math

import pytest

from ttscale_strategies.effort.rules import difficulty_bins, pretraining_multiplier


def test_ten_questions_make_five_bins_of_two_the_hardest_first() -> None:
    assert difficulty_bins([step / 10 for step in range(10)]) == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]


def test_bins_come_in_the_order_of_the_questions() -> None:
    assert difficulty_bins([0.9, 0.1, 0.5, 0.3, 0.7]) == [4, 0, 2, 1, 3]


def test_questions_equally_hard_are_split_in_the_order_given() -> None:
    assert difficulty_bins([0.5] * 5) == [0, 1, 2, 3, 4]
    assert difficulty_bins([0.5, 0.5, 0.1, 0.5], num_bins=2) == [0, 1, 0, 1]


def test_what_is_left_over_goes_to_the_hardest_bins() -> None:
    assert difficulty_bins([step / 12 for step in range(12)]) == [0, 0, 0, 1, 1, 1, 2, 2, 3, 3, 4, 4]
    assert difficulty_bins([0.2, 0.1, 0.3]) == [1, 0, 2]
    assert difficulty_bins([]) == []


@pytest.mark.parametrize(("ratio", "multiplier"), [(0.1, 17.9), (1.0, 53.0), (10.0, 404.0), (0.0, 14.0)])
def test_the_worked_multipliers_of_a_model_fourteen_times_as_large(ratio: float, multiplier: float) -> None:
    assert pretraining_multiplier(14.0, ratio) == pytest.approx(multiplier)


@pytest.mark.parametrize("size_ratio", [1.0, 3.0, 14.0])
@pytest.mark.parametrize("pretraining_tokens", [1e3, 2e6])
def test_the_multiplier_makes_the_flops_equal(size_ratio: float, pretraining_tokens: float) -> None:
    parameters, inference_tokens = 7e3, 5e5
    multiplier = pretraining_multiplier(size_ratio, pretraining_tokens / inference_tokens)
    large = size_ratio * parameters * (6 * pretraining_tokens + 2 * inference_tokens)
    small = parameters * (6 * pretraining_tokens + 2 * inference_tokens * multiplier)
    assert small == pytest.approx(large)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match=r"pass_rates\[1\] must lie in"):
        difficulty_bins([0.5, math.nan])
    with pytest.raises(ValueError, match="num_bins must be >= 1"):
        difficulty_bins([0.5], num_bins=0)
    with pytest.raises(ValueError, match="size_ratio must be >= 1"):
        pretraining_multiplier(0.5, 1.0)
    with pytest.raises(ValueError, match="pretraining_per_inference must be >= 0"):
        pretraining_multiplier(2.0, -1.0)
