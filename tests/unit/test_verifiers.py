"""The built-in verifiers, with real graders in real worker processes."""

from __future__ import annotations

import asyncio
import json
import math
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest
import pytest_asyncio

import ttscale.verifiers
import ttscale_verifiers
from ttscale import registry
from ttscale.errors import MissingExtra, ParameterError
from ttscale.types import JSON, FinishReason, Problem, Prompt, Sample, SampleUsage, Score, Timings
from ttscale.verifier import Verifier
from ttscale.verifiers import ConfidenceVerifier, MathVerifier, ReasoningGymVerifier
from ttscale.workers import WorkerCrashed, WorkerError, Workers, WorkerTimeout

if TYPE_CHECKING:
    from ttscale.run import Run

pytestmark = pytest.mark.asyncio(loop_scope="module")

VERIFIERS: Sequence[Verifier] = (ConfidenceVerifier(), MathVerifier(), ReasoningGymVerifier())


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def workers() -> AsyncIterator[Workers]:
    async with Workers(1) as pool:
        yield pool


def run_with(workers: Workers) -> Run:
    """Return all of a run that a verifier without model calls may use."""
    return cast("Run", SimpleNamespace(workers=workers))


def make_sample(
    text: str, logprobs: tuple[float, ...] | None = None, finish_reason: FinishReason = "stop", index: int = 0
) -> Sample:
    return Sample(
        index=index,
        text=text,
        token_ids=(),
        finish_reason=finish_reason,
        usage=SampleUsage(),
        prompt=Prompt(text=""),
        seed=0,
        timings=Timings(submitted=0.0),
        logprobs=logprobs,
        error="the server went away" if finish_reason == "error" else None,
    )


def make_problem(target: str | None = None, meta: Mapping[str, JSON] | None = None) -> Problem:
    return Problem(id="problem", prompt=Prompt.user("?"), target=target, meta=meta or {})


def reasoning_gym_problem(dataset: str, entry: Mapping[str, JSON], config: JSON = None) -> Problem:
    item: dict[str, JSON] = {"dataset": dataset, "entry": json.loads(json.dumps(entry))}
    if config is not None:
        item["config"] = config
    return make_problem(meta={"reasoning_gym": item})


class FailingWorkers(Workers):
    """Fails every call."""

    def __init__(self, failure: Exception) -> None:
        super().__init__(1)
        self._failure = failure

    async def call(self, function: str, *arguments: JSON, timeout_seconds: float = 5.0) -> JSON:
        raise self._failure


# ── all of them ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
@pytest.mark.parametrize("verifier", VERIFIERS, ids=lambda verifier: type(verifier).__name__)
async def test_examples_lie_on_their_side_of_the_middle(verifier: Verifier, workers: Workers) -> None:
    examples = verifier.examples()
    assert {example.accepted for example in examples} == {True, False}
    for example in examples:
        sample = make_sample(example.text, example.logprobs)
        (score,) = await verifier.score(example.problem, [sample], run_with(workers))
        assert score.value is not None
        assert (score.value > (score.low + score.high) / 2) is example.accepted, example.text


@pytest.mark.parametrize("verifier", VERIFIERS, ids=lambda verifier: type(verifier).__name__)
async def test_a_failed_sample_has_no_value_and_the_others_keep_theirs(
    verifier: Verifier, workers: Workers
) -> None:
    example = verifier.examples()[0]
    good = make_sample(example.text, example.logprobs)
    failed = make_sample(example.text, example.logprobs, "error", index=1)
    scores = await verifier.score(example.problem, [good, failed, good], run_with(workers))
    assert scores[1] == Score(value=None, reason="failed sample")
    assert scores[0] == scores[2] != scores[1]


@pytest.mark.parametrize("verifier", VERIFIERS, ids=lambda verifier: type(verifier).__name__)
async def test_no_samples_have_no_scores(verifier: Verifier, workers: Workers) -> None:
    assert await verifier.score(verifier.examples()[0].problem, [], run_with(workers)) == []


@pytest.mark.parametrize("name", sorted(ttscale_verifiers.BUILTINS))
async def test_every_verifier_is_built_by_name_and_described_back(name: str) -> None:
    verifier = registry.create_verifier(name)
    assert isinstance(verifier, Verifier)
    assert registry.create_verifier(str(registry.describe(verifier))) == verifier


async def test_the_facade_shows_what_the_package_has() -> None:
    assert sorted([*ttscale.verifiers.__all__, "BUILTINS"]) == sorted(ttscale_verifiers.__all__)
    classes = {target.partition(":")[2] for target in ttscale_verifiers.BUILTINS.values()}
    assert classes == set(ttscale.verifiers.__all__)


