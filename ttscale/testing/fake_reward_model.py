"""`FakeRewardModel`: a backend that grades texts as it is told to, on the event loop's clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from ttscale.backends.base import Backend, Capabilities, Generation, ModelProfile, Request, Rewards
from ttscale.backends.rewards import RewardHead, unknown_step_token
from ttscale.errors import BackendError
from ttscale.testing import characters
from ttscale.testing.fake import TOY
from ttscale.types import Prompt, SampleUsage

_NOT_RUNNING: Final = "the reward model is not running; use it inside `async with backend:`"


class FakeRewardModel(Backend):
    """A reward model made of a function. Tokens are characters, as those of `FakeBackend` are.

    Attributes:
        graded: every text it was given, in order.
    """

    name = "fake"

    def __init__(
        self,
        grade: Callable[[str], float],
        *,
        step_token: str | None = None,
        seconds: float = 0.01,
        profile: ModelProfile = TOY,
    ) -> None:
        """Make a process reward model, or without `step_token` an outcome reward model.

        Args:
            grade: the reward of a text, in [0, 1]: of the whole, or of all up to the end of each step.
            step_token: a character that ends a step.
            seconds: what a text takes; all are graded at the same time.
            profile: of the pretended model; longer texts than its context fail.
        """
        self.capabilities = Capabilities(token_ids=True, rewards=True)
        self.profile = profile
        self.batch_size = 64
        self.graded = list[Prompt]()
        self._grade = grade
        self._step_token = step_token
        self._head = RewardHead("whole" if step_token is None else "steps", num_labels=1)
        self._seconds = seconds
        self._is_started = False
        self._waiting = set[asyncio.Future[None]]()

    async def start(self) -> None:
        """Start; nothing can go wrong."""
        self._is_started = True

    async def aclose(self) -> None:
        """Stop; texts that are being graded fail."""
        self._is_started = False
        for done in self._waiting:
            if not done.done():
                done.set_exception(BackendError("the reward model was closed while it graded this text"))

    def encode(self, prompt: Prompt) -> Prompt:
        """Return the prompt as token ids, one a character."""
        return Prompt(token_ids=characters.encode(prompt))

    def decode(self, token_ids: Sequence[int]) -> str:
        """Return the text of token ids."""
        return characters.decode(token_ids)

    def generate(self, request: Request) -> Generation:
        """Fail: a reward model draws no samples."""
        generation = Generation(len(request.seeds), lambda _: None)
        generation.fail(f"{self.profile.name!r} is a reward model; it draws no samples")
        return generation

    async def reward(self, prompt: Prompt, *, step_token: str | None = None) -> Rewards:
        """Grade a text; see `Backend.reward`."""
        if not self._is_started:
            raise BackendError(_NOT_RUNNING)
        name, ids = self.profile.name, characters.encode(prompt)
        self._head.check_step_token(step_token, model=name)
        if step_token != self._step_token:
            raise unknown_step_token(step_token or "", model=name)
        if len(ids) > (self.profile.context_length or len(ids)):
            raise BackendError(f"a text of {len(ids)} tokens does not fit {self.profile.context_length}")
        try:
            characters.check(ids)
        except ValueError as error:
            raise BackendError(str(error)) from error
        ends = self._head.positions(ids, ord(step_token) if step_token else None, model=name)
        self.graded.append(characters.parse(ids))
        await self._work()
        values = tuple(self._grade(characters.decode(ids[: end + 1])) for end in ends)
        return Rewards(values=values, usage=SampleUsage(prompt_computed=len(ids)))

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        self._waiting.add(done)
        timer = loop.call_later(self._seconds, _finish, done)
        try:
            await done
        finally:
            timer.cancel()
            self._waiting.discard(done)


def _finish(done: asyncio.Future[None]) -> None:
    if not done.done():
        done.set_result(None)
