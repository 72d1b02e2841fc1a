"""Efficiency of thoughts, and what budgets of thought bring: worked numbers and edges."""

from __future__ import annotations

import math

import pytest

from ttscale.answers import answer_key
from ttscale_evals.metrics.overthinking import (
    BudgetPoint,
    SolutionRound,
    control,
    outcome_efficiency,
    performance,
    process_efficiency,
    scaling,
    solution_rounds,
)

WORKED = [SolutionRound(100, True, "c0"), SolutionRound(80, False, "c1"), SolutionRound(50, True, "c0")]
NEVER = [SolutionRound(60, False, 0), SolutionRound(40, False, 1)]


def test_the_worked_efficiencies() -> None:
    assert outcome_efficiency([WORKED]) == pytest.approx(0.434783, abs=1e-6)
    assert process_efficiency([WORKED]) == pytest.approx(0.782609, abs=1e-6)


def test_a_response_that_is_never_right_counts_0_for_its_outcome_only() -> None:
    assert outcome_efficiency([NEVER]) == 0.0
    assert process_efficiency([NEVER]) == 1.0
    assert outcome_efficiency([WORKED, NEVER]) == pytest.approx(100 / 230 / 2)
    assert process_efficiency([WORKED, NEVER]) == pytest.approx((180 / 230 + 1) / 2)


def test_tokens_up_to_and_including_the_first_right_solution_count() -> None:
    late = [SolutionRound(10, False, 0), SolutionRound(20, True, 0), SolutionRound(70, True, 1)]
    assert outcome_efficiency([late]) == pytest.approx(0.3)
    assert process_efficiency([late]) == pytest.approx(0.8)


def test_responses_without_tokens_are_left_out() -> None:
    assert outcome_efficiency([[], [SolutionRound(0, True, 0)], WORKED]) == pytest.approx(100 / 230)
    assert outcome_efficiency([[]]) is None
    assert process_efficiency([]) is None
    with pytest.raises(ValueError, match="num_tokens must be >= 0"):
        SolutionRound(-1, True, 0)


def rounds_of(text: str) -> list[SolutionRound]:
    return solution_rounds(
        text, is_correct=lambda answer: answer_key(answer) == "5", num_tokens=lambda part: len(part.split())
    )


def test_a_response_is_split_where_it_states_answers() -> None:
    first, second = "2 and 3\nis 5.\n\nSo \\boxed{5}.\n\n", "Wait, is it?\n\nThe answer is 6.\n \n"
    text = first + second + "No:\nthe answer is 5.0.\n\nI am done."
    found = rounds_of(text)
    assert [(part.num_tokens, part.is_correct) for part in found] == [(7, True), (7, False), (8, True)]
    assert found[0].strategy == found[2].strategy != found[1].strategy
    assert outcome_efficiency([found]) == pytest.approx(7 / 22)
    assert process_efficiency([found]) == pytest.approx(14 / 22)
    assert sum(part.num_tokens for part in found) == len(text.split())


def test_without_a_stated_answer_a_response_is_one_wrong_solution() -> None:
    assert rounds_of("hm\n\nhm hm") == [SolutionRound(3, False, "")]
    assert rounds_of("") == []
    assert len(rounds_of("\n" * 100_000 + "the answer is 5" + "\n " * 100_000)) == 1


def test_control_is_the_share_of_runs_within_their_limits() -> None:
    assert control([90, 100, 101, 50], low=60, high=100) == 0.5
    assert control([90, 1e9]) == 1.0
    assert control([]) is None
    with pytest.raises(ValueError, match="low must be <= high"):
        control([1], low=2, high=1)
    with pytest.raises(ValueError, match="low must be <= high"):
        control([1], low=math.nan)


def test_scaling_is_the_mean_slope_over_all_pairs() -> None:
    points = [BudgetPoint(100, 0.2), BudgetPoint(400, 0.5), BudgetPoint(200, 0.4)]
    assert scaling(points) == pytest.approx((0.002 + 0.001 + 0.0005) / 3)
    assert scaling(points[::-1]) == pytest.approx(scaling(points))
    assert scaling([BudgetPoint(100, 0.2), BudgetPoint(100, 0.9)]) is None
    assert scaling([]) is None


def test_performance_is_the_best_accuracy() -> None:
    assert performance([BudgetPoint(100, 0.2), BudgetPoint(400, 0.5), BudgetPoint(800, 0.3)]) == 0.5
    assert performance([]) is None
    with pytest.raises(ValueError, match="must be finite"):
        BudgetPoint(1, math.nan)