@pytest.mark.parametrize("name", ["math", "reasoning_gym"])
async def test_a_time_limit_must_be_positive(name: str) -> None:
    with pytest.raises(ParameterError, match="timeout_seconds must be > 0, got 0"):
        registry.create_verifier(f"{name}:timeout_seconds=0")


@pytest.mark.parametrize(("name", "module"), [("math", "math_verify"), ("reasoning_gym", "reasoning_gym")])
async def test_a_missing_extra_is_told_before_anything_is_spent(
    name: str, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(
        MissingExtra, match=r"is not installed; install it with `pip install 'ttscale\[evals\]'`"
    ):
        registry.create_verifier(name)


# ── math ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_math_grades_each_sample_in_order(workers: Workers) -> None:
    texts = ["\\boxed{x+1}", "\\boxed{1+x}", "\\boxed{x}", "so it is", "answer: x + 1", "\\boxed{1+x"]
    samples = [make_sample(text, index=index) for index, text in enumerate(texts)]
    scores = await MathVerifier().score(make_problem("1 + x"), samples, run_with(workers))
    assert [score.value for score in scores] == [1.0, 1.0, 0.0, 0.0, 1.0, 0.0]
    assert [score.reason for score in scores] == ["", "", "", "no answer", "", "no answer"]


async def test_math_without_a_target_has_no_value(workers: Workers) -> None:
    scores = await MathVerifier().score(make_problem(), [make_sample("\\boxed{1}")] * 2, run_with(workers))
    assert scores == [Score(value=None, reason="no target")] * 2


@pytest.mark.slow
async def test_math_that_takes_too_long_has_no_value_and_the_next_grade_is_right(workers: Workers) -> None:
    verifier, problem = MathVerifier(timeout_seconds=1.0), make_problem("x+1")
    hostile, good = make_sample("\\boxed{\\binom{999999999}{333333333}}"), make_sample("\\boxed{1+x}")
    scores = await verifier.score(problem, [hostile, good], run_with(workers))
    assert scores == [Score(value=None, reason="timeout"), Score(value=1.0)]


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (WorkerTimeout("m:f", 5.0), "timeout"),
        (WorkerCrashed("m:f", "ran out of memory."), "grader crashed"),
        (WorkerError("m:f", "KeyError", "'x'"), "grader raised KeyError"),
    ],
)
async def test_a_grader_that_fails_is_told_from_a_wrong_answer(failure: Exception, reason: str) -> None:
    run = run_with(FailingWorkers(failure))
    assert await MathVerifier().score(make_problem("x+1"), [make_sample("\\boxed{1+x}")], run) == [
        Score(value=None, reason=reason)
    ]
    example = ReasoningGymVerifier().examples()[0]
    assert await ReasoningGymVerifier().score(example.problem, [make_sample(example.text)], run) == [
        Score(value=None, reason=reason)
    ]


async def test_many_samples_are_graded_at_once_without_mixing_them_up(workers: Workers) -> None:
    texts = [f"\\boxed{{x+{number}}}" for number in range(60)]
    samples = [make_sample(text, index=index) for index, text in enumerate(texts)]
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(MathVerifier().score(make_problem(f"{target}+x"), samples, run_with(workers)))
            for target in (3, 7)
        ]
    for target, task in zip((3, 7), tasks, strict=True):
        assert [score.value for score in task.result()] == [float(number == target) for number in range(60)]


# ── reasoning_gym ─────────────────────────────────────────────────────────────────────────────────────────────

COUNTDOWN: Mapping[str, JSON] = {
    "question": "Calculate 309 using all of these numbers: 6, 61, 94, 4.",
    "answer": "94*4 - 6 - 61",
    "metadata": {"numbers": [6, 61, 94, 4], "target": 309},
}


async def score_one(workers: Workers, problem: Problem, answer: str) -> Score:
    sample = make_sample(f"<answer>{answer}</answer>")
    return (await ReasoningGymVerifier(timeout_seconds=20).score(problem, [sample], run_with(workers)))[0]


@pytest.mark.slow
async def test_the_checkers_own_value_is_kept_raw(workers: Workers) -> None:
    problem = reasoning_gym_problem("countdown", COUNTDOWN)
    assert (await score_one(workers, problem, "4*94 - (61 + 6)")).value == 1.0
    assert (await score_one(workers, problem, "94*4 - 6 - 61 + 0")).value == 0.05
    assert (await score_one(workers, problem, "94 + 4 + 6 + 61")).value == 0.05
    assert (await score_one(workers, problem, "about 309")).value == 0.01


