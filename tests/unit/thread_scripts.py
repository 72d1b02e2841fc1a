"""What the tests of threads share: a model that writes on from what it has written, and its traces."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import cast

from ttscale import registry
from ttscale.backends.base import Capabilities
from ttscale.budget import Budget
from ttscale.engine import Engine
from ttscale.strategies import Threads
from ttscale.testing import EVERYTHING, FakeBackend, Reply
from ttscale.types import JSON, Outcome, Problem, Prompt

QUESTION = "How much is it?"


def begun(prompt: Prompt) -> str:
    """Return what the model has written already: its open turn, or bare text."""
    if prompt.text is not None:
        return prompt.text
    return prompt.messages[-1].content if prompt.messages[-1].role == "assistant" else ""


@dataclass
class Writer:
    """Goes on by what it has written: of the endings that fit, the longest says how; remembers the prompts."""

    replies: Mapping[str, str | Reply]
    """From the end of what stands there, or of the question where nothing does, to what comes next."""
    seconds: Callable[[str], float | None] = lambda _: None
    """How long a reply takes, by its key; ``None``: 0.01 s a token."""
    prompts: list[Prompt] = field(default_factory=list[Prompt])

    def __call__(self, prompt: Prompt, seed: int, ordinal: int) -> Reply | str:
        self.prompts.append(prompt)
        written = begun(prompt) or prompt.question
        keys = [key for key in self.replies if written.endswith(key)]
        if not keys:
            raise LookupError(f"nothing is said to {written!r}")
        key = max(keys, key=len)
        found = self.replies[key]
        seconds = self.seconds(key)
        return found if seconds is None or isinstance(found, Reply) else Reply(found, seconds=seconds)

    @property
    def written(self) -> list[str]:
        """What stood there at each call, in order."""
        return [begun(prompt) for prompt in self.prompts]


async def think(
    strategy: str | Threads,
    model: Writer | Callable[[Prompt, int, int], Reply | str],
    *,
    prompt: Prompt | None = None,
    target: str | None = None,
    budget: Budget | None = None,
    capabilities: Capabilities = EVERYTHING,
    seed: int = 0,
) -> tuple[Outcome, FakeBackend]:
    """Solve one question at 0.01 s a token, a token a character."""
    backend = FakeBackend(model, seconds_per_token=0.01, capabilities=capabilities)
    built = registry.create_strategy(strategy) if isinstance(strategy, str) else strategy
    problem = Problem(id="question", prompt=prompt or Prompt.user(QUESTION), target=target)
    async with Engine(backend) as engine:
        outcome = await engine.solve(problem, strategy=built, budget=budget, seed=seed)
        assert (backend.num_running, engine.ledger.reserved.tokens) == (0, 0)
    return outcome, backend


def spans(outcome: Outcome) -> list[Mapping[str, JSON]]:
    """Return what the trace says of branches, in order of their beginning."""
    found = [span["attributes"] for span in outcome.trace if span["kind"] == "thread"]
    return [one for one in cast("list[Mapping[str, JSON]]", found) if one.get("depth") != 0]


def noted(outcome: Outcome, name: str) -> JSON:
    """Return what the trace says of the run under a name."""
    attributes = outcome.trace[0]["attributes"]
    assert isinstance(attributes, Mapping)
    return attributes.get(name)
