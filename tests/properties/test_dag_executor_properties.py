"""Graphs are carried out in the time they need, and nothing is lost, whatever the graph."""

from __future__ import annotations

import asyncio
import gzip
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.unit.dag_calls import Desk
from ttscale.testing import run_virtual
from ttscale.tools import ToolResult
from ttscale.types import JSON
from ttscale_strategies.dag import Executor, Graph, GraphError, Need, Node
from ttscale_strategies.dag.edits import Change, Edit, Insert, Remove, Rewire, apply_edits
from ttscale_strategies.dag.graph import ENDED, Fires, State, ordered
from ttscale_strategies.dag.graph_json import graph_from_json, graph_to_json
from ttscale_strategies.dag.paths import graham_bound, shape_of

ASYNCHOW = Path(__file__).parents[3] / "shared" / "data" / "benchmarks" / "asynchow_1000.jsonl.gz"


def asynchow() -> Iterator[tuple[list[Node], float]]:
    """Yield everyday plans as graphs, with the least time that their makers give."""
    if not ASYNCHOW.is_file():
        pytest.skip("the plans are not here: ../shared/data/benchmarks/asynchow_1000.jsonl.gz")
    with gzip.open(ASYNCHOW, "rt", encoding="utf-8") as lines:
        for line in lines:
            plan = json.loads(line)
            needs: dict[str, list[str]] = {id: [] for id in plan["durations_seconds_min_max"]}
            for source, target in plan["edges"]:
                if source != "START" and target != "END":
                    needs[target].append(source)
            least = plan["task_time_seconds"][1]  # years, some of them: in thousandths of the whole
            seconds = {id: 1e3 * most / least for id, (_, most) in plan["durations_seconds_min_max"].items()}
            known = {
                id: Node(id=id, tool="t", needs=tuple(map(Need, sources)), seconds=max(seconds[id], 1e-6))
                for id, sources in needs.items()
            }
            yield [known[id] for id in ordered(known)], 1e3


async def makespan(nodes: Sequence[Node], max_workers: int | None) -> float:
    """Return the seconds that a graph took; every call began when the last it needs ended, if it could."""
    loop, desk = asyncio.get_running_loop(), Desk()
    began = loop.time()
    async with Executor(desk, graph=Graph(nodes), max_workers=max_workers) as executor:
        await executor.finish()
    assert max_workers is None or desk.peak_running <= max_workers
    return loop.time() - began


def test_every_plan_of_asynchow_takes_its_critical_path_or_with_m_workers_grahams_bound() -> None:
    plans = list(asynchow())

    async def check() -> None:
        for number, (nodes, least) in enumerate(plans):
            shape = shape_of(nodes)
            assert shape.critical_path_seconds == pytest.approx(least)
            assert await makespan(nodes, None) == pytest.approx(least)
            if number % 4 == 0:
                workers = 1 + number // 4 % 3
                assert await makespan(nodes, workers) <= graham_bound(shape, workers=workers) * (1 + 1e-9)

    run_virtual(check())
    assert len(plans) == 1000


# ── random graphs with failures ───────────────────────────────────────────────────────────────────────────


def random_node(number: int, rng: random.Random) -> Node:
    needs = tuple(
        Need(str(other), rng.choice(("end", "success", "failure")))
        for other in range(number)
        if rng.random() < 0.3
    )
    fires: Fires = rng.choice(("all", "any", "first"))
    return Node(id=str(number), tool="t", needs=needs, fires=fires, seconds=rng.uniform(0.1, 5))


async def carry_out(seed: int) -> Graph:
    """Carry out a random graph that grows meanwhile, of calls that fail, hang and are cancelled."""
    rng = random.Random(seed)

    async def call(node: Node, arguments: Mapping[str, JSON]) -> ToolResult:
        await asyncio.sleep(node.seconds)
        chance = rng.random()
        if chance < 0.1:
            raise ValueError("no luck")
        if chance < 0.15:
            raise asyncio.CancelledError
        if chance < 0.2:
            await asyncio.Event().wait()
        return ToolResult(value=1) if chance < 0.9 else ToolResult(error="down")

    async def editor(graph: Graph, ended: Sequence[str]) -> Sequence[Edit]:
        await asyncio.sleep(rng.random())
        if rng.random() < 0.1:
            raise LookupError("lost the thread")
        extra = [id for id, state in graph.states.items() if state == "pending"]
        return [Rewire(extra[0], ())] if extra and rng.random() < 0.3 else ()

    workers, edits = rng.choice((None, 1, 2, 3)), editor if rng.random() < 0.3 else None
    fast = rng.random() < 0.2
    async with Executor(
        call, max_workers=workers, timeout_seconds=50, fail_fast=fast, editor=edits
    ) as executor:
        for number in range(rng.randint(1, 7)):
            executor.add(random_node(number, rng))
            if rng.random() < 0.3:
                await asyncio.sleep(3 * rng.random())
            if rng.random() < 0.05:
                executor.cancel(str(number))
        return await executor.finish()


