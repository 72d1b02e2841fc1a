"""Ratings, outlines and choices as models write them, and the steps that are thought about."""

from __future__ import annotations

import json

import pytest

from ttscale_strategies.refine.rules import difficulty, parse_outline, parse_version, plan_of, thinking_steps


@pytest.mark.parametrize(
    ("threshold", "expected"), [(0.5, (False, False, True)), (0.2, (False, True, True)), (0.9, (False,) * 3)]
)
def test_the_worked_modes(threshold: float, expected: tuple[bool, ...]) -> None:
    assert thinking_steps([0.1, 0.5, 0.51], threshold=threshold) == expected


def test_the_only_step_is_thought_about() -> None:
    assert thinking_steps([0.0]) == (True,)
    assert thinking_steps([]) == ()
    assert thinking_steps([0.0, 0.0], last_difficulty=0.4) == (False, False)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.7", 0.7),
        ("Score: .25.", 0.25),
        ("1", 1.0),
        ("7/10", 1.0),
        ("-0.3", 0.0),
        ("−0.3", 0.0),
        ("2e-1", 0.2),
        ("step1 is 0.4 hard, not 0.9", 0.4),
        ("0.9 at first</think> 0.3", 0.3),
        ("very hard", 1.0),
        ("nan", 1.0),
        ("inf", 1.0),
        ("٣", 1.0),
        ("", 1.0),
        ("9" * 10_000, 1.0),
        ("x" * 5_000 + " 0.1", 1.0),
    ],
)
def test_a_rating_is_the_first_number_and_what_is_none_is_hard(text: str, expected: float) -> None:
    assert difficulty(text) == expected


def test_ratings_and_thresholds_are_shares() -> None:
    with pytest.raises(ValueError, match=r"difficulties\[1\] must lie in \[0, 1\]"):
        thinking_steps([0.1, 1.2])
    with pytest.raises(ValueError, match="threshold"):
        thinking_steps([0.1], threshold=-1)


def test_an_outline_is_read_in_the_order_of_its_numbers() -> None:
    assert parse_outline('{"step1": "add", "step2": "halve"}') == ("add", "halve")
    assert parse_outline('Sure:\n{"Step 2": "halve ", "step_1": "add"}') == ("add", "halve")
    assert parse_outline('{"step1": "no"}</think>{"step1": "yes"} {}') == ("yes",)
    assert parse_outline('{"step1": "a"} or {"step1": "b"}') == ("b",)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1. add 2. halve",
        "{}",
        '{"step2": "halve"}',
        '{"step1": "a", "step3": "b"}',
        '{"step1": "a", "step01": "b"}',
        '{"step1": ["a"]}',
        '{"step1": " "}',
        '{"step1": "a", "note": "b"}',
        '{"step1": ',
        '{"step1":' * 5_000,
        json.dumps({f"step{number}": "x" for number in range(1, 22)}),
    ],
)
def test_what_is_no_outline_is_none(text: str) -> None:
    assert parse_outline(text) is None


def test_an_outline_may_be_bounded() -> None:
    assert parse_outline('{"step1": "a", "step2": "b"}', max_steps=1) is None
    with pytest.raises(ValueError, match="max_steps must be >= 1"):
        parse_outline("", max_steps=0)


def test_the_last_step_of_a_plan_is_the_question_itself() -> None:
    assert plan_of(("add", "halve"), "How many?") == ("add", "How many?")
    assert plan_of(("add",), "How many?") == ("How many?",)
    assert plan_of((), "How many?") == plan_of(None, "How many?") == ("How many?",)


@pytest.mark.parametrize(
    ("text", "index"),
    [
        ("version3", 2),
        ("Version 8.", 7),
        ("version1 forgets a case, so version2", 1),
        ("version5</think>version4", 3),
        ("version0", None),
        ("version9", None),
        ("version1, no: version9", None),
        ("version12345678", None),
        ("the third", None),
        ("version" * 10_000, None),
    ],
)
def test_a_version_is_chosen_by_its_number(text: str, index: int | None) -> None:
    assert parse_version(text, 8) == index


def test_without_versions_there_is_no_choice() -> None:
    with pytest.raises(ValueError, match="num_versions must be >= 1"):
        parse_version("version1", 0)
