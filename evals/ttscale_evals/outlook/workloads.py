"""Workloads measured elsewhere than in a bank: by a run that was made, or on problems of a benchmark."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from ttscale.answers import answer_key
from ttscale.backends import load_backend
from ttscale.errors import ConfigError
from ttscale.planning import Judge, Question, Workload, pilot_workload, whole_draws
from ttscale.types import Candidate, Problem
from ttscale.workers import Workers
from ttscale_evals.benchmarks import Benchmark, create_benchmark
from ttscale_evals.store import Result, ResultStore, RunDirectory


def run_workload(path: Path, *, model: str | None = None) -> Workload:
    """Return what the samples of a run's results are like; their texts are not needed, nor are steps known.

    Of every problem the result with the most samples counts. Samples that were stopped are left out. Right is
    the target's answer, and the one that was graded as right.

    Args:
        path: the run's directory.
        model: title of the model, where the run has several.

    Raises:
        ConfigError: it is no run, has several models, or nothing to plan from.
    """
    directory = RunDirectory(path)
    if not directory.is_run:
        raise ConfigError(f"{str(path)!r} is no run's directory; name one that `ttscale eval --out` has made.")
    with ResultStore(directory.store_path) as store:
        cells = {cell.number: cell.identity for cell in directory.cells(store)}
        results = [result for result in store.results() if not result.is_failed]
    titles = sorted({cells[result.cell][2] for result in results})
    chosen = [title for title in titles if model is None or title == model] or titles
    if len(chosen) > 1:
        raise ConfigError(f"{str(path)!r} has several models; choose one with --recorded: {', '.join(titles)}.")
    by_problem = defaultdict[tuple[str, str], list[Result]](list)
    for result in results:
        benchmark, _, title, _ = cells[result.cell]
        if title in chosen:
            by_problem[benchmark, result.problem_id].append(result)
    questions = [_question(max(own, key=_num_whole)) for own in by_problem.values()]
    return Workload(
        tuple(question for question in questions if question is not None),
        origin=f"the results in {str(path)!r}",
        assumptions=("Answers are taken to be one step: results do not hold their lines.",),
    )


def _whole(result: Result) -> list[Candidate]:
    return [
        one for one in result.outcome.candidates if one.finish_reason in ("stop", "length") and one.num_tokens
    ]


def _num_whole(result: Result) -> int:
    return len(_whole(result))


def _question(result: Result) -> Question | None:
    candidates, usage = _whole(result), result.outcome.usage
    if not candidates or not usage.calls:
        return None
    target, key = answer_key(result.target), result.outcome.key
    right = {found for found in (target, key if result.grade.correct else None) if found is not None}
    is_graded = target is not None or result.grade.correct
    prompt_tokens = max(1, round((usage.prompt_computed + usage.prompt_cached) / usage.calls))
    draws = [([("", one.num_tokens)], one.key, one.finish_reason == "length") for one in candidates]
    return Question(prompt_tokens, whole_draws(draws, right), is_graded=is_graded)


async def benchmark_workload(
    model: str, spec: str, *, num_problems: int, n: int, seed: int | None = None
) -> Workload:
    """Draw samples of a benchmark's first problems, have them graded, and return what they are like.

    Args:
        model: its URI.
        spec: of the benchmark.
        num_problems: how many, >= 1.
        n: samples of each, >= 1.
        seed: of the benchmark's data.

    Raises:
        ConfigError: the benchmark or the model cannot be had.
    """
    benchmark = create_benchmark(spec)
    problems: Sequence[Problem] = list(benchmark.problems(limit=num_problems, seed=seed))
    return await pilot_workload(load_backend(model), problems, n=n, judge=_judge(benchmark))


def _judge(benchmark: Benchmark) -> Judge:
    async def is_right(problem: Problem, answer: str | None, workers: Workers) -> bool:
        return (await benchmark.grade(problem, answer, workers)).correct

    return is_right
