"""The graph executor: when calls begin, what becomes of failures, and what may be changed on the way."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence

import pytest

from tests.unit.dag_calls import Desk, call
from ttscale.errors import BudgetExhausted, ConfigError
from ttscale.testing import virtual_clock
from ttscale.tools import ToolResult
from ttscale.types import JSON
from ttscale_strategies.dag import Executor, Graph, GraphError, Need, Node
from ttscale_strategies.dag.edits import Edit, Insert, Remove, Rewire
from ttscale_strategies.dag.graph import Condition
from ttscale_strategies.dag.graph_json import graph_from_json, graph_to_json


async def carried_out(desk: Desk, *nodes: Node, **options: object) -> Graph:
    async with Executor(desk, graph=Graph(nodes), **options) as executor:  # type: ignore[arg-type]
        return await executor.finish()


@virtual_clock
async def test_the_papers_example_begins_at_0_0_2_and_is_done_at_3() -> None:
    desk = Desk({"1": "12", "2": "5"})
    third = call("3", "1", "2", problem="max of $1 and $2", context=["$1", "$2"])
    await carried_out(desk, call("1", seconds=1), call("2", seconds=2), third)
    assert desk.began == {"1": 0, "2": 0, "3": 2}
    assert asyncio.get_running_loop().time() == 3
    assert desk.given["3"] == {"problem": "max of 12 and 5", "context": ["12", "5"]}


@virtual_clock
async def test_results_belong_to_their_calls_whatever_ends_first() -> None:
    nodes = [call(str(number), seconds=9 - number) for number in range(8)]
    graph = await carried_out(Desk(), *nodes, max_workers=3)
    assert {id: result.value for id, result in graph.results.items()} == {id: id for id in graph.nodes}


@virtual_clock
async def test_a_call_begins_when_it_is_added_and_not_when_the_next_one_is() -> None:
    desk = Desk()
    async with Executor(desk) as executor:
        executor.add(call("1", seconds=1))
        await asyncio.sleep(0.25)
        executor.add(call("2", "1", seconds=1))
        await asyncio.sleep(10)  # the planner thinks; nothing waits for its next word
        executor.add(call("3"))
        await executor.finish()
    assert desk.began == {"1": 0, "2": 1, "3": 10.25}


@virtual_clock
async def test_a_failing_call_is_an_observation_for_whoever_needs_it() -> None:
    desk = Desk({"1": ValueError("no luck")})
    graph = await carried_out(desk, call("1"), call("2", "1", text="it said: $1"))
    assert graph.states == {"1": "failed", "2": "done"}
    assert desk.given["2"] == {"text": "it said: Error: tool 1 failed: ValueError: no luck"}


@virtual_clock
async def test_a_hanging_call_ends_at_its_deadline_and_nothing_else_waits_longer() -> None:
    desk = Desk()
    graph = await carried_out(desk, call("1", seconds=1e9), call("2", "1"), timeout_seconds=5.0)
    assert graph.results["1"].error == "tool 1 took longer than 5 s"
    assert desk.began == {"1": 0, "2": 5}


@virtual_clock
async def test_a_call_that_is_cancelled_from_within_is_a_failure_and_not_lost() -> None:
    async def cancels(node: Node, arguments: Mapping[str, JSON]) -> ToolResult:
        raise asyncio.CancelledError

    async with Executor(cancels) as executor:
        executor.add(call("1"))
        graph = await executor.finish()
    assert graph.results["1"].error == "tool 1 was cancelled from within"


@virtual_clock
async def test_the_first_failure_cancels_all_else_if_it_is_asked_for() -> None:
    desk = Desk({"1": ValueError("no luck")})
    nodes = (call("1"), call("2", seconds=9), call("3", "2"), call("4", "1"))
    graph = await carried_out(desk, *nodes, fail_fast=True)
    assert graph.states == {"1": "failed", "2": "cancelled", "3": "cancelled", "4": "cancelled"}
    assert asyncio.get_running_loop().time() == 1


@virtual_clock
async def test_a_cancelled_call_takes_what_only_it_leads_to_with_it() -> None:
    desk = Desk()
    async with Executor(desk) as executor:
        for node in (call("1", seconds=9), call("2", "1"), call("3")):
            executor.add(node)
        executor.cancel("1")  # it has not had its first turn
        executor.cancel("3")
        graph = await executor.finish()
    assert graph.states == {"1": "cancelled", "2": "skipped", "3": "cancelled"}
    assert desk.began == {}


@virtual_clock
async def test_leaving_early_stops_what_runs_leaves_no_task_and_can_be_gone_on_with() -> None:
    desk = Desk()
    async with Executor(desk) as executor:
        for node in (call("0", seconds=0.5), call("1", seconds=9), call("2", "1")):
            executor.add(node)
        await asyncio.sleep(1)
    assert executor.graph.states == {"0": "done", "1": "pending", "2": "pending"}
    assert (desk.num_running, executor.num_running, len(asyncio.all_tasks())) == (0, 0, 1)
    again = Desk()
    async with Executor(again, graph=executor.graph) as executor:
        await executor.finish()
    assert list(again.began) == ["1", "2"]


@virtual_clock
async def test_an_exception_of_the_block_comes_out_as_it_is() -> None:
    async def fail() -> None:
        async with Executor(Desk()) as executor:
            executor.add(call("1", seconds=9))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()


@virtual_clock
async def test_with_few_workers_the_longest_path_goes_first() -> None:
    desk = Desk()
    short, long, rest = call("short"), call("long"), call("rest", "long", seconds=5)
    await carried_out(desk, call("0"), short, long, rest, max_workers=1)
    assert list(desk.began) == ["long", "rest", "0", "short"]
    assert desk.peak_running == 1


@virtual_clock
async def test_a_spent_budget_lets_what_runs_end_and_begins_nothing_more() -> None:
    desk = Desk()

    async def poor(node: Node, arguments: Mapping[str, JSON]) -> ToolResult:
        if node.id == "2":
            raise BudgetExhausted("tool_calls", 1, 1, 0, "run")
        return await desk(node, arguments)

    async with Executor(poor) as executor:
        for node in (call("1", seconds=4), call("2"), call("3", "1")):
            executor.add(node)
        with pytest.raises(BudgetExhausted):
            await executor.finish()
    assert executor.graph.states == {"1": "done", "2": "cancelled", "3": "cancelled"}


@virtual_clock
async def test_a_tool_that_is_not_set_up_is_told_to_whoever_runs_it() -> None:
    desk = Desk({"1": ConfigError("no key")})
    with pytest.raises(ConfigError, match="no key"):
        await carried_out(desk, call("1"), call("2", "1"))


@virtual_clock
async def test_one_may_wait_for_a_single_call() -> None:
    async with Executor(Desk()) as executor:
        executor.add(call("1", seconds=1))
        executor.add(call("2", seconds=9))
        assert (await executor.result("1")).value == "1"
        assert asyncio.get_running_loop().time() == 1
        with pytest.raises(GraphError):
            await executor.result("3")


# ── dead paths (StepFly) ──────────────────────────────────────────────────────────────────────────────────


def diamond(left: str, right: str) -> list[Node]:
    """A check with two branches, a join of whatever branch is alive, and an end by another path."""
    yes, no = Condition("equals", left), Condition("equals", right)
    return [
        Node(id="check", tool="t"),
        Node(id="left", tool="t", needs=(Need("check", "success", yes),)),
        Node(id="right", tool="t", needs=(Need("check", "success", no),)),
        Node(id="join", tool="t", needs=(Need("left", "success"), Need("right", "success")), fires="any"),
        Node(id="other", tool="t", seconds=5),
        Node(id="end", tool="t", needs=(Need("join"), Need("other")), fires="first"),
    ]


@virtual_clock
async def test_a_join_fires_once_by_the_branch_that_is_alive() -> None:
    desk = Desk()
    graph = await carried_out(desk, *diamond("check", "never"))
    assert graph.states["right"] == "skipped"
    assert desk.began == {"check": 0, "other": 0, "left": 1, "join": 2, "end": 3}


@virtual_clock
async def test_with_both_branches_dead_the_join_is_skipped_and_the_end_comes_by_another_path() -> None:
    desk = Desk()
    graph = await carried_out(desk, *diamond("never", "neither"))
    assert [graph.states[id] for id in ("left", "right", "join", "end")] == ["skipped"] * 3 + ["done"]
    assert graph.results["join"].error == "not called: call left is skipped; call right is skipped"
    assert desk.began == {"check": 0, "other": 0, "end": 5}


@virtual_clock
async def test_a_failed_branch_dies_and_a_branch_for_failures_lives() -> None:
    desk = Desk({"check": ValueError("down")})
    mend = Node(id="mend", tool="t", needs=(Need("check", "failure"),))
    graph = await carried_out(desk, *diamond("check", "never"), mend)
    assert [graph.states[id] for id in ("left", "right", "join", "mend")] == ["skipped"] * 3 + ["done"]


# ── changes on the way (UFO³) ─────────────────────────────────────────────────────────────────────────────


class Editor:
    """Answers with edits, after some time, and remembers what it was told."""

    def __init__(self, *answers: Sequence[Edit], seconds: float = 1.0) -> None:
        self.answers = list(answers)
        self.seconds = seconds
        self.told = list[tuple[str, ...]]()

    async def __call__(self, graph: Graph, ended: Sequence[str]) -> Sequence[Edit]:
        self.told.append(tuple(ended))
        await asyncio.sleep(self.seconds)
        return self.answers.pop(0) if self.answers else ()


@virtual_clock
async def test_two_ends_in_one_turn_are_one_question_to_the_editor() -> None:
    desk, editor = Desk(), Editor()
    await carried_out(desk, call("a"), call("b"), call("c", "a", "b"), editor=editor)
    assert editor.told == [("a", "b"), ("c",)]
    assert desk.began["c"] == 2  # the editor thought for a second, and nothing began


@virtual_clock
async def test_what_runs_cannot_be_removed_and_a_circle_is_refused_with_all_that_came_with_it() -> None:
    nodes = (call("quick"), call("A", seconds=9), call("B", "A"), call("C", "B"))
    batches: list[Sequence[Edit]] = [
        (Insert(call("D")), Remove("A")),
        (Insert(call("E", "quick")), Rewire("B", (Need("C"),))),
    ]
    refused = list[str]()
    for batch in batches:
        desk = Desk()
        async with Executor(desk, graph=Graph(nodes), editor=Editor(batch)) as executor:
            graph = await executor.finish()
        assert set(graph.nodes) == {"quick", "A", "B", "C"}
        assert len(executor.refused) == 1
        refused += executor.refused
    assert "circle" in refused[-1]


@virtual_clock
async def test_what_ends_while_the_editor_thinks_is_merged_and_looked_at_next() -> None:
    desk = Desk({"a": ValueError("down")})
    editor = Editor([Insert(call("again", "b", text="${b}")), Rewire("c", (Need("again"),))], seconds=3)
    graph = await carried_out(desk, call("a"), call("b", seconds=2), call("c", "b"), editor=editor)
    assert editor.told == [("a",), ("b",), ("again",), ("c",)]
    assert desk.given["again"] == {"text": "b"}
    assert [graph.states[id] for id in ("a", "b", "again", "c")] == ["failed", "done", "done", "done"]


@virtual_clock
async def test_a_dead_editor_freezes_nothing() -> None:
    desk = Desk()
    options = {"editor": Editor(seconds=1e9), "editor_timeout_seconds": 10.0}
    async with Executor(desk, graph=Graph([call("a"), call("b", "a")]), **options) as executor:  # type: ignore[arg-type]
        await executor.finish()
    assert desk.began == {"a": 0, "b": 11}
    assert executor.refused == ["It took longer than 10 s."] * 2


# ── going on after a kill ─────────────────────────────────────────────────────────────────────────────────


@virtual_clock
async def test_a_graph_goes_on_from_its_json_and_makes_no_finished_call_again() -> None:
    nodes = [call("1"), call("2", seconds=9), call("3", "1", text="$1!"), call("4", "3", "2", text="${3}")]
    stored = list[str]()
    desk = Desk({"1": {"deep": ["é", None, 1.5]}})
    async with Executor(
        desk, graph=Graph(nodes), on_end=lambda graph, id: stored.append(json.dumps(graph_to_json(graph)))
    ):
        await asyncio.sleep(2.5)  # killed while 2 runs
    again = Desk()
    graph = graph_from_json(json.loads(stored[1]))
    async with Executor(again, graph=graph) as executor:
        await executor.finish()
    assert set(again.began) == {"2", "4"}
    assert again.given["4"] == {"text": "3"}
    assert graph.results["1"].value == {"deep": ["é", None, 1.5]}


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        [],
        {"nodes": [], "states": {"1": "done"}, "results": {}},
        {"nodes": [{"id": "1", "tool": "t"}], "states": {"1": "done"}, "results": {}},
        {"nodes": [{"id": "1", "tool": "t"}], "states": {"1": "done"}, "results": {"1": {"error": "x"}}},
        {
            "nodes": [{"id": "1", "tool": "t", "needs": [{"source": "1"}]}],
            "states": {"1": "pending"},
            "results": {},
        },
    ],
)
def test_what_is_no_stored_graph_is_refused(wrong: JSON) -> None:
    with pytest.raises(GraphError):
        graph_from_json(wrong)


@pytest.mark.parametrize(
    "option", [{"max_workers": 0}, {"timeout_seconds": 0.0}, {"editor_timeout_seconds": -1.0}]
)
def test_numbers_out_of_range_are_refused(option: Mapping[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(option))):
        Executor(Desk(), **option)  # type: ignore[arg-type]
