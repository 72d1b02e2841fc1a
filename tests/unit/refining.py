"""What the tests of refining strategies share: a model that answers by what it is asked, and traces."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ttscale import registry
from ttscale.budget import Budget
from ttscale.engine import Engine
from ttscale.strategy import Strategy
from ttscale.testing import FakeBackend, Reply, Script
from ttscale.types import JSON, Outcome, Problem, Prompt

QUESTION = "How much is it?"
SUMMARY, PICK, ERRORS = (
    "Do not solve it. Sum up",
    "of them help most to solve it?",
    "Do not solve it anew. List",
)
"""By which the calls that prepare a round are told."""


@dataclass
class Model:
    """Replies by the prompt and by how often something like it has been asked, and remembers the prompts."""

    reply: Callable[[str, int], Reply | str]
    """From the last user turn and the number of replies to prompts of its kind before, from 0."""
    prompts: list[Prompt] = field(default_factory=list[Prompt])

    def __call__(self, prompt: Prompt, seed: int, ordinal: int) -> Reply | str:
        kind = self._kind(prompt.question)
        number = sum(self._kind(earlier.question) == kind for earlier in self.prompts)
        self.prompts.append(prompt)
        return self.reply(prompt.question, number)

    @property
    def asked(self) -> list[str]:
        """The last user turns, in order of asking."""
        return [prompt.question for prompt in self.prompts]

    @staticmethod
    def _kind(text: str) -> str:
        return next((mark for mark in (SUMMARY, PICK, ERRORS) if mark in text), "solve")


def in_order(*replies: Reply | str, otherwise: Reply | str = "none") -> Model:
    """Return a model that solves with these replies one after the other, and says to all else the same."""

    def reply(text: str, number: int) -> Reply | str:
        return otherwise if any(mark in text for mark in (SUMMARY, PICK, ERRORS)) else replies[number]

    return Model(reply)


async def ask(
    strategy: str | Strategy,
    model: Script,
    *,
    problem: Problem | None = None,
    budget: Budget | None = None,
    seed: int = 0,
) -> tuple[Outcome, FakeBackend]:
    """Solve one question at 0.01 s a token, a token a character."""
    backend = FakeBackend(model, seconds_per_token=0.01)
    built = registry.create_strategy(strategy) if isinstance(strategy, str) else strategy
    async with Engine(backend) as engine:
        asked = problem or Problem.ask(QUESTION)
        outcome = await engine.solve(asked, strategy=built, budget=budget, seed=seed)
        assert (backend.num_running, engine.ledger.reserved.tokens) == (0, 0)
    return outcome, backend


def noted(outcome: Outcome, name: str) -> JSON:
    """Return what the trace says of the run under a name; ``None``: nothing."""
    (solve,) = (span for span in outcome.trace if span["kind"] == "solve")
    attributes = solve["attributes"]
    assert isinstance(attributes, dict)
    return attributes.get(name)


def spent(backend: FakeBackend) -> list[int]:
    """Return prompt and generated tokens of each call."""
    usages = [record.usage for record in backend.records]
    return [usage.prompt_computed + usage.prompt_cached + usage.generated for usage in usages]
