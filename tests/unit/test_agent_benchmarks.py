"""Agent benchmarks from files: what a problem is made of, how answers are graded, broken files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import pytest

from ttscale.errors import DataError, ParameterError
from ttscale.types import JSON, Problem
from ttscale.workers import Workers
from ttscale_evals.benchmarks import AgentBenchmark, Benchmark, Grade, benchmark_names, create_benchmark
from ttscale_evals.benchmarks.agents.game24 import makes_24
from ttscale_evals.benchmarks.agents.movies import chosen_option
from ttscale_evals.metrics.graphs import TaskGraph

DATA = Path(__file__).parents[1] / "data" / "agents"
FILES: Mapping[str, str] = {
    "asynchow": "asynchow.jsonl",
    "bfcl_parallel": "bfcl_parallel.json",
    "fanoutqa": "fanoutqa.json",
    "game24": "game24.csv",
    "hotpotqa_comparison": "hotpotqa_comparison.json",
    "movie_recommendation": "movie_recommendation.json",
    "parallelqa": "parallelqa.json",
    "tau2_mock": "tau2_mock",
}


def made(name: str, path: Path | None = None, **more: str) -> Benchmark:
    params = {"path": str(path or DATA / FILES[name]), **more}
    if name == "bfcl_parallel":
        params.setdefault("answers_path", str(DATA / "bfcl_parallel_answers.json"))
    return create_benchmark(
        f"{name}:" + ",".join(f"{key}={json.dumps(value)}" for key, value in params.items())
    )


def one(name: str, place: int = 0, **more: str) -> tuple[Benchmark, Problem]:
    benchmark = made(name, None, **more)
    return benchmark, list(benchmark.problems())[place]


async def graded(name: str, answer: str | None, place: int = 0, **more: str) -> Grade:
    benchmark, problem = one(name, place, **more)
    return await benchmark.grade(problem, answer, Workers())


def graph_of(problem: Problem, name: str = "graph") -> TaskGraph:
    return TaskGraph.from_json(cast("Mapping[str, JSON]", problem.meta[name]))


# ── all of them ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", FILES)
def test_problems_are_plain_json_with_ids_of_their_own(name: str) -> None:
    benchmark = made(name)
    problems = list(benchmark.problems())
    assert isinstance(benchmark, AgentBenchmark)
    assert len({problem.id for problem in problems}) == len(problems) > 0
    assert all(json.loads(json.dumps(problem.meta)) == problem.meta for problem in problems)
    assert all(problem.meta["question"] for problem in problems)
    assert list(benchmark.problems(limit=1)) == problems[:1]
    assert name in benchmark_names()


@pytest.mark.parametrize("name", FILES)
async def test_no_answer_is_no_right_answer(name: str) -> None:
    grade = await graded(name, None)
    assert (grade.correct, grade.value, grade.reason) == (False, 0.0, "no answer")


@pytest.mark.parametrize("name", [name for name in FILES if name != "tau2_mock"])
def test_a_missing_file_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no data file '.*nowhere\.json'"):
        list(made(name, tmp_path / "nowhere.json").problems())


@pytest.mark.parametrize(
    ("name", "rows", "message"),
    [
        (
            "parallelqa",
            '[{"id": "1", "question": "?", "answer": "x"}]',
            "item 1 of .*: the field 'branch' is missing",
        ),
        ("hotpotqa_comparison", '[{"id": "1", "question": 3, "answer": "x"}]', "the field 'question' is wrong"),
        (
            "movie_recommendation",
            '[{"id": "1", "question": "Options:\\na\\n", "answer": "b"}]',
            "none of the options",
        ),
        ("fanoutqa", "[\n3]", "item 1 of .* must be an object"),
        ("fanoutqa", "[\n{]", "line 2 of .* is not JSON"),
        ("asynchow", '{"id": 1}', "line 1 of .*: the field 'title' is missing"),
        (
            "bfcl_parallel",
            '{"id": "parallel_9", "question": [], "function": []}',
            "no answer of the id 'parallel_9'",
        ),
        (
            "bfcl_parallel",
            '{"id": "parallel_0", "question": [[]], "function": []}',
            "line 1 of .*: there is no request",
        ),
        ("game24", "Rank,Puzzles\n1,2 3 4\n", "line 2 of .*: '2 3 4' are not four whole numbers"),
        ("game24", "Rank,Puzzles\nfirst,2 3 4 5\n", "line 2 of .*: the rank 'first' is no whole number"),
    ],
)
def test_a_broken_row_is_named_with_its_line(name: str, rows: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / FILES[name]
    path.write_text(rows, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        list(made(name, path).problems())


# ── questions with answers ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("place", "answer", "is_right"),
    [
        (0, "\\boxed{lake Mere}", True),
        (0, "Lake Tarn", False),
        (1, "It is 1,300 metres", True),
        (1, "\\boxed{1400}", False),
    ],
)
async def test_parallelqa_takes_numbers_within_a_tenth(place: int, answer: str, is_right: bool) -> None:
    assert (await graded("parallelqa", answer, place)).correct is is_right


async def test_hotpotqa_measures_f1_beside_the_exact_match() -> None:
    grade = await graded("hotpotqa_comparison", "Ann", place=1)
    assert not grade.correct
    assert grade.measures["f1"] == pytest.approx(2 / 3)
    assert (await graded("hotpotqa_comparison", "the answer is Yes.")).correct


@pytest.mark.parametrize(
    ("answer", "option"),
    [
        ("star voyage ii", "Star Voyage II"),
        ("Star Voyage", "Star Voyage"),
        ("I would take Star Voyage II.", "Star Voyage II"),
        ("The Quiet Gate, since it is quiet", "The Quiet Gate"),
        ("Orchard or The Quiet Gate", None),
        ("none of them", None),
    ],
)
def test_an_answer_names_one_option_or_none(answer: str, option: str | None) -> None:
    assert chosen_option(answer, ["Star Voyage", "Star Voyage II", "The Quiet Gate", "Orchard"]) == option


async def test_the_named_option_is_graded() -> None:
    assert (await graded("movie_recommendation", "\\boxed{Star Voyage II}")).correct
    assert not (await graded("movie_recommendation", "Star Voyage")).correct


# ── Game of 24 ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "is_right"),
    [
        ("8/(3-8/3)", True),
        ("8 \\div (3 - \\frac{8}{3}) = 24", True),
        ("24 = 8/(3-8/3)", True),
        ("$(3*8)*(8/8)$", False),
        ("3*8", False),
        ("3+3*8-3", False),
        ("8**3/3/8", False),
        ("3*8*8/8=23", False),
        ("__import__('os')", False),
        ("(" * 600, False),
        ("8" * 2000, False),
    ],
)
def test_an_expression_makes_24_of_each_number_once(text: str, is_right: bool) -> None:
    assert makes_24(text, [3, 3, 8, 8]) is is_right


def test_differences_and_quotients_alone_are_expressions_too() -> None:
    assert makes_24("30-4-1-1", [30, 4, 1, 1])


async def test_puzzles_are_taken_by_rank() -> None:
    problems = list(create_benchmark(f"game24:path={DATA / 'game24.csv'},first_rank=2,last_rank=2").problems())
    assert [problem.id for problem in problems] == ["game24-2"]
    with pytest.raises(ParameterError, match="last_rank must be >= first_rank"):
        create_benchmark("game24:path=x.csv,first_rank=2,last_rank=1")
    assert (await graded("game24", "\\boxed{1*2*3*4}", place=1)).correct


# ── plans ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_fanoutqa_has_its_gold_decomposition_as_graphs() -> None:
    _, problem = one("fanoutqa")
    assert graph_of(problem).edges == [("s1", "s2"), ("s1", "s3")]
    assert graph_of(problem).shape.max_width == 2
    # Composed, s4 is a part of s3: it waits for what s3 waits for, and s3 for it.
    assert set(graph_of(problem, "composed_graph").edges) == {
        ("s1", "s2"),
        ("s1", "s3"),
        ("s1", "s4"),
        ("s4", "s3"),
    }
    assert graph_of(problem, "composed_graph").shape.critical_path_seconds == 3


async def test_fanoutqa_is_strict_and_measures_loosely() -> None:
    grade = await graded("fanoutqa", "Alder Tower: 1,200, Birch Tower: 95")
    assert (grade.correct, grade.value) == (False, 0.75)
    assert grade.measures["rouge1"] == pytest.approx(2 * 4 / 13)
    assert (await graded("fanoutqa", "Alder Tower 1200; Birch Tower 90")).correct


@pytest.mark.parametrize(
    ("place", "answer", "is_right"),
    [
        (0, "80 minutes", True),
        (0, "\\boxed{1 hour 20 min}", True),
        (0, "90 minutes", False),
        (1, "6-8 days", True),
        (1, "7 days", True),
        (1, "9 days", False),
        (1, "a while", False),
    ],
)
async def test_asynchow_compares_durations_whatever_their_units(
    place: int, answer: str, is_right: bool
) -> None:
    assert (await graded("asynchow", answer, place)).correct is is_right


@pytest.mark.parametrize(
    ("graph", "shown"),
    [
        ("none", "helpers without limit"),
        ("edge_list", "(1, 3), (2, 3)"),
        ("adjacency_list", "1: 3\n2: 3\n3: none"),
        ("adjacency_matrix", "0 0 1\n0 0 1\n0 0 0"),
        ("build", "First write down the graph"),
    ],
)
def test_asynchow_says_of_the_graph_what_is_wanted(graph: str, shown: str) -> None:
    _, problem = one("asynchow", graph=graph)
    assert shown in problem.prompt.question
    assert "1. Heat the oven (10 min)" in problem.prompt.question
    assert "Step 1 must end before step 3 begins." in problem.prompt.question
    assert graph_of(problem).shape.critical_path_seconds == 4800


def test_a_plan_in_a_circle_is_refused_with_its_line(tmp_path: Path) -> None:
    row = json.loads((DATA / "asynchow.jsonl").read_text(encoding="utf-8").splitlines()[0])
    path = tmp_path / "asynchow.jsonl"
    path.write_text(json.dumps({**row, "edges": [["1", "2"], ["2", "1"]]}), encoding="utf-8")
    with pytest.raises(DataError, match=r"line 1 of .*: the steps are no graph: .*circle"):
        list(made("asynchow", path).problems())
