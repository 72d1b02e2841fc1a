"""References in arguments: what is one, and what is put in its place."""

from __future__ import annotations

import pytest

from ttscale.tools import ToolResult
from ttscale.types import JSON
from ttscale_strategies.dag.literals import MAX_DEPTH, parse_arguments
from ttscale_strategies.dag.references import MAX_CHARACTERS, Reference, references_in, substituted

RESULTS = {"1": ToolResult(value="12"), "2": ToolResult(value="see $1 and ${1}"), "10": ToolResult(value=7)}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("max of $1 and $10", "max of 12 and 7"),
        ("$2, then $1", "see $1 and ${1}, then 12"),
        ("a${1}b ${10}0", "a12b 70"),
        ("$1 million, $1,000, $1.50, $1x, $1_0, $100", "$1 million, $1,000, $1.50, $1x, $1_0, $100"),
        ("$1, $1. $1)", "12, 12. 12)"),
        ("$3 ${3} $ $$ ${} ${", "$3 ${3} $ $$ ${} ${"),
        ({"$ref": "10"}, 7),
        ({"$ref": "3"}, {"$ref": "3"}),
        ([{"$ref": "1"}, ["$10"], {"k": "$1"}], ["12", ["7"], {"k": "12"}]),
        (None, None),
    ],
)
def test_results_are_put_in_once_and_never_looked_at_again(given: JSON, expected: JSON) -> None:
    assert substituted(given, RESULTS) == expected


def test_a_bare_reference_keeps_the_value_and_an_error_is_its_text() -> None:
    results = {"1": ToolResult(value=[1, {"a": None}]), "2": ToolResult(error="down")}
    given: JSON = [{"$ref": "1"}, "$1", {"$ref": "2"}, "it says $2"]
    expected = [[1, {"a": None}], '[1, {"a": null}]', "Error: down", "it says Error: down"]
    assert substituted(given, results) == expected


def test_a_huge_result_and_control_characters_are_shown_as_a_tool_shows_them() -> None:
    results = {"1": ToolResult(value="x" * 10**6), "2": ToolResult(value="\x1b[31m\x00")}
    assert substituted("$1", results) == "x" * 10**6  # for another tool, not for a model
    text = substituted("$1|$2", results)
    assert isinstance(text, str)
    assert len(text) < 9_000
    assert text.endswith("|\\x1b[31m\\x00")


def test_a_text_that_repeats_a_result_does_not_grow_without_bound() -> None:
    text = substituted("$1" * 50 + " $1" * 50, {"1": ToolResult(value="x" * 10**5)})
    assert isinstance(text, str)
    assert len(text) < MAX_CHARACTERS + 100


def test_what_can_be_nothing_but_a_reference_is_told_from_what_may_be_an_amount() -> None:
    found = list(references_in({"a": "$9", "b": "costs $9", "c": "${9}?", "d": [{"$ref": "9"}]}))
    assert found == [Reference("9", True), Reference("9", False), Reference("9", True), Reference("9", True)]


@pytest.mark.parametrize(
    "text",
    [
        "1 2",
        "[1",
        "(1",
        "{1: 2}",
        '{"a": 1, "a": 2}',
        '{"a"}',
        "a=",
        "a=1, 2",
        ",",
        "1,,2",
        '"a',
        "1e400",
        "1__0",
        "inf",
        "b'a'",
        "1j",
        "...",
        "a.b",
        "*[1]",
        "[1 for _ in x]",
        "f()",
        "-$1",
        '"a" "b"',
        "$",
        "${",
        "'a\nb'",
        "[" * (MAX_DEPTH + 2) + "]" * (MAX_DEPTH + 2),
        "9" * 301,
    ],
)
def test_what_is_no_literal_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"character|argument"):
        parse_arguments(text)
