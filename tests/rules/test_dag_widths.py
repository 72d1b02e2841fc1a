"""Schedules of W&D, calls in a reply, and the sub-goals of Flash-Searcher."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from ttscale.tools import ToolResult
from ttscale_strategies.dag import Need, Node
from ttscale_strategies.dag.rules.subgoals import Subgoals
from ttscale_strategies.dag.rules.tool_calls import Asked, calls_in_json, calls_in_lines
from ttscale_strategies.dag.rules.widths import ScheduleName, Width, bounds_of, width_at

ITERATIONS = (1, 25, 26, 50, 51, 100)


@pytest.mark.parametrize(
    ("name", "widths"),
    [
        ("constant3", (3, 3, 3, 3, 3, 3)),
        ("descending", (3, 3, 2, 2, 1, 1)),
        ("ascending", (1, 1, 2, 2, 3, 3)),
    ],
)
def test_a_schedule_gives_the_papers_table_and_ends_after_100(
    name: ScheduleName, widths: Sequence[int]
) -> None:
    bounds = bounds_of(name)
    assert [width_at(bounds, iteration) for iteration in ITERATIONS] == [Width(n, n) for n in widths]
    assert width_at(bounds, 101) is None


def test_an_automatic_schedule_leaves_one_to_four_to_the_model() -> None:
    assert str(width_at(bounds_of("automatic"), 7)) == "1 to 4"


@pytest.mark.parametrize("bounds", [(), ((0, 1),), ((3, 1), (3, 2)), ((3, -1),)])
def test_a_schedule_that_does_not_grow_is_refused(bounds: Sequence[tuple[int, int]]) -> None:
    with pytest.raises(ValueError, match="got"):
        bounds_of(bounds)


# ── calls in a reply ──────────────────────────────────────────────────────────────────────────────────────

PARAMETERS = {"search": ("query",), "add": ("a", "b")}


def test_calls_stand_one_a_line_with_talk_between_them() -> None:
    text = (
        'I search (twice):\n- search("A (b)")\n2) add(1, b=2)\nAction: dig("x")\nsearch(plain words)\n'
        "add(1)(\nadd(1, 2, 3)\nFinish(no)\nAction: Finish(x)\nhelp(me)"
    )
    found = calls_in_lines(text, PARAMETERS)
    assert [(one.tool, dict(one.arguments), one.fault is None) for one in found] == [
        ("search", {"query": "A (b)"}, True),
        ("add", {"a": 1, "b": 2}, True),
        ("dig", {}, True),
        ("search", {"query": "plain words"}, True),
        ("add", {"a": 1}, True),
        ("add", {}, False),
    ]


@pytest.mark.parametrize(
    "text",
    [
        '{"name": "add", "arguments": {"a": 1, "b": 2}}',
        'I add:\n<tool_call>{"name": "add", "arguments": "{\\"a\\": 1, \\"b\\": 2}"}</tool_call>',
        '{"tool_calls": [{"id": "c1", "type": "function", "function": '
        '{"name": "add", "arguments": "{\\"a\\": 1, \\"b\\": 2}"}}, 3]}',
        '{"type": "function", "function": {"name": "add", "arguments": {"a": 1, "b": 2}}} {"name": "x"} {"a": ',
    ],
)
def test_calls_are_read_in_every_form_of_openais_json(text: str) -> None:
    assert calls_in_json(text) == [Asked(tool="add", arguments={"a": 1, "b": 2})]


def test_arguments_that_are_no_json_object_are_a_fault() -> None:
    wrong = ('"{1"', '"[1]"', "null")
    text = "\n".join(f'{{"name": "add", "arguments": {arguments}}}' for arguments in wrong)
    assert [one.fault is None for one in calls_in_json(text)] == [False, False, False]


# ── sub-goals ─────────────────────────────────────────────────────────────────────────────────────────────


def goal(id: str, *needs: str, **arguments: str) -> Node:
    return Node(id=id, tool="t", arguments=arguments, needs=tuple(map(Need, needs)))


GOALS = [goal("a"), goal("b"), goal("c", "a", "b"), goal("d")]
FOUND, LOST = ToolResult(value="x"), ToolResult(error="down")


def ids(nodes: Sequence[Node]) -> list[str]:
    return [node.id for node in nodes]


def test_the_papers_steps_with_a_failure_that_is_replaced() -> None:
    goals = Subgoals(GOALS)
    assert ids(goals.executable()) == ["a", "b", "d"]
    for id, result in (("a", FOUND), ("b", LOST), ("d", FOUND)):
        goals.note(id, result)
    assert (ids(goals.executable()), list(goals.pending), list(goals.failed)) == ([], ["b", "c"], ["b"])
    goals.refine([goal("b'"), goal("c'", "a", "b'")])
    assert ids(goals.executable()) == ["b'"]
    goals.note("b'", FOUND)
    assert ids(goals.executable()) == ["c'"]
    goals.note("c'", FOUND)
    assert (list(goals.completed), dict(goals.pending)) == (["a", "d", "b'", "c'"], {})


def test_an_early_call_is_provisional_until_what_should_come_before_it_is_there() -> None:
    goals = Subgoals([*GOALS, goal("e", "c"), goal("f", "a", text="${a}")])
    assert ids(goals.executable(is_aggressive=True)) == ["a", "b", "c", "d", "e"]
    for id in ("c", "e", "b"):
        goals.note(id, FOUND)
    assert (list(goals.provisional), list(goals.completed)) == (["c", "e"], ["b"])
    goals.note("a", FOUND)
    assert (dict(goals.provisional), list(goals.completed)) == ({}, ["b", "a", "c", "e"])
    assert ids(goals.executable(is_aggressive=True)) == ["d", "f"]
