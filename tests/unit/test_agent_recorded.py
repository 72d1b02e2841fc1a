"""The published files of the agent benchmarks: counts, gold answers, graphs; skipped where they are absent."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import pytest

from ttscale.types import JSON, Problem
from ttscale.workers import Workers
from ttscale_evals.benchmarks import Benchmark, create_benchmark
from ttscale_evals.benchmarks.base import attempt_at
from ttscale_evals.metrics.function_calls import FunctionCall
from ttscale_evals.metrics.graphs import TaskGraph
from ttscale_evals.metrics.texts import answer_strings

FOLDER = Path(__file__).parents[3] / "shared" / "data" / "benchmarks"


def read(name: str, file: str, more: str = "", *, limit: int | None = None) -> tuple[Benchmark, list[Problem]]:
    if not (FOLDER / file).exists():
        pytest.skip(f"the published file is not here: ../shared/data/benchmarks/{file}")
    benchmark = create_benchmark(f"{name}:path={FOLDER / file}{more}")
    return benchmark, list(benchmark.problems(limit=limit))


async def num_right(benchmark: Benchmark, problems: list[Problem]) -> int:
    workers = Workers()
    return sum([(await benchmark.grade(problem, problem.target, workers)).correct for problem in problems])


@pytest.mark.parametrize(
    ("name", "file", "count"),
    [
        ("hotpotqa_comparison", "hotpotqa_comparison.json", 1487),
        ("movie_recommendation", "movie_recommendation.json", 500),
        ("parallelqa", "parallelqa.json", 113),
    ],
)
async def test_every_gold_answer_is_right(name: str, file: str, count: int) -> None:
    benchmark, problems = read(name, file)
    assert (len(problems), await num_right(benchmark, problems)) == (count, count)


def test_parallelqa_has_its_branches() -> None:
    _, problems = read("parallelqa", "parallelqa.json")
    assert Counter(problem.meta["branch"] for problem in problems) == {2: 21, 3: 31, 4: 31, 5: 30}


def test_the_game_of_24_has_the_hundred_hard_puzzles_of_the_paper() -> None:
    _, problems = read("game24", "game24.csv", ",first_rank=901,last_rank=1000")
    assert len(problems) == 100
    assert problems[0].meta["rank"] == 901


async def test_fanoutqa_counts_as_published() -> None:
    benchmark, problems = read("fanoutqa", "fanoutqa_dev.json")
    shapes = [TaskGraph.from_json(cast("Mapping[str, JSON]", p.meta["graph"])).shape for p in problems]
    assert len(problems) == 310
    assert sum(shape.seconds for shape in shapes) / 310 == pytest.approx(7.2, abs=0.05)
    assert max(shape.seconds for shape in shapes) == 46
    assert sum(shape.max_width for shape in shapes) / 310 == pytest.approx(6.0, abs=0.05)
    assert max(shape.max_width for shape in shapes) == 45
    assert sum(shape.parallelism for shape in shapes) / 310 == pytest.approx(3.71, abs=0.005)
    for problem in problems[:20]:
        told = " ".join(answer_strings(json.loads(problem.target or "")))
        assert (await benchmark.grade(problem, told, Workers())).correct
    (search,) = attempt_at(benchmark, problems[0]).tools
    found = json.loads((await search.call({"query": "batting hand of JD Drew"})).text)
    assert found[0] == {"title": "J. D. Drew", "text": "What is the batting hand of JD Drew? Left"}


async def test_asynchows_gold_times_are_its_longest_paths() -> None:
    benchmark, problems = read("asynchow", "asynchow_1000.jsonl.gz", limit=300)
    for problem in problems:
        graph = TaskGraph.from_json(cast("Mapping[str, JSON]", problem.meta["graph"]))
        longest = cast("list[float]", problem.meta["seconds"])[1]
        assert graph.shape.critical_path_seconds == pytest.approx(longest)
    assert await num_right(benchmark, problems) == len(problems)


@pytest.mark.parametrize(("matching", "missed"), [("maximum", []), ("greedy", ["parallel_178"])])
async def test_bfcls_accepted_values_are_right_in_either_order_unless_matched_greedily(
    matching: str, missed: list[str]
) -> None:
    answers = FOLDER / "bfcl_v4_parallel_answers.json"
    more = f",answers_path={answers},matching={matching}"
    benchmark, problems = read("bfcl_parallel", "bfcl_v4_parallel.json", more)
    assert len(problems) == 200
    wrong = list[str]()
    for problem in problems:
        wanted = cast("list[dict[str, dict[str, list[JSON]]]]", problem.meta["wanted"])
        functions = cast("list[dict[str, dict[str, list[str]]]]", problem.meta["functions"])
        calls = [_first(one, functions[0]["parameters"]["required"]) for one in wanted]
        for given in (calls, calls[::-1]):
            text = json.dumps([{"name": call.name, "arguments": call.arguments} for call in given])
            if not (await benchmark.grade(problem, text, Workers())).correct:
                wrong.append(problem.id)
        assert not (await benchmark.grade(problem, json.dumps([{calls[0].name: {}}]), Workers())).correct
    assert wrong == missed  # its first wanted call takes either company, and greedily the only one of another


def _first(wanted: dict[str, dict[str, list[JSON]]], required: list[str]) -> FunctionCall:
    """Return the call with the first accepted value of every argument that may not be left out."""
    ((name, arguments),) = wanted.items()
    needed = {key: values[0] for key, values in arguments.items() if "" not in values or key in required}
    return FunctionCall(name, {key: _plain(value) for key, value in needed.items()})


def _plain(value: JSON) -> JSON:
    """Return an object of accepted values with the first of each."""
    if not isinstance(value, Mapping):
        return value
    return {
        key: values[0] for key, values in cast("Mapping[str, list[JSON]]", value).items() if "" not in values
    }


async def test_tau2s_gold_actions_earn_the_reward() -> None:
    benchmark, problems = read("tau2_mock", "tau2_mock")
    right = list[str]()
    for problem in problems:
        attempt = attempt_at(benchmark, problem)
        criteria = cast("Mapping[str, Mapping[str, list[Mapping[str, JSON]]]]", problem.meta["task"])[
            "evaluation_criteria"
        ]
        tools = {tool.name: tool for tool in attempt.tools}
        for action in criteria.get("actions") or []:
            arguments = cast("Mapping[str, JSON]", action["arguments"])
            assert (await tools[str(action["name"])].call(arguments)).error is None
        assert attempt.grade is not None
        said = " ".join(map(str, criteria.get("communicate_info") or []))
        if (await attempt.grade(said, Workers())).correct:
            right.append(problem.id)
    left = {problem.id for problem in problems} - set(right)
    # One has assertions and no actions; in the other the agent dismisses the user's notification itself.
    assert left == {"update_task_with_history_and_env_assertions", "update_task_with_user_tools"}
    assert len(problems) == 9