NO_REFERENCE = {"boxnet", "graph_color", "propositional_logic", "rubiks_cube", "rush_hour"}
"""Data sets whose entries hold no answer: only their checkers can tell."""

ACCEPTS_ANYTHING = {"game_of_life_halting"}
"""Its checker compares the truth of two texts, and every text is true (as of reasoning-gym 0.1.19)."""


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # some sets leave files open
async def test_the_reference_answer_of_every_data_set_scores_one(workers: Workers) -> None:
    import reasoning_gym
    from reasoning_gym.factory import DATASETS

    config: dict[str, dict[str, JSON]] = {"knight_swap": {"min_nodes": 6, "max_nodes": 6}}
    without, imperfect, accepting = set[str](), dict[str, Score](), set[str]()
    for dataset in sorted(DATASETS.keys() - {"composite"}):
        made = reasoning_gym.create_dataset(dataset, size=1, seed=7, **config.get(dataset, {}))
        entry = cast("Mapping[str, JSON]", made[0])
        problem = reasoning_gym_problem(dataset, entry)
        wrong = await score_one(workers, problem, "wrong")
        assert wrong.value is not None, dataset
        if wrong.value == 1.0:
            accepting.add(dataset)
        if entry["answer"] is None:
            without.add(dataset)
        elif (score := await score_one(workers, problem, str(entry["answer"]))) != Score(value=1.0):
            imperfect[dataset] = score
    assert imperfect == {}
    assert without == NO_REFERENCE
    assert accepting == ACCEPTS_ANYTHING


async def test_an_entry_of_a_mixture_is_scored_by_the_data_set_it_is_from(workers: Workers) -> None:
    entry: Mapping[str, JSON] = {
        "question": "?",
        "answer": "1.2346",
        "metadata": {"source_dataset": "decimal_arithmetic"},
    }
    for places, is_right in ((2, True), (4, False)):
        part: JSON = {"max_num_decimal_places": places, "precision": places + 4}
        specs: JSON = [
            {"name": "chain_sum", "weight": 1.0, "config": {}},
            {"name": "decimal_arithmetic", "weight": 1.0, "config": part},
        ]
        problem = reasoning_gym_problem("composite", entry, {"datasets": specs})
        assert ((await score_one(workers, problem, "1.2312")).value == 1.0) is is_right
    alone = reasoning_gym_problem("composite", entry, {"datasets": []})
    assert await score_one(workers, alone, "1.2346") == Score(value=None, reason="grader raised ValueError")


async def test_code_in_an_answer_to_a_mixture_is_never_run(workers: Workers) -> None:
    metadata = {**cast("Mapping[str, JSON]", COUNTDOWN["metadata"]), "source_dataset": "countdown"}
    entry: Mapping[str, JSON] = {**COUNTDOWN, "metadata": metadata}
    specs: JSON = [{"name": "countdown", "weight": 1.0, "config": {}}]
    problem = reasoning_gym_problem("composite", entry, {"datasets": specs})
    assert (await score_one(workers, problem, "94*4 - 6 - 61")).value == 1.0
    assert (await score_one(workers, problem, "__import__('os').abort()")).value == 0.01


@pytest.mark.slow
async def test_an_integral_left_unsolved_is_right_only_where_the_reference_leaves_it_too(
    workers: Workers,
) -> None:
    unsolved, solved = "Integral(x**3*cos(3*x), x) + C", "x**4/4 + C"
    for integrand, answer in (("x**3*cos(3*x)", unsolved), ("x**3", solved)):
        entry: Mapping[str, JSON] = {
            "question": "?",
            "answer": answer,
            "metadata": {"integrand": integrand, "variable": "x"},
        }
        problem = reasoning_gym_problem("intermediate_integration", entry)
        assert (await score_one(workers, problem, answer)).value == 1.0
        assert (await score_one(workers, problem, "Integral(x**3, x)")).value == 0.0


async def test_the_data_sets_parameters_reach_its_checker(workers: Workers) -> None:
    entry: Mapping[str, JSON] = {"question": "?", "answer": "1.2346", "metadata": {}}
    for places, is_right in ((2, True), (4, False)):
        config: JSON = {"max_num_decimal_places": places, "precision": places + 4}
        problem = reasoning_gym_problem("decimal_arithmetic", entry, config)
        assert ((await score_one(workers, problem, "1.2312")).value == 1.0) is is_right


