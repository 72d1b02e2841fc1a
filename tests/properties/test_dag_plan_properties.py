"""Plans are read alike however they come in, and nothing in a result is ever read."""

from __future__ import annotations

import json
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from ttscale.tools import FunctionTool, ToolResult
from ttscale_strategies.dag.joining import parse_verdict
from ttscale_strategies.dag.literals import parse_arguments
from ttscale_strategies.dag.plan_text import PlanLimits, PlanParser
from ttscale_strategies.dag.references import references_in, substituted
from ttscale_strategies.dag.rules.tool_calls import calls_in_json, calls_in_lines

CORPUS = [
    plan["text"]
    for plan in json.loads((Path(__file__).parents[1] / "data" / "dag_plans.json").read_text(encoding="utf-8"))
]


def search(query: str) -> str:
    return query


def add(a: int, b: int) -> int:
    return a + b


TOOLS = [FunctionTool(function=search), FunctionTool(function=add)]
LIMITS = PlanLimits(max_calls=4, max_faults=5, max_line_characters=40, max_characters=150)
PIECES = st.sampled_from(
    [
        "1. ",
        "2. ",
        "3. ",
        "4. ",
        "9. ",
        "add(",
        "search(",
        "join(",
        ")",
        "$1",
        "${2}",
        "$9 ",
        '"',
        ", ",
        "7",
        "\n",
        "\n",
        "Thought: ",
        "<END_OF_PLAN>",
        " after 1",
        "# x",
        "[",
        "]",
        "é",
        "x" * 50,
    ]
)
TEXTS = st.one_of(st.sampled_from(CORPUS), st.lists(PIECES, max_size=60).map("".join))


def read(text: str, cuts: list[int], limits: PlanLimits) -> object:
    """Read a text cut into pieces, and return all that came of it."""
    parser = PlanParser(TOOLS, limits=limits)
    ends = sorted({cut % (len(text) + 1) for cut in cuts} | {0, len(text)})
    for begin, end in pairwise(ends):
        parser.feed(text[begin:end])
    parser.close()
    return parser.calls, parser.diagnostics, parser.is_joined, parser.thought


@settings(max_examples=60, deadline=None)
@given(
    text=TEXTS,
    cuts=st.lists(st.integers(0, 10**4), max_size=12),
    limits=st.sampled_from([LIMITS, PlanLimits()]),
)
@example(text=CORPUS[0], cuts=list(range(200)), limits=LIMITS)
def test_a_plan_is_read_alike_however_it_is_cut(text: str, cuts: list[int], limits: PlanLimits) -> None:
    assert read(text, cuts, limits) == read(text, [], limits)


@settings(max_examples=60, deadline=None)
@given(text=TEXTS)
def test_every_call_needs_earlier_ones_only_and_every_line_is_accounted_for(text: str) -> None:
    parser = PlanParser(TOOLS, limits=LIMITS)
    parser.feed(text)
    parser.close()
    known = set[str]()
    for node in parser.calls:
        assert set(node.sources) <= known
        assert {found.id for found in references_in(node.arguments)} & known <= set(node.sources)
        known.add(node.id)
    lines = [line for line in text.split("\n") if line.strip()]
    if lines and not parser.calls and not parser.is_joined and not parser.thought:
        assert parser.diagnostics


@settings(max_examples=60, deadline=None)
@given(
    result=st.text(st.sampled_from("$12{} x"), max_size=20), around=st.text(st.sampled_from("ab ,"), max_size=5)
)
def test_a_result_comes_through_as_it_is(result: str, around: str) -> None:
    results = {"1": ToolResult(value=result), "2": ToolResult(value="wrong")}
    assert substituted(f"{around} ${{1}} {around}", results) == f"{around} {result} {around}"


@settings(max_examples=60, deadline=None)
@given(text=st.one_of(st.text(max_size=60), st.lists(PIECES, max_size=30).map("".join)))
def test_no_text_breaks_a_reader(text: str) -> None:
    parse_verdict(f"Action: Finish({text}")
    calls_in_lines(text, {"add": ("a", "b"), "search": ("query",)})
    calls_in_json(text)
    with suppress(ValueError):
        parse_arguments(text)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats(-1e9, 1e9) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(value=VALUES)
def test_what_json_writes_is_read_back(value: object) -> None:
    assert parse_arguments(json.dumps(value)).positional == (value,)
    assert parse_arguments(f"k={json.dumps(value, ensure_ascii=False)}").keywords == (("k", value),)
