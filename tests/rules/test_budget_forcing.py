"""s1's budget forcing against the hand-computed example."""

from __future__ import annotations

import pytest

from ttscale_strategies.voting.rules import ForcingStep, Thought, forcing_step


def test_the_worked_example_calls_with_100_then_60_then_30_and_extends_twice() -> None:
    thoughts: list[Thought] = []
    steps: list[ForcingStep] = []
    for num_tokens in (40, 30, 20):
        steps.append(forcing_step(thoughts, max_tokens=100, num_extensions=2))
        thoughts.append(Thought(num_tokens))
    assert steps == [ForcingStep("think", 100), ForcingStep("extend", 60), ForcingStep("extend", 30)]
    assert forcing_step(thoughts, max_tokens=100, num_extensions=2) == ForcingStep("answer")


def test_a_thought_that_used_the_whole_budget_is_closed_without_an_extension() -> None:
    assert forcing_step([Thought(100, is_cut=True)], max_tokens=100, num_extensions=2) == ForcingStep("close")


def test_an_extension_that_is_cut_is_closed() -> None:
    thoughts = [Thought(40), Thought(60, is_cut=True)]
    assert forcing_step(thoughts, max_tokens=100, num_extensions=5) == ForcingStep("close")


def test_a_budget_that_is_spent_to_the_token_leaves_nothing_to_extend() -> None:
    assert forcing_step([Thought(100)], max_tokens=100) == ForcingStep("answer")
    assert forcing_step([Thought(130)], max_tokens=100) == ForcingStep("answer")


def test_an_empty_extension_is_the_last_and_an_empty_first_thought_is_extended() -> None:
    assert forcing_step([Thought(0)], max_tokens=100) == ForcingStep("extend", 100)
    assert forcing_step([Thought(9), Thought(0)], max_tokens=100, num_extensions=9) == ForcingStep("answer")


def test_without_extensions_the_thought_stands() -> None:
    assert forcing_step([Thought(9)], max_tokens=100, num_extensions=0) == ForcingStep("answer")


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="max_tokens must be >= 1"):
        forcing_step([], max_tokens=0)
    with pytest.raises(ValueError, match="num_extensions must be >= 0"):
        forcing_step([], max_tokens=1, num_extensions=-1)
    with pytest.raises(ValueError, match="num_tokens of a thought must be >= 0"):
        forcing_step([Thought(-1)], max_tokens=1)
