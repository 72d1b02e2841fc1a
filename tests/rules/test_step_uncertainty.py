"""Uncertain steps: entropies, perplexities, and which steps are tried again."""

from __future__ import annotations

import math

import pytest

from ttscale_strategies.dag.rules.uncertainty import (
    MISSING,
    entropies_of,
    least_certain,
    least_certain_mixed,
    num_fresh,
    perplexity,
)


def logs(*chances: float) -> list[float]:
    return [math.log(chance) for chance in chances]


def test_the_worked_entropies_in_both_forms() -> None:
    top = [logs(0.6, 0.2), logs(0.5, 0.5)]
    assert entropies_of(top) == pytest.approx([0.562335, 0.693147], abs=1e-6)
    assert entropies_of(top, "paper") == pytest.approx([0.785479, 0.693147], abs=1e-6)


def test_the_worked_perplexity() -> None:
    assert perplexity(entropies_of([logs(0.6, 0.2)], "paper")) == pytest.approx(2.193457, abs=1e-6)
    assert perplexity([0.0, math.log(4)]) == pytest.approx(2.0)


def test_positions_without_logprobs_are_left_out_and_no_tokens_are_missing() -> None:
    assert perplexity([math.nan, math.log(3)]) == pytest.approx(3.0)
    assert perplexity([]) == MISSING
    assert math.isnan(entropies_of([[math.nan, math.nan]], "paper")[0])


def test_the_least_certain_steps() -> None:
    assert least_certain([1.2, 2.5, 1.9], 2) == (1, 2)
    assert least_certain([2.0, 2.0, 2.0], 2) == (0, 1)
    assert least_certain([MISSING, 1.5, MISSING], 2) == (1,)
    assert least_certain([1.0], 0) == ()


def test_a_step_that_both_halves_name_gives_way_to_the_next() -> None:
    calls, thoughts = [1.0, 5.0, 2.0, 1.0], [1.1, 9.0, 1.2, 3.0]
    assert least_certain_mixed(calls, thoughts, 2) == (1, 3)
    assert least_certain_mixed(calls, thoughts, 3) == (1, 2, 3)
    assert least_certain_mixed([MISSING] * 4, thoughts, 2) == (1,)


def test_rollouts_that_are_left_start_afresh() -> None:
    assert num_fresh(8, 1, 2, 3) == 1
    assert num_fresh(7, 1, 2, 3) == 0
    assert num_fresh(4, 2, 0, 3) == 2
    with pytest.raises(ValueError, match="are more than n=6"):
        num_fresh(6, 1, 2, 3)
    with pytest.raises(ValueError, match="thoughts need one value"):
        least_certain_mixed([1.0], [], 1)
