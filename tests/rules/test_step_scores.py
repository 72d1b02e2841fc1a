"""The rules for scores of steps against hand-computed examples."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttscale.steps import Aggregate, aggregated, split_steps
from ttscale_verifiers.step_scores import right_probability

CHAINS = {"A1": (0.9, 0.8, 0.4), "A2": (0.55, 0.6, 0.7), "B": (0.95, 0.92, 0.9)}
"""Scores of the steps of three solutions, two of which answer A."""


@pytest.mark.parametrize(
    ("how", "scores", "sum_of_a", "weighted", "naive"),
    [
        ("last", (0.4, 0.7, 0.9), 1.1, "A", "B"),
        ("min", (0.4, 0.55, 0.9), 0.95, "A", "B"),
        ("product", (0.288, 0.231, 0.7866), 0.519, "B", "B"),
        ("mean", (0.7, 0.616667, 0.923333), 1.316667, "A", "B"),
    ],
)
def test_the_worked_example_of_weighted_best_of_n(
    how: Aggregate, scores: tuple[float, ...], sum_of_a: float, weighted: str, naive: str
) -> None:
    values = {name: aggregated(chain, how) for name, chain in CHAINS.items()}
    assert tuple(values.values()) == pytest.approx(scores, abs=1e-6)
    assert values["A1"] + values["A2"] == pytest.approx(sum_of_a, abs=1e-6)
    assert ("A" if values["A1"] + values["A2"] > values["B"] else "B") == weighted
    assert max(values, key=lambda name: values[name])[0] == naive


@pytest.mark.parametrize("how", ["last", "min", "product", "mean"])
def test_a_solution_without_steps_has_no_score(how: Aggregate) -> None:
    with pytest.raises(ValueError, match="no steps to score"):
        aggregated((), how)


@given(st.lists(st.floats(0, 1), min_size=1), st.sampled_from(["last", "min", "product", "mean"]))
def test_a_score_stays_between_0_and_1_and_of_one_step_is_its_own(scores: list[float], how: Aggregate) -> None:
    assert 0 <= aggregated(scores, how) <= 1
    assert aggregated(scores[:1], how) == scores[0]


@given(st.lists(st.floats(0, 1), min_size=1))
def test_the_product_is_at_most_the_least_and_that_at_most_the_mean(scores: list[float]) -> None:
    least = aggregated(scores, "min")
    assert aggregated(scores, "product") <= least
    assert least <= aggregated(scores, "mean") + 1e-12


@pytest.mark.parametrize(
    ("text", "delimiter", "steps"),
    [
        ("1 + 1 = 2\n2 + 3 = 5\n\\boxed{5}", "\n", ("1 + 1 = 2", "2 + 3 = 5", "\\boxed{5}")),
        ("\n  one \n\n \ntwo\n", "\n", ("one", "two")),
        ("one\n\ntwo\nlines", "\n\n", ("one", "two\nlines")),
        ("all in one", "\n", ("all in one",)),
        (" \n\n ", "\n", ()),
        ("", "\n", ()),
    ],
)
def test_steps_stand_between_delimiters_and_empty_ones_do_not_count(
    text: str, delimiter: str, steps: tuple[str, ...]
) -> None:
    assert split_steps(text, delimiter) == steps


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"+": 0.6, "-": 0.2}, 0.75),
        ({"-": 0.2, "The": 0.5, "+": 0.05}, 0.2),
        ({"+": 1.0, "-": 0.0}, 1.0),
        ({"+": 0.8, "A": 0.1}, 0.8 / 0.9),  # - has at most the 0.1 that A has and that is left
        ({"+": 0.8, "A": 0.15}, 0.8 / 0.85),  # at most the 0.05 that is left
        ({"-": 0.96, "A": 0.01}, 0.01 / 0.97),  # at most as much as A
        ({"+": 1.0}, 1.0),
        ({"-": 1.0}, 0.0),
        ({"The": 0.9, "A": 0.05}, None),
        ({"+": 0.0, "-": 0.0, "A": 1.0}, None),
        ({}, None),
    ],
)
def test_a_judge_says_plus_against_minus(said: Mapping[str, float], expected: float | None) -> None:
    assert right_probability(said) == (expected if expected is None else pytest.approx(expected))


@given(
    st.dictionaries(st.sampled_from(["+", "-", "A", "B", ""]), st.floats(-40, 0), min_size=1).map(
        lambda logits: {token: math.exp(value) for token, value in logits.items()}
    )
)
def test_what_a_judge_says_is_always_a_probability(said: Mapping[str, float]) -> None:
    value = right_probability(said)
    assert (value is None) == ("+" not in said and "-" not in said)
    assert value is None or 0 <= value <= 1
