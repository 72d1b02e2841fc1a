"""What the tests of agents share: replies that are steps, tools that take time, and runs of one question."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence

from ttscale import registry
from ttscale.budget import Budget
from ttscale.engine import Engine
from ttscale.strategy import Strategy
from ttscale.testing import FakeBackend, Script
from ttscale.tools import FunctionTool, Tool
from ttscale.types import JSON, Outcome, Problem, Prompt

QUESTION = "How much is it?"


def call(tool: str, **arguments: JSON) -> str:
    """Return a reply that calls a tool."""
    return json.dumps({"tool": tool, "arguments": arguments}, sort_keys=True)


def answer(text: str) -> str:
    """Return a reply that answers."""
    return f"So \\boxed{{{text}}}."


def slow_add(seconds: float = 0.5) -> Tool:
    """Return a tool that adds two numbers and takes its time."""

    async def add(a: int, b: int) -> int:
        """Add two numbers."""
        await asyncio.sleep(seconds)
        return a + b

    return FunctionTool(function=add)


def num_steps(prompt: Prompt) -> int:
    """Return how many steps an agent has taken before it was asked this."""
    return prompt.question.count("\nResult ")


async def ask(
    strategy: str | Strategy,
    script: Script,
    *,
    tools: Sequence[Tool] = (),
    models: Mapping[str, FakeBackend] | None = None,
    problem: Problem | None = None,
    budget: Budget | None = None,
) -> tuple[Outcome, FakeBackend]:
    """Solve one question at 0.01 s a token, a token a character."""
    backend = FakeBackend(script)
    built = registry.create_strategy(strategy) if isinstance(strategy, str) else strategy
    async with Engine(backend, models=models or {}) as engine:
        outcome = await engine.solve(
            problem or Problem.ask(QUESTION), strategy=built, tools=tools, budget=budget
        )
        assert all(each.num_running == 0 for each in (backend, *(models or {}).values()))
        assert engine.ledger.reserved.tokens == 0
    return outcome, backend


def noted(outcome: Outcome, name: str) -> JSON:
    """Return what the trace says of the run under a name; ``None``: nothing."""
    (solve,) = (span for span in outcome.trace if span["kind"] == "solve")
    attributes = solve["attributes"]
    assert isinstance(attributes, Mapping)
    return attributes.get(name)
