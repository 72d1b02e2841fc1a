"""What all verifiers that grade an extracted answer share."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from ttscale.answers import extract_answer
from ttscale.types import Sample, Score
from ttscale.workers import WorkerCrashed, WorkerError, WorkerTimeout

Grade = Callable[[str], Awaitable[float]]
"""Grades an answer, in [0, 1]; may raise a `WorkerFailure`."""


async def grade_samples(samples: Sequence[Sample], grade: Grade) -> list[Score]:
    """Grade the answers of samples side by side, one score a sample, in order.

    Only an answer that was graded wrong, or is missing, gets a 0. A failed sample, and a grader that ran out of
    time or memory or failed, give a score without value, with the reason.
    """
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_grade_sample(sample, grade)) for sample in samples]
    return [task.result() for task in tasks]


async def _grade_sample(sample: Sample, grade: Grade) -> Score:
    if sample.is_error:
        return Score(value=None, reason="failed sample")
    answer = extract_answer(sample.text)
    if answer is None:
        return Score(value=0.0, reason="no answer")
    try:
        return Score(value=await grade(answer))
    except WorkerTimeout:
        return Score(value=None, reason="timeout")
    except WorkerCrashed:
        return Score(value=None, reason="grader crashed")
    except WorkerError as error:
        return Score(value=None, reason=f"grader raised {error.type}")


def check_timeout(timeout_seconds: float) -> None:
    """Raise ValueError unless a time limit is positive."""
    if not timeout_seconds > 0:
        raise ValueError(f"timeout_seconds must be > 0, got {timeout_seconds!r}")
