"""What tests of judges share: scripted judges, samples to judge, and how to have them scored."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ttscale.backends import Backend
from ttscale.budget import Budget
from ttscale.engine import Engine
from ttscale.run import Run
from ttscale.testing import FakeBackend, FunctionStrategy, Reply, Rule
from ttscale.testing.verifier_checks import sample_of
from ttscale.types import Outcome, Problem, Prompt, Sample, Score
from ttscale.verifier import Example, Verifier

SUM: Final = Problem.ask("What is 2 + 3 + 4?", id="sum")
RIGHT_STEPS: Final = "2 + 3 = 5\n5 + 4 = 9\n\\boxed{9}"
WRONG_STEPS: Final = "2 + 3 = 6\n6 + 4 = 10\n\\boxed{10}"
STEP: Final = "§"
"""The step token of a scripted reward model."""


def says(right: float, wrong: float) -> Reply:
    """Return a judge's reply with these probabilities of the two signs."""
    by_sign = sorted({"+": right, "-": wrong}.items(), key=lambda item: -item[1])
    return Reply(by_sign[0][0], top_logprobs=[{sign: math.log(value) for sign, value in by_sign}])


def judging(wrong: Sequence[str] = ("= 6", "= 10", "{10}")) -> Rule:
    """Return a judge that doubts what contains one of these, three to one either way."""

    def rule(prompt: Prompt, seed: int, ordinal: int) -> Reply:
        doubted = any(text in prompt.messages[-1].content for text in wrong)
        return says(0.2, 0.6) if doubted else says(0.6, 0.2)

    return rule


def doubting(answer: str) -> list[float]:
    """Return log-probabilities of an answer's characters: low where it has gone wrong."""
    bad = {at + len(text) - 1 for text in ("= 6", "= 10", "{10}") for at in _places(text, answer)}
    return [-5.0 if at in bad else -0.01 for at in range(len(answer))]


def _places(text: str, within: str) -> list[int]:
    return [found.start() for found in re.finditer(re.escape(text), within)]


def grade(text: str) -> float:
    """Return a reward model's opinion of a text: low if it ends in a mistake."""
    return 0.2 if text.rstrip(STEP).endswith(("= 6", "= 10", "{10}")) else 0.9


def samples_of(*texts: str) -> list[Sample]:
    return [sample_of(Example(problem=SUM, text=text, accepted=True), at) for at, text in enumerate(texts)]


@dataclass(frozen=True, kw_only=True)
class Scoring(FunctionStrategy):
    """Knows the verifier that its body uses, so that the engine can see to what is needed."""

    verifier: Verifier


async def judge(
    verifier: Verifier,
    *texts: str,
    own: Backend | None = None,
    models: Mapping[str, Backend] | None = None,
    budget: Budget | None = None,
    problem: Problem = SUM,
) -> tuple[list[Score], Outcome]:
    """Return the scores of texts, and the outcome of the run in which they were scored."""
    scores = list[Score]()

    async def body(run: Run) -> str:
        scores.extend(await run.score(samples_of(*texts), verifier))
        return "done"

    strategy = Scoring(body=body, verifier=verifier)
    async with Engine(own or FakeBackend(judging()), models=models) as engine:
        outcome = await engine.solve(problem, strategy=strategy, budget=budget)
        assert engine.ledger.reserved.tokens == 0
    return scores, outcome
