"""Graders that several benchmarks share; what a model wrote is only ever looked at in worker processes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, cast

from ttscale.answers import answer_key, equivalent
from ttscale.bank import AnswerGrade
from ttscale.types import JSON, Problem
from ttscale.workers import WorkerFailure, Workers, WorkerTimeout
from ttscale_evals.benchmarks.base import GRADER_FAILED, NO_ANSWER, TIMEOUT, Grade
from ttscale_verifiers.reasoning_gym import WORKER_FUNCTION

OWN_GRADES: Final = "own_grades"
"""Where the meta of a problem has what the answers of its recorded samples were graded."""


async def grade_math(problem: Problem, answer: str | None, workers: Workers) -> Grade:
    """Grade an answer by mathematical equivalence with the problem's target, as the `math` verifier does.

    Raises:
        ValueError: the problem has no target.
    """
    if problem.target is None:
        raise ValueError(f"the problem {problem.id!r} has no reference answer to grade by")
    if answer is None:
        return Grade(correct=False, value=0.0, reason=NO_ANSWER)
    try:
        correct = await equivalent(workers, problem.target, answer)
    except WorkerFailure as error:
        return failed_grade(error)
    return Grade(correct=correct, value=float(correct))


def grade_as_before(problem: Problem, answer: str | None) -> Grade:
    """Grade an answer as somebody else's grader graded the samples that gave it; see `ttscale.bank.own_grades`.

    Args:
        problem: with the grades of its answers in ``meta["own_grades"]``, by key.
        answer: as in `Outcome.answer`.
    """
    key = answer_key(answer)
    if key is None:
        return Grade(correct=False, value=0.0, reason=NO_ANSWER)
    graded = cast("Mapping[str, Mapping[str, float]]", problem.meta[OWN_GRADES])
    if key not in graded:
        return Grade(
            correct=False, value=None, reason=f"{GRADER_FAILED}: no sample with this answer was graded"
        )
    found = AnswerGrade(**graded[key])  # type: ignore[arg-type]  # as it was written
    return Grade(correct=found.is_right, value=found.mean)


async def grade_reasoning_gym(problem: Problem, answer: str | None, workers: Workers) -> Grade:
    """Grade with the checker of the problem's own set, as the `reasoning_gym` verifier does: 1.0 is right.

    Args:
        problem: with the set's name, configuration and entry in ``meta["reasoning_gym"]``.
        answer: as in `Outcome.answer`.
        workers: where the checker runs.
    """
    if answer is None:
        return Grade(correct=False, value=0.0, reason=NO_ANSWER)
    item = cast("Mapping[str, JSON]", problem.meta["reasoning_gym"])
    try:
        value = await workers.call(WORKER_FUNCTION, item["dataset"], item["config"], item["entry"], answer)
    except WorkerFailure as error:
        return failed_grade(error)
    value = cast("float", value)
    return Grade(correct=value == 1.0, value=value)


def failed_grade(error: WorkerFailure) -> Grade:
    """Return the grade of an answer that could not be judged."""
    if isinstance(error, WorkerTimeout):
        return Grade(correct=False, value=None, reason=TIMEOUT)
    return Grade(correct=False, value=None, reason=f"{GRADER_FAILED}: {type(error).__name__}")
