"""Grades of steps, the choice among hints and repetition, against the worked examples of SSR."""

from __future__ import annotations

import pytest

from ttscale_strategies.search.rules import chosen_hints, hint_code, is_repeating, step_grade
from ttscale_strategies.search.speculative_hints import HINTS

WORKED = {"7": 0.6, "8": 0.3, "6": 0.1}


def test_the_worked_distribution_averages_to_its_mean_and_is_greedily_its_token() -> None:
    assert step_grade("7", WORKED, "average") == pytest.approx(7.2)
    assert step_grade("7", WORKED, "greedy") == 7.0


@pytest.mark.parametrize("said", ["ten", "", " ", "10", "-1", "7.", "²", "７", "seven"])
def test_what_is_no_digit_grades_zero(said: str) -> None:
    assert step_grade(said, {said: 0.9}, "greedy") == 0.0
    assert step_grade(said, {said: 0.9}, "average") == 0.0


@pytest.mark.parametrize(("said", "grade"), [("0", 0.0), ("9", 9.0), (" 7", 7.0), ("7\n", 7.0)])
def test_white_space_around_a_digit_does_not_count(said: str, grade: float) -> None:
    assert step_grade(said, {}, "greedy") == grade
    assert step_grade("x", {said: 0.5}, "average") == grade


def test_an_average_is_over_the_digits_alone() -> None:
    assert step_grade("ten", {"ten": 0.7, "8": 0.2, " 4": 0.1}, "average") == pytest.approx((1.6 + 0.4) / 0.3)
    assert step_grade("9", {"9": 0.0}, "average") == 0.0


@pytest.mark.parametrize("probability", [-0.1, float("nan"), float("inf")])
def test_a_probability_is_a_number_and_not_negative(probability: float) -> None:
    with pytest.raises(ValueError, match="the probability of '7'"):
        step_grade("7", {"7": probability}, "average")


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("B,E", "BEM"),  # the worked example
        ("B,E,F", "BEF"),
        ("A, A, B", "AAB"),  # twice the same is two tracks
        ("B,E,F,C", "BEF"),
        ("M,B", "MBM"),
        ("BEF)", "BEF"),
        ("(A)(C)", "ACM"),
        ("", "MMM"),
        ("N, Z, 7", "MMM"),
        ("Because", "MMM"),
        ("éA", "MMM"),
        ("b,e", "MMM"),
    ],
)
def test_the_letters_that_stand_apart_are_chosen_and_the_rest_is_none_of_them(text: str, codes: str) -> None:
    chosen = chosen_hints(text, num_hints=12, num_wanted=3)
    assert "".join(hint_code(place) for place in chosen) == codes


def test_a_shorter_list_has_its_own_letter_for_none_of_them() -> None:
    assert chosen_hints("A,D,E", num_hints=3, num_wanted=4) == (0, 3, 3, 3)
    assert hint_code(len(HINTS)) == "M"


@pytest.mark.parametrize(("num_hints", "num_wanted"), [(0, 1), (26, 1), (1, 0)])
def test_numbers_out_of_range_are_refused(num_hints: int, num_wanted: int) -> None:
    with pytest.raises(ValueError, match="must"):
        chosen_hints("A", num_hints=num_hints, num_wanted=num_wanted)


@pytest.mark.parametrize(
    ("steps", "repeats"),
    [
        ([], False),
        (["a", "a"], False),  # not more than two
        (["b", "a", "a"], True),
        (["b", "a", " a\n"], True),
        (["a", "b", "a"], False),
    ],
)
def test_a_solution_repeats_itself_when_its_last_two_of_more_than_two_steps_are_the_same(
    steps: list[str], repeats: bool
) -> None:
    assert is_repeating(steps) is repeats
