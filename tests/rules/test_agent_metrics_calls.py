"""Function calls against accepted ones: types, values, optional arguments, matching, reading texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttscale.types import JSON
from ttscale_evals.benchmarks.agents.call_text import read_calls
from ttscale_evals.metrics.function_calls import FunctionCall, Schema, call_fits, calls_match, value_fits
from ttscale_evals.metrics.matching import greedy_matching, maximum_matching

Wanted = Mapping[str, Mapping[str, Sequence[JSON]]]

BOOK: Schema = {
    "name": "hotel.book",
    "parameters": {
        "type": "dict",
        "properties": {
            "city": {"type": "string"},
            "nights": {"type": "integer"},
            "price": {"type": "float"},
        },
        "required": ["city"],
    },
}
OSLO: Wanted = {"hotel.book": {"city": ["Oslo", "Oslo, Norway"], "nights": [2], "price": ["", 99.0]}}


def call(**arguments: JSON) -> FunctionCall:
    return FunctionCall("hotel.book", arguments)


# ── one call ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("arguments", "fits"),
    [
        ({"city": "oslo norway", "nights": 2}, True),
        ({"city": "Oslo", "nights": 2, "price": 99}, True),
        ({"city": "Oslo", "nights": 2, "price": 98.0}, False),
        ({"city": "Oslo"}, False),  # nights may not be left out: no "" among its values
        ({"nights": 2}, False),
        ({"city": "Oslo", "nights": 2.0}, False),
        ({"city": "Oslo", "nights": True}, False),
        ({"city": "Oslo", "nights": 2, "stars": 3}, False),
    ],
)
def test_a_call_fits_by_names_types_and_accepted_values(arguments: Mapping[str, JSON], fits: bool) -> None:
    assert call_fits(FunctionCall("hotel.book", arguments), OSLO, [BOOK]) is fits


def test_a_dot_in_a_name_may_have_become_an_underscore() -> None:
    arguments: Mapping[str, JSON] = {"city": "Oslo", "nights": 2}
    assert call_fits(FunctionCall("hotel_book", arguments), OSLO, [BOOK])
    assert not call_fits(FunctionCall("book", arguments), OSLO, [BOOK])
    with pytest.raises(ValueError, match=r"'hotel\.book' is not described"):
        call_fits(call(), OSLO, [])


@pytest.mark.parametrize(
    ("value", "accepted", "schema", "fits"),
    [
        (["b", "A"], [["a", "b"], ["b", "a"]], {"type": "array", "items": {"type": "string"}}, True),
        (["a"], [["a", "b"]], {"type": "array", "items": {"type": "string"}}, False),
        ([1, 2], [[1.0, 2.0]], {"type": "array", "items": {"type": "integer"}}, True),
        (
            [True],
            [[1]],
            {"type": "array", "items": {"type": "integer"}},
            True,
        ),  # as the leaderboard: they are equal
        ([1, 2], [[1, 2]], {"type": "tuple", "items": {"type": "integer"}}, True),
        ({"adults": 2}, [{"adults": [2, 3], "pets": [0, ""]}], {"type": "dict"}, True),
        ({"adults": 2}, [{"adults": [2], "pets": [0]}], {"type": "dict"}, False),
        ({"adults": 2, "x": 1}, [{"adults": [2]}], {"type": "dict"}, False),
        ([{"a": 1}], [[{"a": [1]}]], {"type": "array", "items": {"type": "dict"}}, True),
        ([{"a": 1}, {"a": 1}], [[{"a": [1]}]], {"type": "array", "items": {"type": "dict"}}, False),
        ("total", ["total"], {"type": "integer"}, True),  # a variable's name
        ("Total", ["total"], {"type": "integer"}, False),
        (3, [3.0], {"type": "float"}, True),
        ("2024-04-01", ["2024 04 01"], {"type": "string"}, True),
    ],
)
def test_values_are_compared_by_their_described_type(
    value: JSON, accepted: Sequence[JSON], schema: Schema, fits: bool
) -> None:
    assert value_fits(value, accepted, schema) is fits


# ── several calls ─────────────────────────────────────────────────────────────────────────────────────────


def test_greedy_matching_misses_what_the_largest_one_finds() -> None:
    # The first wanted call accepts both given ones and greedily takes the only one that fits the second.
    wide: Wanted = {"hotel.book": {"city": ["Oslo", "Bergen"], "nights": ["", 2]}}
    narrow: Wanted = {"hotel.book": {"city": ["Oslo"], "nights": ["", 2]}}
    given = [call(city="Oslo"), call(city="Bergen")]
    assert calls_match(given, [wide, narrow], [BOOK])
    assert not calls_match(given, [wide, narrow], [BOOK], matching="greedy")
    assert calls_match(given, [narrow, wide], [BOOK], matching="greedy")


def test_there_must_be_as_many_calls_as_wanted() -> None:
    assert not calls_match([call(city="Oslo", nights=2)] * 2, [OSLO], [BOOK])
    assert not calls_match([], [OSLO], [BOOK])


@given(st.lists(st.lists(st.booleans(), min_size=3, max_size=3), max_size=4))
def test_a_matching_is_one_to_one_and_the_largest_is_no_smaller_than_the_greedy_one(
    fits: list[list[bool]],
) -> None:
    largest, greedy = maximum_matching(fits), greedy_matching(fits)
    for matching in (largest, greedy):
        taken = [(row, column) for row, column in enumerate(matching) if column is not None]
        assert all(fits[row][column] for row, column in taken)
        assert len({column for _, column in taken}) == len(taken)
    assert sum(column is not None for column in largest) >= sum(column is not None for column in greedy)


# ── calls as text ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "text",
    [
        "[hotel.book(city='Oslo', nights=-2, wishes=['a', ('b',)], open=true, more={'k': None})]",
        'hotel.book(city="Oslo", nights=-2, wishes=["a", ["b"]], open=True, more={"k": null})',
        '```json\n[{"name": "hotel.book", "arguments": {"city": "Oslo", "nights": -2, "wishes": ["a", ["b"]], '
        '"open": true, "more": {"k": null}}}]\n```',
        '{"hotel.book": {"city": "Oslo", "nights": -2, "wishes": ["a", ["b"]], "open": true, '
        '"more": {"k": null}}}',
        '{"name": "hotel.book", "arguments": "{\\"city\\": \\"Oslo\\", \\"nights\\": -2, '
        '\\"wishes\\": [\\"a\\", [\\"b\\"]], \\"open\\": true, \\"more\\": {\\"k\\": null}}"}',
    ],
)
def test_calls_are_read_from_python_and_json(text: str) -> None:
    arguments: dict[str, JSON] = {"city": "Oslo", "nights": -2, "wishes": ["a", ["b"]], "open": True}
    assert read_calls(text) == [FunctionCall("hotel.book", {**arguments, "more": {"k": None}})]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no call",
        "f(1)",
        "f(**{})",
        "f(a=open('x'))",
        "f(a=-'x')",
        "f()()",
        "[1]",
        "(" * 5000,
        "x" * 30_000,
        "f(a={1: 2})",
    ],
)
def test_what_is_no_call_is_not_read(text: str) -> None:
    assert read_calls(text) is None


@pytest.mark.parametrize("deep", ["-", "not ", "[", "(", "{1:", "a.", "f(a=", "lambda:", "1+", "x if y else "])
def test_texts_made_to_break_a_parser_are_no_calls(deep: str) -> None:
    for text in (deep * 6000, f"f(a={deep * 1500}1)", (deep * 300) + "1"):
        assert read_calls(text[:20_000]) is None


def test_an_escape_that_python_does_not_know_is_text() -> None:
    assert read_calls(r"f(a='\d')") == [FunctionCall("f", {"a": r"\d"})]
