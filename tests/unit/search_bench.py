"""What tests of searches share: a verifier made of a function, scripts of steps, a look at the nodes."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, cast

from ttscale import Budget, Engine, Outcome, Problem
from ttscale.run import Run
from ttscale.testing import FakeBackend, Reply
from ttscale.types import Prompt, Sample, Score
from ttscale.verifier import Example

Grade = Callable[[str], Score]


@dataclass(frozen=True, kw_only=True)
class Grader:
    """A verifier made of a function of the solution so far; it notes when it was asked what."""

    grade: Grade
    seconds: float = 0.0
    asked: list[tuple[float, str]] = field(default_factory=list[tuple[float, str]], compare=False, repr=False)
    needs: ClassVar[frozenset[str]] = frozenset()
    needs_target: ClassVar[bool] = False

    async def score(self, problem: Problem, samples: Sequence[Sample], run: Run) -> list[Score]:
        self.asked.extend((run.now(), sample.text) for sample in samples)
        await asyncio.sleep(self.seconds)
        return [self.grade(sample.text) for sample in samples]

    def examples(self) -> Sequence[Example]:
        return ()


def by_last_letter(text: str) -> Score:
    """Prefer letters late in the alphabet."""
    return Score(value=(ord(text.rstrip()[-1]) - ord("a")) / 26)


def begun_of(prompt: Prompt) -> str:
    """Return what the assistant has written so far."""
    return prompt.messages[-1].content if prompt.messages[-1].role == "assistant" else ""


class Steps:
    """A script of steps: replies by what was written so far, in order of the draws that ask."""

    def __init__(self, replies: Mapping[str, Sequence[Reply | str]]) -> None:
        self.replies = {begun: list(given) for begun, given in replies.items()}
        self.at = list[str]()

    def __call__(self, prompt: Prompt, seed: int, ordinal: int) -> Reply:
        begun = begun_of(prompt)
        self.at.append(begun)
        reply = self.replies[begun].pop(0)
        return reply if isinstance(reply, Reply) else Reply(reply)


async def solve(strategy: Any, script: Any, *, budget: Budget | None = None, **options: Any) -> Outcome:
    """Ask a question on an engine that follows the script; nothing stays reserved."""
    async with Engine(FakeBackend(script, **options)) as engine:
        outcome = await engine.solve("?", strategy=strategy, budget=budget)
        assert engine.ledger.reserved.tokens == 0
        return outcome


def files(folder: Path) -> list[Path]:
    """Return what is in a folder."""
    return list(folder.iterdir())


def nodes_of(outcome: Outcome) -> list[Mapping[str, Any]]:
    """Return what the trace knows of the draws, in order of their beginning."""
    spans = cast("Sequence[Mapping[str, Any]]", outcome.trace)
    return [span["attributes"] for span in spans if span["kind"] == "node"]


def wander(prompt: Prompt, seed: int, ordinal: int) -> Reply:
    """Take some steps, and end."""
    draw = random.Random(seed)
    depth = begun_of(prompt).count("\n")
    if depth >= 4 or draw.random() < 0.2:
        return Reply(f"\\boxed{{{draw.randrange(3)}}}", seconds=draw.uniform(1, 9))
    return Reply(f"{depth}{chr(draw.randrange(97, 123))}\n", seconds=draw.uniform(1, 9))
