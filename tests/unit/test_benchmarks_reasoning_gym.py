"""reasoning-gym's sets as benchmarks: names, parameters, seeds, grading by the sets' own checkers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import cast

import pytest

from ttscale.errors import ConfigError, ParameterError, UnknownPlugin
from ttscale.registry import describe
from ttscale.types import Problem
from ttscale.workers import Workers
from ttscale_evals.benchmarks import benchmark_names, create_benchmark
from ttscale_evals.benchmarks.create import reasoning_gym_sets

SETS = (
    *("basic_arithmetic", "chain_sum", "countdown", "family_relationships", "knights_knaves", "leg_counting"),
    *("gsm_symbolic", "mini_sudoku", "needle_haystack", "rearc", "simple_equations", "word_sorting"),
)


def item(problem: Problem) -> Mapping[str, object]:
    return cast("Mapping[str, object]", problem.meta["reasoning_gym"])


def test_a_set_can_be_named_directly_or_through_reasoning_gym() -> None:
    forms = (
        "countdown:min_numbers=3,max_numbers=4,size=5",
        "reasoning_gym:dataset=countdown,min_numbers=3,max_numbers=4,size=5",
        "reasoning_gym:dataset=countdown,config={min_numbers: 3, max_numbers: 4},size=5",
    )
    direct, *others = (list(create_benchmark(form).problems()) for form in forms)
    assert others == [direct, direct]
    assert len(direct) == 5
    assert all(3 <= len(cast("list[int]", numbers(problem))) <= 4 for problem in direct)


def numbers(problem: Problem) -> object:
    entry = cast("Mapping[str, object]", item(problem)["entry"])
    return cast("Mapping[str, object]", entry["metadata"])["numbers"]


def test_the_spec_of_a_set_builds_it_again() -> None:
    benchmark = create_benchmark("chain_sum:min_terms=4,max_terms=6,seed=7")
    assert create_benchmark(describe(benchmark)) == benchmark
    assert create_benchmark(str(describe(benchmark))) == benchmark


def test_every_set_is_listed_beside_the_built_in_benchmarks() -> None:
    names = benchmark_names()
    assert {
        "countdown",
        "chain_sum",
        "leg_counting",
        "gsm8k",
        "math500",
        "aime24",
        "aime25",
        "amc23",
        "jsonl",
    } <= {*names}
    assert len(names) > 100


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("countdown:min_number=4", r"'min_number' is unknown.*min_numbers"),
        ("countdown:min_numbers=four", r"min_numbers='four'"),
        ("countdown:min_numbers=9", r"countdown.*does not take"),
        ("countdown:seed=-1", r"seed must lie"),
        ("countdown:seed=1000000000", r"seed must lie"),
        ("countdown:size=0", r"size must be >= 1"),
        ("countdown:size=many", r"size='many'"),
        ("reasoning_gym:dataset=countdown,config={seed: 3}", r"'seed' is the benchmark's own"),
        ("reasoning_gym:min_numbers=3", r"needs the parameter 'dataset'"),
    ],
)
def test_wrong_parameters_are_refused_before_any_problem_is_made(spec: str, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        create_benchmark(spec)


def test_an_unknown_set_names_the_nearest_one() -> None:
    with pytest.raises(UnknownPlugin, match="did you mean 'countdown'"):
        create_benchmark("cuntdown")
    with pytest.raises(ConfigError, match="countdown"):
        create_benchmark("reasoning_gym:dataset=cuntdown")


def test_the_data_seed_and_not_the_limit_decides_what_the_problems_are() -> None:
    benchmark = create_benchmark("chain_sum:size=20")
    whole, part = list(benchmark.problems()), list(benchmark.problems(limit=4))
    assert whole[:4] == part
    assert list(create_benchmark("chain_sum:size=20,seed=1000").problems()) != whole
    assert list(benchmark.problems(seed=1000)) == list(
        create_benchmark("chain_sum:size=20,seed=1000").problems()
    )
    assert len({problem.id for problem in (*whole, *benchmark.problems(seed=1000))}) == 40


def test_the_question_is_asked_as_it_is_unless_an_instruction_is_given() -> None:
    (plain,) = create_benchmark("leg_counting").problems(limit=1)
    (told,) = create_benchmark("leg_counting:instruction=Be brief.").problems(limit=1)
    question = cast("Mapping[str, str]", item(plain)["entry"])["question"]
    assert plain.prompt.messages[-1].content == question
    assert told.prompt.messages[-1].content == f"{question}\nBe brief."


@pytest.mark.slow
async def test_the_sets_own_answer_is_right_and_nonsense_is_wrong(grading_workers: Workers) -> None:
    for name in SETS:
        benchmark = create_benchmark(name)
        for problem in benchmark.problems(limit=2):
            assert json.loads(json.dumps(problem.meta)) == problem.meta, name
            assert (await benchmark.grade(problem, problem.target, grading_workers)).correct, name
            nonsense = await benchmark.grade(problem, "nonsense", grading_workers)
            assert (nonsense.correct, nonsense.reason) == (False, ""), name
            assert (await benchmark.grade(problem, None, grading_workers)).reason == "no answer", name


async def test_another_solution_than_the_sets_own_is_right_where_many_are(grading_workers: Workers) -> None:
    benchmark = create_benchmark("countdown:min_numbers=3,max_numbers=3")
    (problem,) = benchmark.problems(limit=1)
    assert problem.target is not None
    assert (await benchmark.grade(problem, f"({problem.target}) + 0*1", grading_workers)).correct is False
    assert (await benchmark.grade(problem, f"(({problem.target}))", grading_workers)).correct


async def test_partial_credit_is_a_value_and_not_a_right_answer(grading_workers: Workers) -> None:
    benchmark = create_benchmark("chain_sum")
    (problem,) = benchmark.problems(limit=1)
    grade = await benchmark.grade(problem, f"{problem.target} or so", grading_workers)
    assert grade.correct is False
    assert grade.value is not None
    assert 0 < grade.value < 1


@pytest.mark.integration  # makes problems of all sets, a few of which take seconds
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # some sets leave files open
def test_every_set_makes_problems_that_are_plain_json_and_have_ids_of_their_own(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in reasoning_gym_sets():
        mixture = "composite:datasets=[{name: chain_sum, weight: 1, config: {}}]"
        found = list(create_benchmark(mixture if name == "composite" else name).problems(limit=2))
        assert len({problem.id for problem in found}) == 2, name
        assert json.loads(json.dumps([problem.meta for problem in found])) == [p.meta for p in found], name
    assert capsys.readouterr().out == ""
