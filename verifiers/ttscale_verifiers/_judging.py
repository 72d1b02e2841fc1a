"""What verifiers that ask a model have in common: whom they ask, how, and what becomes of an answer."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from typing import Any, Final, TypeVar

from ttscale.errors import BackendError
from ttscale.run import Run
from ttscale.types import Message, Prompt, Sample, Sampling, Score
from ttscale_verifiers.step_scores import right_probability

T = TypeVar("T")

JUDGE_NEEDS: Final = frozenset({"rewards or max_top_logprobs", "rewards or token_ids"})
"""What a judge's model must give: rewards, or the likeliest tokens by their ids."""

_NUM_TOP: Final = 5
"""Tokens looked at: the two signs, and some of what a model that was not taught them may say."""


async def score_samples(samples: Sequence[Sample], judge: Callable[[str], Awaitable[Score]]) -> list[Score]:
    """Judge the texts of samples side by side, one score a sample, in order.

    A failed sample, and a text that cannot be judged, give a score without value, with the reason.
    """

    async def score(sample: Sample) -> Score:
        if sample.is_error:
            return Score(value=None, reason="failed sample")
        try:
            return await judge(sample.text)
        except BackendError as error:
            return Score(value=None, reason=str(error))

    return await side_by_side(score(sample) for sample in samples)


async def side_by_side(calls: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Return what the calls return, in order; if one raises, the others are cancelled and it is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(call) for call in calls]
    except ExceptionGroup as failures:
        raise _first(failures) from failures
    return [task.result() for task in tasks]


def _first(failures: ExceptionGroup[Exception]) -> Exception:
    first = failures.exceptions[0]
    return _first(first) if isinstance(first, ExceptionGroup) else first


async def ask(run: Run, prompt: Prompt) -> float:
    """Return the probability that the model goes on with `RIGHT` rather than `WRONG`, in [0, 1].

    One token is generated, greedily; the prompt goes as token ids, so that what begins like an earlier one is
    taken from the prefix cache.

    Raises:
        BackendError: the prompt cannot be run, or the model says neither.
        BudgetExhausted: it does not fit the budget.
    """
    num_top = min(_NUM_TOP, run.capabilities.max_top_logprobs)
    sampling = Sampling(max_tokens=1, temperature=0.0, logprobs=num_top)
    async with run.sample(prompt, sampling=sampling) as samples:
        sample = await anext(samples)
    if sample.is_error:
        raise BackendError(sample.error or "the judge failed")
    said = dict[str, float]()
    for token_id, logprob in (sample.top_logprobs or ({},))[0].items():
        text = run.decode((token_id,)).strip()
        said[text] = said.get(text, 0.0) + math.exp(logprob)
    if (probability := right_probability(said)) is None:
        raise BackendError(f"the judge {run.profile.name!r} said {sample.text!r}, neither + nor -")
    return probability


def answered(question: str, answer: str) -> Prompt:
    """Return the conversation that a reward model grades."""
    return Prompt(messages=(Message("user", question), Message("assistant", answer)))
