"""Parallel prompts keep the contract, whether a prompt is split or not, and whoever finds that out."""

from __future__ import annotations

import json

import pytest

from ttscale import registry
from ttscale.engine import Engine
from ttscale.testing import FakeBackend, Reply, Rule, Script, check_strategy, virtual_clock
from ttscale.testing.script import reply_of
from ttscale.testing.strategy_checks import CLAUSES, NOISY, QUESTION
from ttscale.types import Problem, Prompt

LIST = Problem.ask("Solve each: 1. 3 + 4 2. 5 + 6 3. 7 + 8")
SCHEMA = {
    "category": "sums",
    "template": "Solve {data}",
    "data": ["3 + 4", "5 + 6", "7 + 8"],
    "parallelizable": True,
}


def lengthy(prompt: Prompt, seed: int, ordinal: int) -> str:
    """Answer each sample differently, and at different length."""
    return f"So \\boxed{{{seed}}}." + "." * (seed % 40)


def with_schema(script: Script) -> Rule:
    """Return a script that also says how `LIST` is split."""

    def rule(prompt: Prompt, seed: int, ordinal: int) -> Reply | str:
        return json.dumps(SCHEMA) if "Request:" in prompt.question else reply_of(script, prompt, seed, ordinal)

    return rule


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ("parallel_prompts:retries=1", LIST),
        ("parallel_prompts:extractor=model,retries=0,max_tokens=90,temperature=0.7", LIST),
        ("parallel_prompts:serial=self_consistency:n=3", QUESTION),
        ("parallel_prompts:extractor=model,serial=self_consistency:n=3", QUESTION),
    ],
)
async def test_parallel_prompts_keep_every_clause(spec: str, problem: Problem, thorough: bool) -> None:
    checked = await check_strategy(
        registry.create_strategy(spec),
        problem=problem,
        script=with_schema(NOISY),
        undecided=with_schema(lengthy),
        thorough=thorough,
    )
    assert checked == [clause.promise for clause in CLAUSES]


@virtual_clock
@pytest.mark.parametrize("extractor", ["rules", "model"])
@pytest.mark.parametrize("problem", [LIST, QUESTION])
async def test_parallel_prompts_say_so_when_every_sample_fails(extractor: str, problem: Problem) -> None:
    strategy = registry.create_strategy(f"parallel_prompts:extractor={extractor}")
    async with Engine(FakeBackend(Reply("half a", error="scripted failure"))) as engine:
        outcome = await engine.solve(problem, strategy=strategy)
    assert (outcome.answer, outcome.stop_reason) == (None, "error")
    assert "scripted failure" in (outcome.error or "")
