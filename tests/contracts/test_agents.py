"""Every strategy that plans tool calls keeps the contract, while it calls tools and while it does not."""

from __future__ import annotations

import asyncio
import json
import re

import pytest

from ttscale.engine import Engine
from ttscale.strategy import Strategy
from ttscale.testing import FakeBackend, Reply, Script, check_strategy, virtual_clock
from ttscale.testing.strategy_checks import CLAUSES
from ttscale.tools import FunctionTool
from ttscale.types import Prompt
from ttscale_strategies import FlashSearcher, LLMCompiler, PlanOverGraph, ReAct, WideAndDeep


async def double(value: int) -> int:
    """Double a number, unless it is 3."""
    await asyncio.sleep(0.1 * (1 + value % 3))
    if value == 3:
        raise ValueError("not three")
    return 2 * value


TOOLS = (FunctionTool(function=double),)
RULES = {
    "rules": [{"id": 1, "source": ["a"], "target": ["b"], "time": 1}],
    "initial_source": ["a"],
    "target": "b",
}


def busy(prompt: Prompt, seed: int, ordinal: int) -> str:
    """Call tools whenever that can be done, always in need of more; by the prompt and the seed alone."""
    asked, stated = prompt.question, f"It may be \\boxed{{{seed % 50}}}."
    if "Action: Replan(" in asked:
        return f"Thought: {stated}\nAction: Replan(more of {seed})"
    if "Action: Finish(" in asked and "\nAction: tool(" not in asked and "how many calls" not in asked:
        return f"Action: Finish({seed})"
    if "rules of production" in asked:
        return json.dumps(RULES)
    if "Each line of the plan" in asked:
        found = re.search(r"(?:with number|calls from) ([0-9]+)", asked)
        first = int(found[1]) if found else 1
        lines = [
            f"{first}. double({seed % 5})",
            f"{first + 1}. double(3)",
            f"{first + 2}. double(${first + 1}) after {first}",
        ]
        return "\n".join([stated, *lines, f"{first + 3}. join()"])
    return f"{stated}\nAction: double({seed % 5})\nAction: double(3)\n"


STRATEGIES: tuple[Strategy, ...] = (
    LLMCompiler(tools=TOOLS, temperature=1.0, max_replans=1),
    LLMCompiler(tools=TOOLS, temperature=1.0, joiner="last", max_workers=1),
    LLMCompiler(tools=TOOLS, temperature=1.0, on_error="stop", timeout_seconds=0.15),
    FlashSearcher(tools=TOOLS, temperature=1.0, max_refinements=2, refine_every=1),
    ReAct(tools=TOOLS, temperature=1.0, max_steps=3),
    WideAndDeep(tools=TOOLS, temperature=1.0, max_iterations=3),
    PlanOverGraph(tools=TOOLS, temperature=1.0, attempts=2),
)


@pytest.mark.slow
@pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda strategy: type(strategy).__name__)
async def test_an_agent_keeps_every_clause(strategy: Strategy, thorough: bool) -> None:
    checked = await check_strategy(strategy, undecided=busy, thorough=thorough)
    assert checked == [clause.promise for clause in CLAUSES]


@pytest.mark.parametrize("script", [busy, Reply("half a", error="scripted failure")], ids=["busy", "failing"])
@pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda strategy: type(strategy).__name__)
@virtual_clock
async def test_an_agent_calls_its_tools_and_says_so_when_every_sample_fails(
    strategy: Strategy, script: Script
) -> None:
    async with Engine(FakeBackend(script)) as engine:
        outcome = await engine.solve("How much?", strategy=strategy)
    if script is busy:
        assert (outcome.usage.tool_calls > 0) == (not isinstance(strategy, PlanOverGraph))
    else:
        assert (outcome.answer, outcome.stop_reason) == (None, "error")
        assert outcome.error is not None
        assert "scripted failure" in outcome.error
