"""What tests of contests share: candidates with given answers, scripted judges, what a trace says."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence

from ttscale import registry
from ttscale.budget import Budget
from ttscale.engine import Engine
from ttscale.testing import FakeBackend, Reply, Rule, Script
from ttscale.types import JSON, Outcome, Prompt

Rating = Callable[[list[int]], int]
"""From the answers that a judge is shown, in order, to the place of the best, from 0."""


def solutions(*answers: int | str | None, lengths: Sequence[int] = ()) -> list[Reply]:
    """Return candidates with these answers (None: none), of 20 tokens unless lengths are given."""
    texts = ["I wonder." if answer is None else f"So \\boxed{{{answer}}}." for answer in answers]
    return [
        Reply(text, num_tokens=length) for text, length in zip(texts, lengths or [20] * len(texts), strict=True)
    ]


def answers_shown(prompt: Prompt) -> list[int]:
    """Return the answers in a judge's prompt, in the order in which it sees them."""
    return [int(answer) for answer in re.findall(r"boxed\{(\d+)\}", prompt.question)]


def greatest(shown: list[int]) -> int:
    """Like the candidate with the greatest answer best."""
    return shown.index(max(shown))


def first_place(shown: list[int]) -> int:
    """Like whoever is shown first."""
    return 0


def in_words(best: Rating = greatest) -> Rule:
    """Return a judge that names the winner of two in a text."""
    return lambda prompt, seed, ordinal: (
        f"<compare>So.</compare><winner>Solution {best(answers_shown(prompt)) + 1}</winner>"
    )


def in_json(best: Rating = greatest) -> Rule:
    """Return a judge that names the index of the best of all."""
    return lambda prompt, seed, ordinal: f'{{"index": {best(answers_shown(prompt)) + 1}, "analysis": "so"}}'


def in_label(best: Rating = greatest, p: float = 0.9) -> Callable[[Prompt, int, int], Reply]:
    """Return a judge that says a label with this probability."""

    def rule(prompt: Prompt, seed: int, ordinal: int) -> Reply:
        said, other = "AB" if best(answers_shown(prompt)) == 0 else "BA"
        return Reply(said, top_logprobs=[{said: math.log(p), other: math.log(1 - p)}])

    return rule


async def contest(
    spec: str, candidates: Script | FakeBackend, judge: Script | FakeBackend, *, budget: Budget | None = None
) -> tuple[Outcome, FakeBackend]:
    """Solve a question with a strategy whose ``judge=judge`` is scripted; nothing is left running.

    Returns:
        The outcome, and the judge with its records.
    """
    own = candidates if isinstance(candidates, FakeBackend) else FakeBackend(candidates)
    other = judge if isinstance(judge, FakeBackend) else FakeBackend(judge)
    separator = "," if ":" in spec else ":"
    async with Engine(own, models={"judge": other}) as engine:
        strategy = registry.create_strategy(f"{spec}{separator}judge=judge")
        outcome = await engine.solve("Which number?", strategy=strategy, budget=budget)
        assert own.num_running == other.num_running == 0
        assert engine.ledger.reserved.tokens == 0
    return outcome, other


def noted(outcome: Outcome, name: str) -> list[JSON]:
    """Return the values of an attribute of the trace's spans, in their order."""
    attributes = [span["attributes"] for span in outcome.trace if isinstance(span, dict)]
    return [one[name] for one in attributes if isinstance(one, dict) and name in one]


def listed(value: JSON) -> list[JSON]:
    """Return a JSON list as what it is."""
    assert isinstance(value, list)
    return value
