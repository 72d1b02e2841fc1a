"""The reference of a comparison: plain majority voting, computed from recorded answers without an engine."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ttscale.answers import AnswerClasses, extract_answer
from ttscale.backends.replay import ReplayBackend
from ttscale.types import Problem
from ttscale.workers import Workers
from ttscale_evals.replay.matched import Curve, Floats, Measured

GradeAnswer = Callable[[Problem, str | None], Awaitable[bool]]
"""Whether an answer to a problem is right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedAnswers:
    """What the whole samples of one problem say, in the order they are dealt in when no order is drawn."""

    draws: Sequence[int]
    """Their numbers in the recording; each array below has one entry for each of them."""
    votes: NDArray[np.int64]
    """The class of each answer, equal for equal answers; -1: no answer."""
    correct: NDArray[np.bool_]
    lengths: NDArray[np.int64]
    """Generated tokens."""
    seconds: Floats
    prompt_tokens: int
    """Computed once, for the first sample."""
    deal: Callable[[int | None], Sequence[int]]
    """Returns the draws in the order of a seed; ``None``: as recorded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """The majority of the first k samples on each problem of a benchmark, and what single samples are worth."""

    num_samples: int
    """n: recorded samples of the problem that has fewest."""
    single: Measured
    """One sample: the mean over the first n recorded ones, so that `correct` is their share of right ones."""
    any_correct: Floats
    """1.0 where one of the first n recorded samples is right, shape [num_problems]."""
    prompt_tokens: Floats
    """What the prompt costs in each of these, shape [num_problems]."""
    recorded: Curve
    """In the order of the recording."""
    shuffled: Curve | None
    """Mean over the drawn orders; ``None``: none were drawn."""


async def read_answers(
    problem: Problem, backend: ReplayBackend, workers: Workers, grade: GradeAnswer
) -> RecordedAnswers | None:
    """Return what was recorded of a problem; ``None``: no whole sample.

    Args:
        problem: whose prompt was recorded.
        backend: it must be running.
        workers: where formulas are compared.
        grade: says which answers are right.
    """
    recordings = backend.recordings(problem.prompt)
    if recordings is None:
        return None
    takes = [backend.whole(recordings, draw) for draw in recordings.whole]
    answers = [extract_answer(taken.sample.shown) for taken in takes]
    keys = await AnswerClasses(workers).keys(answers)
    numbers = {key: number for number, key in enumerate(dict.fromkeys(keys)) if key is not None}
    return RecordedAnswers(
        draws=recordings.whole,
        votes=np.array([-1 if key is None else numbers[key] for key in keys], dtype=np.int64),
        correct=np.array([await grade(problem, answer) for answer in answers], dtype=np.bool_),
        lengths=np.array([taken.num_tokens for taken in takes], dtype=np.int64),
        seconds=np.array([taken.seconds for taken in takes], dtype=np.float64),
        prompt_tokens=recordings.first_prompt.prompt_computed,
        deal=recordings.dealt,
    )


def make_reference(problems: Sequence[RecordedAnswers], orders: Sequence[int]) -> Reference | None:
    """Return the reference for a benchmark; ``None``: there are no problems, or one has no sample.

    Args:
        problems: the recorded answers of each.
        orders: seeds of the drawn orders.
    """
    num_samples = min((len(problem.draws) for problem in problems), default=0)
    if num_samples == 0:
        return None
    return Reference(
        num_samples=num_samples,
        single=_single(problems, num_samples),
        any_correct=np.array(
            [float(problem.correct[_places(problem, None, num_samples)].any()) for problem in problems]
        ),
        prompt_tokens=np.array([float(problem.prompt_tokens) for problem in problems]),
        recorded=_curve(problems, [None], num_samples),
        shuffled=_curve(problems, orders, num_samples) if orders else None,
    )


def _single(problems: Sequence[RecordedAnswers], num_samples: int) -> Measured:
    firsts = [(problem, _places(problem, None, num_samples)) for problem in problems]
    lengths = np.array([problem.lengths[first].mean() for problem, first in firsts])
    return Measured(
        correct=np.array([problem.correct[first].mean() for problem, first in firsts]),
        tokens=lengths + [problem.prompt_tokens for problem in problems],
        samples=np.ones(len(problems)),
        critical_path_tokens=lengths,
        seconds=np.array([problem.seconds[first].mean() for problem, first in firsts]),
    )


def _places(problem: RecordedAnswers, order: int | None, num_samples: int) -> NDArray[np.int64]:
    """Return which of a problem's samples are dealt first."""
    place_of = {draw: place for place, draw in enumerate(problem.draws)}
    return np.array([place_of[draw] for draw in problem.deal(order)[:num_samples]], dtype=np.int64)


def _curve(problems: Sequence[RecordedAnswers], orders: Sequence[int | None], num_samples: int) -> Curve:
    shape = (len(problems), num_samples)
    correct, tokens, path, seconds = (np.zeros(shape) for _ in range(4))
    for row, problem in enumerate(problems):
        for order in orders:
            dealt = _places(problem, order, num_samples)
            winners = leaders(problem.votes[dealt])
            elected = dealt[np.maximum(winners, 0)]
            correct[row] += (winners >= 0) & problem.correct[elected]
            tokens[row] += problem.prompt_tokens + np.cumsum(problem.lengths[dealt])
            path[row] += np.maximum.accumulate(problem.lengths[dealt])
            seconds[row] += np.maximum.accumulate(problem.seconds[dealt])
    count = len(orders)
    return Curve(
        correct=correct / count,
        tokens=tokens / count,
        critical_path_tokens=path / count,
        seconds=seconds / count,
    )


def leaders(votes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return who is elected by the first k votes, for k = 1 to n: the place of the winner's first voter.

    Ties go to the class seen first, as in `ttscale_strategies.voting.rules.majority`.

    Args:
        votes: classes in the order of the samples, -1 for no vote; shape [n].

    Returns:
        Places in [0, n), -1 where nobody has voted; shape [n].
    """
    counts, first_place = dict[int, int](), dict[int, int]()
    leader, places = -1, list[int]()
    for place, vote in enumerate(votes.tolist()):
        if vote >= 0:
            counts[vote] = counts.get(vote, 0) + 1
            first_place.setdefault(vote, place)
            if leader < 0 or (-counts[vote], first_place[vote]) < (-counts[leader], first_place[leader]):
                leader = vote
        places.append(first_place[leader] if leader >= 0 else -1)
    return np.array(places, dtype=np.int64)
