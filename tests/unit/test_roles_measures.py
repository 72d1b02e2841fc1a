"""Measures of roles: the area under the curve against a plain count, and intervals."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ttscale.reference.roles.measures import auroc, auroc_measure, share
from ttscale_evals.stats import wilson_interval


def counted(scores: list[float], labels: list[bool]) -> float:
    """Return the share of pairs of a right and a wrong case in which the right one scores higher."""
    rights = [score for score, label in zip(scores, labels, strict=True) if label]
    wrongs = [score for score, label in zip(scores, labels, strict=True) if not label]
    won = sum(1.0 if right > wrong else 0.5 if right == wrong else 0.0 for right in rights for wrong in wrongs)
    return won / (len(rights) * len(wrongs))


@settings(deadline=None)  # scipy is imported at the first call
@given(st.lists(st.tuples(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.9, 1.0, -3.0]), st.booleans()), min_size=2))
def test_auroc_is_the_share_of_pairs_ranked_rightly_with_ties_counted_half(
    cases: list[tuple[float, bool]],
) -> None:
    scores, labels = [score for score, _ in cases], [label for _, label in cases]
    assume(any(labels) and not all(labels))
    assert auroc(scores, labels) == pytest.approx(counted(scores, labels), abs=1e-12)


@pytest.mark.parametrize(
    ("scores", "wanted"), [([0.1, 0.2, 0.8, 0.9], 1.0), ([0.9, 0.8, 0.2, 0.1], 0.0), ([0.5] * 4, 0.5)]
)
def test_auroc_of_perfect_reversed_and_useless_scores(scores: list[float], wanted: float) -> None:
    assert auroc(scores, [False, False, True, True]) == wanted


def test_what_has_no_auroc_is_refused() -> None:
    with pytest.raises(ValueError, match="2 right and 0 wrong cases cannot be told apart"):
        auroc([0.1, 0.2], [True, True])
    with pytest.raises(ValueError, match="0 right and 0 wrong"):
        auroc([], [])
    with pytest.raises(ValueError, match="2 scores but 1 labels"):
        auroc([0.1, 0.2], [True])
    with pytest.raises(ValueError, match="not finite"):
        auroc([0.1, math.nan], [True, False])


def noisy_cases(num_problems: int, copies: int) -> tuple[list[float], list[bool], list[int]]:
    rng = random.Random(0)
    cases = [(rng.gauss(float(i % 2), 1.0), bool(i % 2), i) for i in range(num_problems)] * copies
    return [score for score, _, _ in cases], [label for _, label, _ in cases], [i for _, _, i in cases]


def test_the_interval_of_an_auroc_holds_it_and_repeats() -> None:
    scores, labels, found = noisy_cases(80, 1)
    measured = auroc_measure(scores, labels, found, num_resamples=200)
    assert measured.value == auroc(scores, labels)
    assert 0.5 < measured.low < measured.value < measured.high <= 1.0
    assert measured.num_cases == 80
    assert auroc_measure(scores, labels, found, num_resamples=200) == measured
    assert auroc_measure(scores, labels, found, num_resamples=200, seed=1) != measured


def test_steps_of_one_problem_count_once_in_the_interval() -> None:
    one = auroc_measure(*noisy_cases(60, 1), num_resamples=300)
    many = auroc_measure(*noisy_cases(60, 8), num_resamples=300)
    assert many.value == pytest.approx(one.value)
    assert many.high - many.low == pytest.approx(one.high - one.low, rel=0.3)


def test_an_interval_needs_problems_that_can_be_drawn_again() -> None:
    with pytest.raises(ValueError, match="2 scores but 1 problems"):
        auroc_measure([0.1, 0.9], [False, True], [1])
    with pytest.raises(ValueError, match="No resample"):
        auroc_measure([0.1, 0.9], [False, True], [1, 2], num_resamples=0)


@pytest.mark.parametrize(("num_right", "num_cases"), [(0, 10), (10, 10), (3, 10), (450, 1000), (1, 1)])
def test_a_share_has_the_wilson_interval(num_right: int, num_cases: int) -> None:
    measured, wanted = share(num_right, num_cases), wilson_interval(num_right, num_cases)
    assert measured.value == num_right / num_cases
    assert (measured.low, measured.high) == pytest.approx(wanted, abs=1e-9)
    assert measured.num_cases == num_cases


def test_a_share_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="no share of no cases"):
        share(0, 0)
    with pytest.raises(ValueError, match="k"):
        share(3, 2)