def test_no_wake_up_is_lost_in_a_thousand_random_graphs_with_failures() -> None:
    ends = dict.fromkeys(ENDED, 0)

    async def check() -> None:
        for seed in range(1000):  # a lost wake-up would be a Deadlock of the virtual clock
            graph = await carry_out(seed)
            assert graph.is_over
            for state in graph.states.values():
                ends[state] += 1

    run_virtual(check())
    assert min(ends.values()) > 100  # each kind of end was tried


# ── a graph that is edited while it is carried out ────────────────────────────────────────────────────────

IDS = st.sampled_from("abcdefgh")
NEEDS = st.lists(st.builds(Need, IDS, st.sampled_from(("end", "success", "failure"))), max_size=3).map(tuple)
NODES = st.builds(Node, id=IDS, tool=st.just("t"), needs=NEEDS, fires=st.sampled_from(("all", "any", "first")))
EDITS = st.one_of(
    st.builds(Insert, NODES), st.builds(Remove, IDS), st.builds(Change, NODES), st.builds(Rewire, IDS, NEEDS)
)


class EditedGraph(RuleBasedStateMachine):
    """Edits and events in any order keep the invariants, and a refused batch changes nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.graph = Graph()
        self.begun: dict[str, Node] = {}
        self.last: dict[str, State] = {}

    @rule(edits=st.lists(EDITS, max_size=4))
    def edit(self, edits: list[Edit]) -> None:
        before = graph_to_json(self.graph)
        try:
            apply_edits(self.graph, edits)
        except GraphError:
            assert graph_to_json(self.graph) == before

    @rule(node=NODES)
    def add(self, node: Node) -> None:
        missing = [source for source in node.sources if source not in self.graph.nodes]
        is_wrong = node.id in self.graph.nodes or missing or len(set(node.sources)) < len(node.sources)
        if is_wrong:
            with pytest.raises(GraphError):
                self.graph.add(node)
        else:
            self.graph.add(node)

    @precondition(lambda self: self.graph.ready)
    @rule(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        node = data.draw(st.sampled_from(list(self.graph.ready)))
        assert node.id not in self.begun  # I1
        self.begun[node.id] = self.graph.begin(node.id)
        with pytest.raises(GraphError):
            self.graph.begin(node.id)

    @precondition(lambda self: "running" in self.graph.states.values())
    @rule(data=st.data(), error=st.sampled_from((None, "down")))
    def end(self, data: st.DataObject, error: str | None) -> None:
        running = [id for id, state in self.graph.states.items() if state == "running"]
        self.graph.end(data.draw(st.sampled_from(running)), ToolResult(error=error))

    @precondition(lambda self: self.graph.nodes)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        self.graph.cancel(data.draw(st.sampled_from(sorted(self.graph.nodes))))

    @rule()
    def restore(self) -> None:
        again = graph_from_json(json.loads(json.dumps(graph_to_json(self.graph))))
        ended = {id: state for id, state in self.graph.states.items() if state in ENDED}
        assert {id: state for id, state in again.states.items() if state in ENDED} == ended

    @invariant()
    def every_invariant_holds(self) -> None:
        graph = self.graph
        assert len(tuple(ordered(graph.nodes))) == len(graph.nodes)  # I2
        for id, node in self.begun.items():
            assert graph.nodes[id] == node  # I3
        for id, state in self.last.items():
            assert state not in ENDED or graph.states.get(id) == state
        self.last = dict(graph.states)
        assert graph.results.keys() == {id for id, state in graph.states.items() if state in ENDED}
        ready = {node.id for node in graph.ready}
        for id, state in graph.states.items():
            if state == "pending" and id not in ready:
                assert "pending" in graph.edge_states(id).values()  # nobody waits for nothing
        assert graph.is_over == all(state in ENDED for state in graph.states.values())


EditedGraph.TestCase.settings = settings(max_examples=12, stateful_step_count=20, deadline=None)
TestEditedGraph = EditedGraph.TestCase