@pytest.mark.parametrize(
    ("dataset", "answer"),
    [
        ("countdown", "__import__('os').abort()"),
        ("countdown", "().__class__.__base__.__subclasses__()"),
        ("puzzle24", "(lambda: __import__('os').abort())()"),
        ("simple_integration", "__import__('os').abort()"),
        ("polynomial_multiplication", "exec('import os; os.abort()')"),
        ("spiral_matrix", "__import__('os').abort()"),
        ("binary_matrix", "[__import__('os').abort()]"),
        ("n_queens", "__import__('os').abort()"),
        ("string_insertion", "[__import__('os').abort() for x in 'a']"),
    ],
)
async def test_an_answer_that_is_code_is_never_run(workers: Workers, dataset: str, answer: str) -> None:
    import reasoning_gym

    entry = cast("Mapping[str, JSON]", reasoning_gym.create_dataset(dataset, size=1, seed=7)[0])
    score = await score_one(workers, reasoning_gym_problem(dataset, entry), answer)
    assert score.value is not None  # an abort would have killed the grader, and left no value
    assert score.value <= 0.01


@pytest.mark.slow
async def test_an_answer_that_explodes_is_a_timeout_and_the_next_is_graded(workers: Workers) -> None:
    problem, verifier = reasoning_gym_problem("countdown", COUNTDOWN), ReasoningGymVerifier(timeout_seconds=1.0)
    await score_one(workers, problem, "1")
    samples = [make_sample("\\boxed{9**9**9**9}"), make_sample("\\boxed{94*4 - 6 - 61}")]
    scores = await verifier.score(problem, samples, run_with(workers))
    assert scores[0].value is None
    assert scores[0].reason in {"timeout", "grader crashed"}
    assert scores[1] == Score(value=1.0)


@pytest.mark.parametrize("meta", [{}, {"reasoning_gym": None}, {"reasoning_gym": {"dataset": "countdown"}}])
async def test_a_problem_without_its_item_has_no_value(workers: Workers, meta: Mapping[str, JSON]) -> None:
    scores = await ReasoningGymVerifier().score(
        make_problem(meta=meta), [make_sample("\\boxed{1}")], run_with(workers)
    )
    assert scores == [Score(value=None, reason="no checker")]


async def test_an_unknown_data_set_and_a_broken_entry_have_no_value(workers: Workers) -> None:
    unknown = await score_one(workers, reasoning_gym_problem("no_such_set", COUNTDOWN), "1")
    assert unknown == Score(value=None, reason="grader raised ValueError")
    broken = await score_one(workers, reasoning_gym_problem("chain_sum", {}), "1")
    assert broken == Score(value=None, reason="grader raised KeyError")


async def test_an_answer_that_its_checker_cannot_read_is_wrong(workers: Workers) -> None:
    entry: Mapping[str, JSON] = {
        "question": "?",
        "answer": "2 × 3",
        "metadata": {"number": 6, "factors": [2, 3]},
    }
    assert await score_one(workers, reasoning_gym_problem("prime_factorization", entry), "two") == Score(
        value=0.0
    )


# ── confidence ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("logprobs", "value"),
    [
        ((0.0, 0.0), 1.0),
        ((math.log(0.5),), 0.5),
        ((math.log(0.9), math.log(0.4)), 0.6),  # the root of 0.9 * 0.4
        ((math.log(0.5), -math.inf), 0.0),
        ((1e-9,), 1.0),
    ],
)
async def test_confidence_is_the_geometric_mean_probability(
    workers: Workers, logprobs: tuple[float, ...], value: float
) -> None:
    (score,) = await ConfidenceVerifier().score(make_problem(), [make_sample("x", logprobs)], run_with(workers))
    assert score.value == pytest.approx(value)
    assert (score.low, score.high) == (0.0, 1.0)


async def test_confidence_without_logprobs_or_tokens_has_no_value(workers: Workers) -> None:
    samples = [make_sample("x"), make_sample("", ())]
    scores = await ConfidenceVerifier().score(make_problem(), samples, run_with(workers))
    assert [(score.value, score.reason) for score in scores] == [(None, "no logprobs"), (None, "no tokens")]


async def test_what_verifiers_need_is_said() -> None:
    assert ConfidenceVerifier.needs == {"logprobs"}
    assert MathVerifier.needs == ReasoningGymVerifier.needs == frozenset()
    assert [type(verifier).__name__ for verifier in VERIFIERS if verifier.needs_target] == [
        "MathVerifier",
        "ReasoningGymVerifier",
    ]
