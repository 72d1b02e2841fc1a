"""Measures of answers by agents: words in common, strings found, ROUGE, numbers that are near, durations."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttscale.types import JSON
from ttscale_evals.metrics import mean_measures
from ttscale_evals.metrics.durations import read_duration
from ttscale_evals.metrics.numeric import number_in, within_tolerance
from ttscale_evals.metrics.texts import (
    answer_strings,
    exact_match,
    flat_text,
    loose_accuracy,
    normalised,
    rouge_l,
    rouge_n,
    strict_accuracy,
    word_f1,
)

# ── SQuAD ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_texts_are_compared_without_case_punctuation_and_articles() -> None:
    assert normalised("The  Cat's, an Owl!") == "cats owl"
    assert exact_match("the Eiffel Tower.", "Eiffel tower")
    assert not exact_match("Eiffel towers", "Eiffel tower")


def test_f1_is_the_harmonic_mean_of_precision_and_recall_of_words() -> None:
    # 2 of 3 given words are wanted, 2 of 4 wanted ones given: 2·(2/3)(1/2)/(2/3+1/2) = 4/7
    assert word_f1("red blue green", "red blue black white") == pytest.approx(4 / 7)
    assert word_f1("so so", "so") == pytest.approx(2 / 3)
    assert word_f1("", "something") == 0.0
    assert word_f1("The", "a") == 1.0


def test_yes_and_no_are_all_or_nothing() -> None:
    assert word_f1("yes", "Yes.") == 1.0
    assert word_f1("yes they were", "yes") == 0.0
    assert word_f1("no", "no man's land") == 0.0


# ── FanOutQA ──────────────────────────────────────────────────────────────────────────────────────────────


def test_an_answer_of_any_shape_is_a_list_of_strings() -> None:
    reference: JSON = {"Ann": [1, True], "Bob": {"x": 2.5}}
    assert answer_strings(reference) == ["Ann", "1", "yes", "Bob", "x", "2.5"]
    assert flat_text(["a b", 3]) == "a b 3"


def test_loose_accuracy_is_the_share_of_strings_found_and_strict_is_all_of_them() -> None:
    reference: JSON = {"Alder Tower": 1200, "Birch Tower": 90}
    assert loose_accuracy("Alder Tower: 1,200 m. Birch tower 900", reference) == 0.75
    assert strict_accuracy("Alder Tower: 1,200 m. Birch tower 900", reference) == 0.0
    assert strict_accuracy("alder tower is 1200; birch tower, 90!", reference) == 1.0


def test_strings_are_found_between_word_boundaries_without_accents() -> None:
    assert loose_accuracy("Sao Tome", "São Tomé") == 1.0
    assert loose_accuracy("It has 19 doors", 9) == 0.0
    assert loose_accuracy("C++ (1998)", "C++") == 1.0
    assert loose_accuracy("anything", []) == 1.0


# ── ROUGE ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_rouge_by_hand() -> None:
    # words in common: the, cat, sat of 3 and 6; pairs: "the cat", "cat sat" of 2 and 5
    answer, reference = "the cat sat", "the cat sat on the mat"
    assert rouge_n(answer, reference, 1) == pytest.approx(2 * 3 / 9)
    assert rouge_n(answer, reference, 2) == pytest.approx(2 * 2 / 7)
    assert rouge_l(answer, reference) == pytest.approx(2 * 3 / 9)


def test_rouge_l_keeps_order_and_may_leave_gaps() -> None:
    assert rouge_l("a c b d", "a b c d") == pytest.approx(3 / 4)
    assert rouge_n("a c b d", "a b c d", 1) == 1.0
    assert rouge_l("", "a") == rouge_n("a", "a", 2) == 0.0
    with pytest.raises(ValueError, match="n must be >= 1"):
        rouge_n("a", "a", 0)


@given(st.lists(st.sampled_from("abc"), max_size=8), st.lists(st.sampled_from("abc"), max_size=8))
def test_rouge_l_is_symmetric_and_at_most_rouge_1(first: list[str], second: list[str]) -> None:
    one, other = " ".join(first), " ".join(second)
    assert rouge_l(one, other) == pytest.approx(rouge_l(other, one))
    assert rouge_l(one, other) <= rouge_n(one, other, 1) + 1e-12


# ── numbers ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("answer", "is_right"),
    [
        ("5931.8", True),
        ("about 5,400 metres", True),
        ("6524.98", True),
        ("6525", False),
        ("5338", False),
        ("x", False),
    ],
)
def test_a_number_may_differ_by_a_tenth_of_the_reference(answer: str, is_right: bool) -> None:
    assert within_tolerance(answer, "5931.80", 0.1) is is_right


def test_a_reference_that_is_no_number_has_no_tolerance() -> None:
    assert within_tolerance("3", "Mount Everest", 0.1) is None
    assert within_tolerance("-11", "-10", 0.1) is True
    with pytest.raises(ValueError, match="tolerance must be >= 0"):
        within_tolerance("1", "1", -0.1)


def test_a_text_with_two_numbers_is_none() -> None:
    assert number_in("between 3 and 5") is None
    assert number_in("3 of them, I say 3") == 3
    assert number_in("1/3") == number_in("2/6")
    assert number_in("9" * 2000) is None


# ── durations ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("360 days", (360 * 86_400, 360 * 86_400)),
        ("It takes 2 hours and 30 minutes.", (9000, 9000)),
        ("1 hour, 5 min", (3900, 3900)),
        ("2-3 days", (2 * 86_400, 3 * 86_400)),
        ("Step 1 takes 5 min, so 1.5 hrs in all", (5400, 5400)),
        ("half an hour", (1800, 1800)),
        ("an hour and a half", (5400, 5400)),
        ("two and a half hours", (9000, 9000)),
        ("an hour", (3600, 3600)),
        ("1,200 seconds", (1200, 1200)),
        ("three weeks", (21 * 86_400, 21 * 86_400)),
        ("6 months", (180 * 86_400, 180 * 86_400)),
        ("17 steps", None),
        ("90", None),
    ],
)
def test_the_last_duration_of_a_text_is_read(text: str, seconds: tuple[float, float] | None) -> None:
    assert read_duration(text) == seconds


# ── means ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_measures_are_averaged_over_the_problems_that_have_them() -> None:
    assert mean_measures([{"f1": 0.5, "b": 1.0}, {"f1": 1.0}, {}]) == {"b": 1.0, "f1": 0.75}
    assert mean_measures([]) == {}
