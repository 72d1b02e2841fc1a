"""From collections of samples to answers that can be voted on, and to grades: the pool's own, or by target."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from ttscale.answers import AnswerClasses, answer_key, require_math_verify
from ttscale.types import Problem
from ttscale.workers import Workers
from ttscale_evals.benchmarks.grading import grade_math
from ttscale_evals.curves.collection import Asked, Collection, Drawn

Found = TypeVar("Found")

OWN_GRADES: Final = "the pool's own grades"
BY_TARGET: Final = "equivalence with the target"
BY_CHECKER: Final = "the benchmark's own checker"


@dataclass(frozen=True, slots=True, kw_only=True)
class Graded:
    """The samples of a collection under one grader; lists are by problem, and in it by sample."""

    model: str
    benchmark: str
    grader: str
    """Empty: there is only one."""
    graded_by: str
    ids: Sequence[str]
    keys: Sequence[Sequence[str | None]]
    """Equal for equal answers; ``None``: no answer."""
    correct: Sequence[Sequence[float | None]]
    """In [0, 1]; ``None``: it failed, or was not graded."""
    rewards: Sequence[Sequence[float | None]] | None
    """``None``: there are none."""
    notes: Sequence[str]

    @property
    def num_samples(self) -> Sequence[int]:
        """Of each problem."""
        return [len(samples) for samples in self.correct]


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A collection, or part of one, that is in no number."""

    what: str
    why: str


async def grade_collection(
    collection: Collection, workers: Workers, *, is_as_written: bool = False
) -> tuple[list[Graded], list[LeftOut]]:
    """Return the samples graded, once by each grader of the pool, or where it has none by target.

    Args:
        collection: of one model and benchmark.
        workers: where formulas are compared, with each other and with targets.
        is_as_written: whether formulas vote together only if they are written alike, which is quicker.

    Raises:
        MissingExtra: math-verify is needed and not installed.
    """
    asked, graders, left_out = _gradable(collection)
    if not asked:
        return [], left_out
    if graders:
        graded_by = OWN_GRADES
        tables = {name: [[_grade(drawn, name) for drawn in one.samples] for one in asked] for name in graders}
    else:
        graded_by = BY_TARGET if collection.checker is None else BY_CHECKER
        tables = {"": await _together(_by_target(collection, one, workers) for one in asked)}
    grades = zip(*tables.values(), strict=True)
    keys = await _together(
        _keys(one, own, None if is_as_written else workers) for one, own in zip(asked, grades, strict=True)
    )
    rewards = [[drawn.reward for drawn in one.samples] for one in asked]
    has_rewards = any(reward is not None for given in rewards for reward in given)
    found = [
        Graded(
            model=collection.model,
            benchmark=collection.benchmark,
            grader=grader,
            graded_by=graded_by,
            ids=[one.problem.id for one in asked],
            keys=keys,
            correct=correct,
            rewards=rewards if has_rewards else None,
            notes=collection.notes,
        )
        for grader, correct in tables.items()
    ]
    return found, left_out


def _gradable(collection: Collection) -> tuple[list[Asked], list[str], list[LeftOut]]:
    """Return the problems that can be graded, the names of the pool's graders if it has any, and the rest."""
    what = f"{collection.model} on {collection.benchmark}"
    asked = [one for one in collection.problems if one.samples]
    left_out = list[LeftOut]()
    if missing := len(collection.problems) - len(asked):
        left_out.append(LeftOut(what=f"{missing} problems of {what}", why="they have no samples"))
    names = _graders(asked)
    if names:
        graders = [name for name in names if _is_share(asked, name)]
        why = "its grades do not lie between 0 (wrong) and 1 (right)"
        wrong = [
            LeftOut(what=f"the grader {name!r} of {what}", why=why) for name in names if name not in graders
        ]
        return asked if graders else [], graders, [*left_out, *wrong]
    has_target = [one for one in asked if collection.checker is not None or one.problem.target is not None]
    if missing := len(asked) - len(has_target):
        part = f"{missing} problems of {what}" if has_target else what
        left_out.append(LeftOut(what=part, why="the pool has neither grades nor targets of them"))
    return has_target, [], left_out


async def _keys(
    asked: Asked, grades: Sequence[Sequence[float | None]], workers: Workers | None
) -> Sequence[str | None]:
    """Return the keys of a problem's answers.

    Where every grader finds all samples right, or all wrong, it is the same whichever of them win a vote: then
    formulas are not compared, which takes long.

    Args:
        asked: the problem.
        grades: of its samples, by each grader.
        workers: where formulas are compared; ``None``: they are not.
    """
    answers = [drawn.answer for drawn in asked.samples]
    if all({grade or 0.0 for grade in own} in ({0.0}, {1.0}) for own in grades):
        return [answer_key(answer) for answer in answers]
    return await AnswerClasses(workers).keys(answers)


async def _together(each: Iterable[Coroutine[None, None, Found]]) -> list[Found]:
    """Return what comes of all, which share the workers; of several failures the first is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one) for one in each]
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [task.result() for task in tasks]


def _graders(asked: Sequence[Asked]) -> list[str]:
    """Return the names of the pool's graders; a nameless one is of interest where no other is."""
    names = list(dict.fromkeys(name for one in asked for drawn in one.samples for name in drawn.grades))
    return [name for name in names if name] or names


def _is_share(asked: Sequence[Asked], grader: str) -> bool:
    grades = (_grade(drawn, grader) for one in asked for drawn in one.samples)
    return all(0 <= grade <= 1 for grade in grades if grade is not None)


def _grade(drawn: Drawn, grader: str) -> float | None:
    return drawn.grades.get(grader, drawn.grades.get(""))


async def _by_target(collection: Collection, asked: Asked, workers: Workers) -> list[float | None]:
    known = dict[str | None, float | None]()
    for drawn in asked.samples:
        if drawn.answer not in known and not drawn.has_failed:
            known[drawn.answer] = await _check(collection, asked.problem, drawn.answer, workers)
    return [None if drawn.has_failed else known[drawn.answer] for drawn in asked.samples]


async def _check(
    collection: Collection, problem: Problem, answer: str | None, workers: Workers
) -> float | None:
    """Return 0 or 1; ``None``: the grader was late, or broke on the answer."""
    if collection.checker is not None:
        grade = await collection.checker.grade(problem, answer, workers)
    else:
        require_math_verify()
        grade = await grade_math(problem, answer, workers)
    return float(grade.correct) if grade.is_judged else None
