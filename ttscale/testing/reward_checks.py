"""What `check_backend` holds a reward model to, see `Backend.reward`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Final

from ttscale.backends.base import Backend, Request, Rewards
from ttscale.errors import BackendError, ParameterError
from ttscale.testing.clauses import Clause, expect
from ttscale.testing.observe import follow
from ttscale.types import Message, Prompt, Sampling

_ROUNDING: Final = 1e-2
"""What a reward may change by in other company: weights may be of 16 bits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grading:
    """A started reward model."""

    backend: Backend
    step_token: str | None

    def text(self, num_steps: int = 3) -> Prompt:
        """Return a text of so many steps."""
        steps = [f"Step {number} of it." for number in range(1, num_steps + 1)]
        answer = "".join(f"{step}{self.step_token or ' '}" for step in steps)
        return Prompt(messages=(Message("user", "What is it?"), Message("assistant", answer)))

    async def reward(self, prompt: Prompt) -> Rewards:
        """Return the rewards of a text."""
        return await self.backend.reward(self.backend.encode(prompt), step_token=self.step_token)


async def _grades(grading: Grading) -> None:
    for num_steps in (1, 4):
        prompt = grading.text(num_steps)
        rewards = await grading.reward(prompt)
        wanted = num_steps if grading.step_token is not None else 1
        expect(len(rewards.values) == wanted, f"{num_steps} steps have {len(rewards.values)} rewards")
        for value in rewards.values:
            expect(0 <= value <= 1, f"a reward is {value!r}, not in [0, 1]")
        count = grading.backend.count_tokens(grading.backend.encode(prompt))
        seen = rewards.usage.prompt_computed + rewards.usage.prompt_cached
        expect(1 <= seen <= count, f"usage has {seen} tokens, count_tokens said {count}")
        expect(rewards.usage.generated == 0, f"{rewards.usage.generated} tokens were generated")


async def _tells_texts_apart(grading: Grading) -> None:
    first = await grading.reward(grading.text(1))
    other = await grading.reward(Prompt.user(f"Something else entirely{grading.step_token or ''}"))
    expect(first.values != other.values, f"two texts have the same rewards {first.values}")


async def _grades_side_by_side(grading: Grading) -> None:
    texts = [grading.text(1 + number % 5) for number in range(12)]
    alone = [await grading.reward(text) for text in texts]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(grading.reward(text)) for text in texts]
    for before, task in zip(alone, tasks, strict=True):
        values = task.result().values
        expect(_near(before.values, values), f"alone {before.values}, in company {values}")


async def _looks_back_only(grading: Grading) -> None:
    if grading.step_token is None:
        return
    short, long = await grading.reward(grading.text(2)), await grading.reward(grading.text(5))
    expect(_near(short.values, long.values[:2]), f"{short.values} became {long.values} as steps were added")


def _near(one: Sequence[float], other: Sequence[float]) -> bool:
    return len(one) == len(other) and all(abs(a - b) <= _ROUNDING for a, b in zip(one, other, strict=True))


async def _refuses(grading: Grading, call: Awaitable[Rewards], kind: type[Exception], what: str) -> None:
    try:
        rewards = await call
    except kind:
        await grading.reward(grading.text())
    else:
        raise AssertionError(f"{what} has the rewards {rewards.values}")


async def _refuses_the_wrong_kind(grading: Grading) -> None:
    backend, ids = grading.backend, grading.backend.encode(grading.text())
    other = "\n" if grading.step_token is None else None
    await _refuses(grading, backend.reward(ids, step_token=other), ParameterError, f"step_token={other!r}")
    unknown = "no token of any model"
    await _refuses(grading, backend.reward(ids, step_token=unknown), ParameterError, f"step_token={unknown!r}")


async def _refuses_wrong_texts(grading: Grading) -> None:
    backend = grading.backend
    for wrong in ((10**9,), (-1,), ()):
        call = backend.reward(Prompt(token_ids=wrong), step_token=grading.step_token)
        await _refuses(grading, call, BackendError, f"the token ids {wrong}")
    length, ids = backend.profile.context_length, backend.encode(grading.text()).token_ids
    if length is not None and ids:
        long = Prompt(token_ids=(ids * (length // len(ids) + 1))[: length + 1])
        call = backend.reward(long, step_token=grading.step_token)
        await _refuses(grading, call, BackendError, f"a text of {length + 1} tokens")
    if grading.step_token is not None:
        await _refuses(grading, grading.reward(Prompt.user("No step.")), BackendError, "a text without steps")


async def _draws_no_samples(grading: Grading) -> None:
    request = Request(prompt=grading.text(), sampling=Sampling(max_tokens=2), seeds=(1, 2))
    for sample in await follow(grading.backend.generate(request), 2):
        expect(sample.finish_reason == "error", f"a sample ended in {sample.finish_reason!r}")


async def _closes_amid_work(grading: Grading) -> None:
    before = asyncio.all_tasks()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_outcome(grading)) for _ in range(8)]
        await asyncio.sleep(0)
        await grading.backend.aclose()
        await grading.backend.aclose()
    expect(all(task.done() for task in tasks), "a text was neither graded nor refused")
    expect(isinstance(await _outcome(grading), BackendError), "a closed reward model grades on")
    left = {task for task in asyncio.all_tasks() - before if not task.done()}
    expect(not left, f"tasks are left: {left}")


async def _outcome(grading: Grading) -> Rewards | BackendError:
    try:
        return await grading.reward(grading.text())
    except BackendError as error:
        return error


REWARD_CLAUSES: Final[Sequence[Clause[Grading]]] = (
    Clause(promise="texts have rewards, and are charged for", check=_grades),
    Clause(promise="other texts have other rewards", check=_tells_texts_apart),
    Clause(promise="texts are graded side by side as they are alone", check=_grades_side_by_side),
    Clause(promise="a step's reward does not depend on later ones", check=_looks_back_only),
    Clause(promise="a wrong step token is the caller's mistake", check=_refuses_the_wrong_kind),
    Clause(promise="a text that cannot be graded is an error of its own only", check=_refuses_wrong_texts),
    Clause(promise="it draws no samples", check=_draws_no_samples),
)
"""The contract of a reward model, in the order it is checked."""

CLOSING_REWARDS: Final = Clause(promise="closing the reward model ends everything", check=_closes_amid_work)
