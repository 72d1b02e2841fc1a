"""Agents that speculate, branch, research and mend code, and several of them at once, keep the contract."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ttscale import registry
from ttscale.engine import Engine
from ttscale.testing import FakeBackend, Reply, check_strategy, virtual_clock
from ttscale.testing.strategy_checks import CLAUSES
from ttscale.tools import ToolResult
from ttscale.types import JSON, Problem, Prompt
from ttscale_strategies import (
    AgentBestOfN,
    CandidatesCrossover,
    CodeMonkeys,
    DynamicSpeculativePlanning,
    ParallelMuse,
)
from ttscale_strategies.dag._repository import trial_program

SPECS = (
    "agent_best_of_n:n=2,judge=other",
    'agent_best_of_n:n=2,choose=merge,model_uris=[null, other],strategy="single:temperature=1"',
    "candidates_crossover:max_iterations=2,progress_every=1,temperatures=[0.5, 1.0],top_ks=[30, 40]",
    "dynamic_speculative_planning:draft=other,max_steps=3,temperature=1",
    "dynamic_speculative_planning:target=other,k=3,max_steps=3,temperature=1,retries=0",
    "parallel_muse:n=3,k=1,branches=1,max_steps=2",
)
NEW = (AgentBestOfN, CandidatesCrossover, CodeMonkeys, DynamicSpeculativePlanning, ParallelMuse)
EDIT = "calc.py\n<<<<<<< SEARCH\n    return a - b\n=======\n    return a + b + {}\n>>>>>>> REPLACE\n"


def _by_kind(asked: str, draw: random.Random, *, is_undecided: bool) -> str | None:
    """Return what is said to special questions; ``None`` to others."""
    if '"should_update"' in asked:
        return '{"should_update": %s, "updates": "more"}' % ("true" if is_undecided else "false")
    if "How much of the plan" in asked:
        return "10" if is_undecided else str(draw.choice([10, 95]))
    if "Results of several" in asked:
        return f'{{"index": {draw.randrange(5)}, "analysis": "so", "merged": "\\\\boxed{{42}}"}}'
    if "between <report>" in asked:
        return "<report>so</report>"
    if "Mend it. Write each" in asked or "Where the edit does all" in asked:
        return EDIT.format(draw.randrange(10**9) if is_undecided else draw.randrange(2))
    if "tests for what is asked" in asked or "It should fail now" in asked:
        return f"<test>assert {draw.randrange(9)}</test>"
    if "Which of them is right" in asked:
        return f"<chosen_candidate_fix_id>{draw.randrange(1, 4)}</chosen_candidate_fix_id>"
    return None


def some_end(prompt: Prompt, seed: int, ordinal: int) -> str:
    """Call a tool that is not there, answer one of two things, or say nothing of use."""
    draw = random.Random(f"{prompt.question} {seed}")
    said = _by_kind(prompt.question, draw, is_undecided=False)
    call = json.dumps({"tool": "search", "arguments": {"query": draw.choice("ab")}})
    return said or draw.choice([call, call, "So \\boxed{42}.", "So \\boxed{41}.", "I wonder."])


def never_alike(prompt: Prompt, seed: int, ordinal: int) -> str:
    """State another answer each time, and never end where calls are made."""
    draw = random.Random(f"{prompt.question} {seed}")
    said = _by_kind(prompt.question, draw, is_undecided=True)
    if said is None and "Take one step" in prompt.question:
        return f'It may be \\boxed{{{seed}}}. {{"tool": "search", "arguments": {{}}}}'
    return said or f"So \\boxed{{{seed}}}."


@dataclass(frozen=True, kw_only=True)
class Pretended:
    """A sandbox whose programs pass or not by their length."""

    name: str = "python"
    description: str = "Runs Python."
    parameters: Mapping[str, JSON] = field(default_factory=dict[str, JSON])

    async def call(self, arguments: Mapping[str, JSON], /) -> ToolResult:
        code = str(arguments["code"])
        word = code.rpartition("print('")[2].partition("'")[0]
        return ToolResult(value=word) if len(code) % 2 else ToolResult(error="AssertionError")


def test_what_is_new_here_is_tried() -> None:
    tried = {type(registry.create_strategy(spec)) for spec in SPECS}
    assert tried == set(NEW) - {CodeMonkeys}
    assert trial_program({}, "pass", "word").endswith("print('word')\n")


@pytest.mark.slow
@pytest.mark.parametrize("spec", SPECS)
async def test_an_agent_keeps_every_clause(spec: str, thorough: bool) -> None:
    checked = await check_strategy(
        registry.create_strategy(spec),
        script=some_end,
        undecided=never_alike,
        models=["other"],
        thorough=thorough,
    )
    assert checked == [clause.promise for clause in CLAUSES]


async def test_code_monkeys_keep_every_clause(tmp_path: Path, thorough: bool) -> None:
    (tmp_path / "calc.py").write_text("def add(a, b):\n    return a - b\n")
    strategy = CodeMonkeys(
        tools=(Pretended(),), repository=str(tmp_path), n=2, max_turns=2, max_selection_turns=1
    )
    checked = await check_strategy(strategy, script=some_end, undecided=never_alike, thorough=thorough)
    assert checked == [clause.promise for clause in CLAUSES]


@virtual_clock
@pytest.mark.parametrize("spec", SPECS)
async def test_an_agent_says_so_when_every_sample_fails(spec: str) -> None:
    own, other = (FakeBackend(Reply("half a", error="scripted failure")) for _ in range(2))
    async with Engine(own, models={"other": other}) as engine:
        outcome = await engine.solve(Problem.ask("How much?"), strategy=registry.create_strategy(spec))
    assert (outcome.answer, outcome.stop_reason) == (None, "error")
    assert outcome.error is not None
    assert "scripted failure" in outcome.error
