"""Plans as text: what is read, what is refused, and where reading stops."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ttscale.tools import FunctionTool
from ttscale_strategies.dag.plan_text import PlanLimits, PlanParser, parse_plan

CORPUS: list[Mapping[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "data" / "dag_plans.json").read_text(encoding="utf-8")
)


def search(query: str) -> str:
    return query


def math(problem: str, context: list[str]) -> str:
    return problem


def add(a: int, b: int) -> int:
    return a + b


def subtract(a: int, b: int) -> int:
    return a - b


def now() -> str:
    return ""


TOOLS = [FunctionTool(function=function) for function in (search, math, add, subtract, now)]


def read(parser: PlanParser) -> Mapping[str, Any]:
    """Return what was read in the form of the corpus."""
    calls = [
        {"id": node.id, "tool": node.tool, "arguments": node.arguments, "needs": list(node.sources)}
        for node in parser.calls
    ]
    faults = [[found.fault, found.line] for found in parser.diagnostics]
    return {"calls": calls, "faults": faults, "is_joined": parser.is_joined}


def test_the_corpus_has_twelve_plans_that_are_well_formed_and_twenty_that_are_not() -> None:
    assert [sum(bool(plan["faults"]) == wrong for plan in CORPUS) for wrong in (False, True)] == [12, 20]


@pytest.mark.parametrize("plan", CORPUS, ids=[plan["name"] for plan in CORPUS])
def test_a_plan_of_the_corpus_is_read_or_refused_as_it_says(plan: Mapping[str, Any]) -> None:
    expected = {name: plan[name] for name in ("calls", "faults", "is_joined")}
    assert read(parse_plan(plan["text"], TOOLS)) == expected


def test_a_call_is_there_as_soon_as_its_line_has_ended() -> None:
    parser = PlanParser(TOOLS)
    assert not parser.feed('1. search("A')
    assert not parser.feed('")')
    assert [node.id for node in parser.feed("\n2. se")] == ["1"]
    assert [node.id for node in parser.feed('arch("B")\n3. join()')] == ["2"]
    assert not parser.is_over
    parser.close()
    assert parser.is_joined


def test_thoughts_belong_to_the_next_call() -> None:
    parser = parse_plan("Thought: a\nthought:b\n1. now()\n2. now()\nThought: the end\n3. join()", TOOLS)
    assert [node.thought for node in parser.calls] == ["a\nb", ""]
    assert parser.thought == "the end"


def test_a_call_may_only_come_after_others() -> None:
    parser = parse_plan(
        '1. now()\n2. now()\n3. search("A $1") after 1, $2 # x\n4. now() after 9\n5. join()', TOOLS
    )
    assert parser.calls[2].sources == ("1", "2")
    assert [(found.fault, found.id) for found in parser.diagnostics] == [("forward_reference", "4")]


def test_a_further_plan_goes_on_with_the_numbers_and_refers_to_earlier_results() -> None:
    parser = PlanParser(TOOLS, earlier=["1", "3"], above=4)
    parser.feed("3. now()\n4. now()\n5. add($3, 1)\n6. add($2, 1)\n7. join()\n")
    assert [(node.id, node.sources) for node in parser.calls] == [("5", ("3",))]
    assert [found.fault for found in parser.diagnostics] == [
        "duplicate_id",
        "id_out_of_order",
        "unknown_reference",
    ]


LIMITS = PlanLimits(max_calls=3, max_faults=4, max_line_characters=60, max_characters=200)


@pytest.mark.parametrize(
    ("endless", "num_calls", "fault"),
    [
        ((f"{number}. now()\n" for number in range(1, 10**9)), 3, "too_many_calls"),
        (("and so on\n" for _ in range(10**9)), 0, "too_many_faults"),
        (("Thought: hm\n" for _ in range(10**9)), 0, "too_long"),
        (("1. search(" + "x" * 30 for _ in range(10**9)), 0, "too_long"),
        (("\n" for _ in range(10**9)), 0, "too_long"),
    ],
)
def test_a_planner_that_never_stops_is_stopped(endless: Any, num_calls: int, fault: str) -> None:
    parser = PlanParser(TOOLS, limits=LIMITS)
    for piece in endless:
        parser.feed(piece)
        if parser.is_over:
            break
    assert (len(parser.calls), parser.diagnostics[-1].fault) == (num_calls, fault)
    assert not parser.close()
    assert parser.diagnostics[-1].fault == fault


def test_a_line_that_is_too_long_is_refused_and_the_next_one_is_read() -> None:
    parser = PlanParser(TOOLS, limits=LIMITS)
    parser.feed(f'1. search("{"x" * 60}")\n2. now()\n3. join()')
    parser.close()
    assert ([node.id for node in parser.calls], parser.is_joined) == (["2"], True)
    assert [(found.fault, found.line) for found in parser.diagnostics] == [("line_too_long", 1)]


@pytest.mark.parametrize(
    "text", ["1. now" + "(" * 7_000 + ")" * 900, "1. now()" + " )#a" * 1_900, "thought" + " " * 7_900]
)
def test_a_hostile_line_takes_no_time(text: str) -> None:
    assert parse_plan(f"{text}\n2. join()", TOOLS).is_joined
