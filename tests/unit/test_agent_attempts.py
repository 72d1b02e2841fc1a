"""Attempts at problems with tools: fresh worlds, grades of what was done, searches, tools that take time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import pytest

from ttscale.errors import DataError, ParameterError
from ttscale.testing import virtual_clock
from ttscale.tools import Toolbox, ToolResult
from ttscale.types import JSON, Problem
from ttscale.workers import Workers
from ttscale_evals.benchmarks import Benchmark, Grade, create_benchmark
from ttscale_evals.benchmarks.base import Attempt, attempt_at

DATA = Path(__file__).parents[1] / "data" / "agents"
TAU2 = f"tau2_mock:path={DATA / 'tau2_mock'}"
BFCL = f"bfcl_parallel:path={DATA / 'bfcl_parallel.json'},answers_path={DATA / 'bfcl_parallel_answers.json'}"


def begun(spec: str, place: int = 0) -> tuple[Benchmark, Problem, Attempt]:
    benchmark = create_benchmark(spec)
    problem = list(benchmark.problems())[place]
    return benchmark, problem, attempt_at(benchmark, problem)


async def used(attempt: Attempt, name: str, /, **arguments: JSON) -> ToolResult:
    return await Toolbox(attempt.tools)[name].call(arguments)


async def ended(attempt: Attempt, answer: str | None) -> Grade:
    assert attempt.grade is not None
    return await attempt.grade(answer, Workers())


# ── τ²-bench, mock domain ─────────────────────────────────────────────────────────────────────────────────


async def test_the_reward_is_that_the_database_is_right_and_the_user_was_told() -> None:
    _, _, attempt = begun(TAU2)
    created = await used(attempt, "create_task", user_id="user_1", title="Sweep")
    assert created.value == {"task_id": "task_2", "title": "Sweep", "description": None, "status": "pending"}
    assert (await ended(attempt, "\\boxed{1,000 times DONE!}")).measures == {"db": 1.0, "communicate": 1.0}
    told_nothing = await ended(attempt, "Created.")
    assert (told_nothing.correct, told_nothing.measures) == (False, {"db": 1.0, "communicate": 0.0})
    assert not (await ended(attempt, None)).correct


async def test_another_end_of_the_database_is_wrong_and_a_refused_call_changes_nothing() -> None:
    _, _, attempt = begun(TAU2)
    refused = await used(attempt, "create_task", user_id="nobody", title="Sweep")
    assert refused.error is not None
    assert "there is no user 'nobody'" in refused.error
    assert (await ended(attempt, "1000 times done")).measures["db"] == 0.0
    await used(attempt, "create_task", user_id="user_1", title="Sweep", description="well")
    assert (await ended(attempt, "1000 times done")).measures["db"] == 0.0


async def test_each_attempt_has_a_world_of_its_own() -> None:
    benchmark, problem, first = begun(TAU2)
    await used(first, "create_task", user_id="user_1", title="Sweep")
    second = attempt_at(benchmark, problem)
    assert (await used(second, "get_users")).value == [
        {"user_id": "user_1", "name": "Ann", "tasks": ["task_1"]}
    ]
    assert (await ended(first, "1000 times done")).correct
    assert not (await ended(second, "1000 times done")).correct
    assert not (await benchmark.grade(problem, "1000 times done", Workers())).correct


async def test_what_was_done_before_is_in_the_world_and_in_the_prompt() -> None:
    _, problem, attempt = begun(TAU2, place=1)
    assert 'assistant: create_task({"user_id": "user_1", "title": "Sweep"})' in problem.prompt.question
    assert "1. A task has a title." in problem.prompt.question
    assert "Now you want the last task completed." in problem.prompt.question
    assert not (await ended(attempt, "")).correct
    await used(attempt, "update_task_status", task_id="task_2", status="completed")
    assert (await ended(attempt, "")).correct


async def test_actions_and_assertions_are_part_of_the_product() -> None:
    _, _, attempt = begun(TAU2, place=2)
    assert (await used(attempt, "get_users")).value == [{"user_id": "user_1", "name": "Ann", "tasks": []}]
    await used(attempt, "dismiss_notification", notification_id="n")
    half = await ended(attempt, "Done.")
    assert (half.correct, half.measures) == (False, {"db": 1.0, "action": 0.0, "env_assertion": 1.0})
    await used(attempt, "transfer_to_human_agents", summary="anything")
    assert (await ended(attempt, "Done.")).correct


async def test_wrong_arguments_are_an_observation() -> None:
    _, _, attempt = begun(TAU2)
    for name, arguments in (
        ("update_task_status", {"task_id": "task_1", "status": "lost"}),
        ("get_users", {"x": 1}),
    ):
        result = await used(attempt, name, **arguments)
        assert result.error is not None


def test_tasks_that_only_a_judge_could_grade_are_left_out_unless_wanted() -> None:
    assert [problem.id for problem in create_benchmark(TAU2).problems()] == ["create", "history", "data"]
    assert len(list(create_benchmark(f"{TAU2},has_ungraded=true").problems())) == 4


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (
            {"name": "delete_everything", "arguments": {}},
            "item 1 of .*there is no function 'delete_everything'",
        ),
        (
            {"name": "create_task", "arguments": {"user_id": "nobody", "title": "x"}},
            "there is no user 'nobody'",
        ),
        ({"name": "create_task", "arguments": {"title": 3}}, "wrong arguments"),
        ({"name": "create_task"}, "'evaluation_criteria.actions.0.arguments' is missing"),
    ],
)
def test_a_task_that_cannot_be_carried_out_is_refused(
    action: Mapping[str, JSON], message: str, tmp_path: Path
) -> None:
    for name in ("db.json", "user_db.json", "policy.md"):
        (tmp_path / name).write_bytes((DATA / "tau2_mock" / name).read_bytes())
    task = {"id": "t", "user_scenario": {"instructions": "?"}, "evaluation_criteria": {"actions": [action]}}
    (tmp_path / "tasks.json").write_text(json.dumps([task]), encoding="utf-8")
    with pytest.raises(DataError, match=message):
        list(create_benchmark(f"tau2_mock:path={tmp_path}").problems())
    (tmp_path / "db.json").write_text("{\n]", encoding="utf-8")
    with pytest.raises(DataError, match=r"line 2 of '.*db\.json' is not JSON|is missing"):
        list(create_benchmark(f"tau2_mock:path={tmp_path}").problems())


# ── BFCL ──────────────────────────────────────────────────────────────────────────────────────────────────


async def test_calls_that_were_made_are_graded_and_else_those_in_the_answer() -> None:
    _, _, attempt = begun(BFCL)
    written = "[hotel.book(city='Oslo', nights=2), hotel.book(city='bergen', nights=3)]"
    assert (await ended(attempt, written)).correct
    await used(attempt, "hotel_book", city="Bergen", nights=3, price=100)
    assert not (await ended(attempt, written)).correct  # what was done counts, not what is said
    await used(attempt, "hotel_book", city="Oslo", nights=2)
    assert (await ended(attempt, None)).correct
    await used(attempt, "hotel_book", city="Oslo", nights=2)
    assert not (await ended(attempt, None)).correct


async def test_a_function_refuses_wrong_names_and_is_described_as_json_schema() -> None:
    _, _, attempt = begun(BFCL)
    (tool,) = attempt.tools
    assert tool.parameters["type"] == "object"
    properties = cast("Mapping[str, Mapping[str, JSON]]", tool.parameters["properties"])
    assert properties["price"]["type"] == "number"
    assert properties["wishes"]["items"] == {"type": "string"}
    assert (await used(attempt, "hotel_book", city="Oslo")).error == "hotel_book needs the argument 'nights'"
    assert "has no argument 'stars'" in str(
        (await used(attempt, "hotel_book", city="a", nights=1, stars=5)).error
    )
    assert not (await ended(attempt, None)).correct


# ── searches ──────────────────────────────────────────────────────────────────────────────────────────────


async def test_fanoutqa_searches_the_gold_facts_of_the_file() -> None:
    _, _, attempt = begun(f"fanoutqa:path={DATA / 'fanoutqa.json'},hits=1")
    found = await used(attempt, "search", query="height of Alder Tower")
    assert found.value == [{"title": "Alder Tower", "text": "What is the height of Alder Tower? 1200"}]
    assert begun(f"fanoutqa:path={DATA / 'fanoutqa.json'},has_search=false")[2].tools == ()


async def test_a_corpus_of_the_users_own_brings_search_and_read(tmp_path: Path) -> None:
    corpus = tmp_path / "texts.jsonl"
    corpus.write_text(
        json.dumps({"title": "Lake Mere", "text": "Lake Mere is 80 m deep."}) + "\n", encoding="utf-8"
    )
    path = DATA / "parallelqa.json"
    assert [tool.name for tool in begun(f"parallelqa:path={path}")[2].tools] == ["calculator"]
    _, _, attempt = begun(f"parallelqa:path={path},corpus_path={corpus}")
    assert [tool.name for tool in attempt.tools] == ["search", "read", "calculator"]
    assert (await used(attempt, "read", title="lake mere")).value == "Lake Mere is 80 m deep."


# ── the invented atlas, and sums ──────────────────────────────────────────────────────────────────────────


async def test_the_atlas_holds_every_fact_that_its_questions_need() -> None:
    benchmark = create_benchmark("atlas:size=20,hits=1")
    for problem in benchmark.problems():
        tools = Toolbox(attempt_at(benchmark, problem).tools)
        names = problem.meta["places"]
        assert isinstance(names, list)
        assert problem.meta["branch"] == len(names)
        for name in names:
            (entry,) = json.loads((await tools["search"].call({"query": str(name)})).text)
            assert entry["title"] == name
        assert (await benchmark.grade(problem, problem.target, Workers())).correct
        assert not (await benchmark.grade(problem, "Nowhere", Workers())).correct


def test_the_atlas_is_the_same_for_the_same_seed() -> None:
    first, again = (list(create_benchmark("atlas:size=5,seed=3").problems()) for _ in range(2))
    assert first == again
    assert first != list(create_benchmark("atlas:size=5,seed=4").problems())
    with pytest.raises(ParameterError, match="min_branches and max_branches"):
        create_benchmark("atlas:min_branches=6")


def test_sums_have_the_taught_plan_as_a_graph() -> None:
    problem = next(iter(create_benchmark("leg_counting_tools:size=3,tool_seconds=2.0").problems()))
    plan, graph = str(problem.meta["plan"]), problem.meta["graph"]
    assert isinstance(graph, Mapping)
    durations = cast("Mapping[str, float]", graph["durations"])
    assert len(durations) == plan.count("\n")
    assert set(durations.values()) == {2.0}
    assert "multiply(" in plan


@virtual_clock
async def test_slow_tools_take_their_time_and_the_same_call_the_same() -> None:
    _, _, attempt = begun("chain_sum_tools:size=1,tool_seconds=0.5,tool_spread=0.3")
    loop, durations = asyncio.get_running_loop(), list[float]()
    for left in (1, 1, 2):
        began = loop.time()
        assert (await used(attempt, "add", left=left, right=2)).value == left + 2
        durations.append(loop.time() - began)
    assert durations[0] == pytest.approx(durations[1])
    assert durations[0] != pytest.approx(durations[2])
    assert all(0.1 < seconds < 2.5 for seconds in durations)
    with pytest.raises(ParameterError, match="tool_seconds must be >= 0"):
        create_benchmark("chain_sum_tools:tool_seconds=-1.0")
