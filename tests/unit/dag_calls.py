"""What the tests of tool graphs share: tools that take virtual time, and what was called when."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from ttscale.budget import Budget
from ttscale.engine import Engine
from ttscale.strategy import Strategy
from ttscale.testing import FakeBackend, Script
from ttscale.tools import FunctionTool, ToolResult
from ttscale.types import JSON, Outcome, Problem
from ttscale_strategies.dag import Need, Node


@dataclass
class Desk:
    """Makes calls that take `Node.seconds`, and remembers them."""

    values: Mapping[str, JSON | Exception] = field(default_factory=dict[str, "JSON | Exception"])
    """By id of the call; an exception is raised. Others give their own id."""
    began: dict[str, float] = field(default_factory=dict[str, float])
    ended: dict[str, float] = field(default_factory=dict[str, float])
    given: dict[str, Mapping[str, JSON]] = field(default_factory=dict[str, Mapping[str, JSON]])
    num_running: int = 0
    peak_running: int = 0

    async def __call__(self, node: Node, arguments: Mapping[str, JSON]) -> ToolResult:
        loop = asyncio.get_running_loop()
        assert node.id not in self.began, f"{node.id} was called twice"
        self.began[node.id], self.given[node.id] = loop.time(), arguments
        self.num_running += 1
        self.peak_running = max(self.peak_running, self.num_running)
        try:
            await asyncio.sleep(node.seconds)
        finally:
            self.num_running -= 1
            self.ended[node.id] = loop.time()
        value = self.values.get(node.id, node.id)
        if isinstance(value, Exception):
            raise value
        return ToolResult(value=value)


def call(id: str, *needs: str, seconds: float = 1.0, **arguments: JSON) -> Node:
    """Return a call of a tool named like it, that needs others whatever comes of them."""
    return Node(id=id, tool=f"tool {id}", arguments=arguments, needs=tuple(map(Need, needs)), seconds=seconds)


async def search(query: str) -> str:
    """Look something up, which takes a second, or two for B."""
    await asyncio.sleep(2 if query == "B" else 1)
    found = {"A": "12", "B": "5", "money": "$2 and {question}"}
    if query == "nothing":
        raise LookupError("there is nothing")
    if query == "for ever":
        await asyncio.Event().wait()
    return found.get(query, f"<{query}>")


async def math(problem: str, context: list[str]) -> str:
    """Answer a problem by a context, which takes a second."""
    await asyncio.sleep(1)
    return f"{problem} of {', '.join(context)}"


async def add(a: int, b: int) -> int:
    """Add two whole numbers, which takes a second."""
    await asyncio.sleep(1)
    return a + b


TOOLS = (FunctionTool(function=search), FunctionTool(function=math), FunctionTool(function=add))


async def ask(
    strategy: Strategy,
    script: Script,
    *,
    budget: Budget | None = None,
    problem: Problem | None = None,
    seconds_per_token: float = 0.0,
) -> tuple[Outcome, FakeBackend]:
    """Solve one question; by default the model takes no time."""
    backend = FakeBackend(script, seconds_per_token=seconds_per_token)
    async with Engine(backend) as engine:
        asked = problem or Problem.ask("How much is it?")
        outcome = await engine.solve(asked, strategy=strategy, budget=budget)
        assert (backend.num_running, engine.ledger.reserved.tool_calls) == (0, 0)
    return outcome, backend


def calls_of(outcome: Outcome) -> list[Mapping[str, JSON]]:
    """Return what the trace tells of each call."""
    attributes = outcome.trace[0]["attributes"]
    assert isinstance(attributes, Mapping)
    calls = attributes["calls"]
    assert isinstance(calls, list | tuple)
    return [dict(row) for row in calls if isinstance(row, Mapping)]
