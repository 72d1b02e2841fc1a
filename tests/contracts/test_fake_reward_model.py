"""FakeRewardModel keeps the contract of reward models; one that breaks a clause is found out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from ttscale.backends.base import Backend, Capabilities, Chunk, Generation, Request, Rewards
from ttscale.errors import BackendError, ParameterError
from ttscale.testing import FakeRewardModel, check_backend, virtual_clock
from ttscale.testing.reward_checks import REWARD_CLAUSES
from ttscale.types import Prompt, SampleUsage

STEP = "§"


def vowels(text: str) -> float:
    """Return the share of vowels, which no two texts of the kit have in common."""
    return sum(text.count(vowel) for vowel in "aeiou") / (1 + len(text))


@virtual_clock
@pytest.mark.parametrize("step_token", [None, STEP])
async def test_the_fake_reward_model_keeps_every_clause(step_token: str | None) -> None:
    checked = await check_backend(lambda: FakeRewardModel(vowels, step_token=step_token), step_token=step_token)
    assert checked[:-1] == [clause.promise for clause in REWARD_CLAUSES]
    assert checked[-1] == "closing the reward model ends everything"


@virtual_clock
async def test_a_started_reward_model_is_checked_and_left_running() -> None:
    async with FakeRewardModel(vowels) as backend:
        assert len(await check_backend(backend)) == len(REWARD_CLAUSES)
        await check_backend(backend)


class Broken(FakeRewardModel):
    """Breaks a promise in `change`."""

    def __init__(self, change: Callable[[Rewards], Rewards] = lambda rewards: rewards) -> None:
        super().__init__(vowels, step_token=STEP)
        self.change = change
        self.running = 0

    async def reward(self, prompt: Prompt, *, step_token: str | None = None) -> Rewards:
        self.running += 1
        try:
            return self.change(await super().reward(prompt, step_token=step_token))
        finally:
            self.running -= 1


class Crowded(Broken):
    """Grades otherwise in company."""

    async def reward(self, prompt: Prompt, *, step_token: str | None = None) -> Rewards:
        alone = self.running == 0
        rewards = await super().reward(prompt, step_token=step_token)
        return rewards if alone else replace(rewards, values=tuple(value / 2 for value in rewards.values))


class Foreseeing(Broken):
    """Has every step know of the last."""

    async def reward(self, prompt: Prompt, *, step_token: str | None = None) -> Rewards:
        rewards = await super().reward(prompt, step_token=step_token)
        return replace(rewards, values=tuple((v + len(rewards.values)) / 10 for v in rewards.values))


class Lenient(Broken):
    """Takes any step token for its own."""

    async def reward(self, prompt: Prompt, *, step_token: str | None = None) -> Rewards:
        return await super().reward(prompt, step_token=STEP)


class Careless(Broken):
    """Grades what it cannot have read."""

    async def reward(self, prompt: Prompt, *, step_token: str | None = None) -> Rewards:
        try:
            return await super().reward(prompt, step_token=step_token)
        except ParameterError:
            raise
        except BackendError:
            return Rewards(values=(0.5,), usage=SampleUsage(prompt_computed=1))


class Talkative(Broken):
    """Draws samples."""

    def generate(self, request: Request) -> Generation:
        generation = Generation(len(request.seeds), lambda _: None)
        for index in range(len(request.seeds)):
            usage = SampleUsage(prompt_computed=1, generated=1)
            generation.push(Chunk(index=index, text="yes", finish_reason="stop", usage=usage))
        return generation


class Undead(Broken):
    """Grades on after it was closed."""

    async def aclose(self) -> None:
        pass


MUTANTS: dict[str, tuple[Callable[[], Backend], str]] = {
    "one reward too few": (
        lambda: Broken(lambda r: replace(r, values=r.values[1:])),
        "texts have rewards",
    ),
    "logits for rewards": (
        lambda: Broken(lambda r: replace(r, values=tuple(9 * value + 1 for value in r.values))),
        r"a reward is .* not in \[0, 1\]",
    ),
    "free of charge": (
        lambda: Broken(lambda r: replace(r, usage=SampleUsage())),
        "usage has 0 tokens",
    ),
    "too dear": (
        lambda: Broken(lambda r: replace(r, usage=SampleUsage(prompt_computed=10_000))),
        "usage has 10000 tokens",
    ),
    "blind": (
        lambda: Broken(lambda r: replace(r, values=(0.5,) * len(r.values))),
        "other texts have other rewards",
    ),
    "crowded": (Crowded, "side by side"),
    "foreseeing": (Foreseeing, "does not depend on later ones"),
    "lenient": (Lenient, "a wrong step token"),
    "careless": (Careless, "a text that cannot be graded"),
    "talkative": (Talkative, "it draws no samples"),
    "undead": (Undead, "closing the reward model"),
}


@virtual_clock
@pytest.mark.parametrize("name", MUTANTS)
async def test_a_reward_model_that_breaks_a_promise_is_found_out(name: str) -> None:
    factory, promise = MUTANTS[name]
    with pytest.raises(AssertionError, match=promise):
        await check_backend(factory, step_token=STEP)


def test_a_fake_reward_model_says_what_it_can() -> None:
    assert FakeRewardModel(vowels).capabilities == Capabilities(token_ids=True, rewards=True)
