"""Strategies that go by a fitted router or table keep the contract too."""

from __future__ import annotations

from pathlib import Path

import pytest

from ttscale import registry
from ttscale.testing import check_strategy
from ttscale.testing.strategy_checks import CLAUSES, NOISY
from ttscale.types import Prompt
from ttscale_strategies.effort import Case, Result, fit_effort_table
from ttscale_strategies.effort.table import Difficulty
from ttscale_strategies.route import fit_router

SPECS = (
    "compute_optimal:tables=[{agreement}]",
    "compute_optimal:tables=[{verifier}],verifier=confidence",
    "auto:tables=[{agreement}]",
    "auto:family=long,compute=low",
    "route:router={router},model_uris=[null, other],names=[small, large],strategies=[self_consistency:n=3]",
    "route:model_uris=[other]",
)


@pytest.fixture
def paths(tmp_path: Path) -> dict[str, Path]:
    """Tables in which the hardest questions get the most, and a router that prefers the other model."""
    found = dict[str, Path]()
    difficulties: tuple[Difficulty, ...] = ("agreement", "verifier")
    for difficulty in difficulties:
        cases = [
            Case(
                question=f"{number}?",
                ease=0.3 if number % 2 else 0.9,
                results={
                    "self_consistency:n=2": Result(correct=0.5, tokens=20),
                    "self_consistency:n=5": Result(correct=0.6 if number % 2 else 0.5, tokens=50),
                },
            )
            for number in range(4)
        ]
        found[difficulty] = tmp_path / f"{difficulty}.json"
        fit_effort_table(cases, budgets=[100], num_pilots=3, difficulty=difficulty).write(found[difficulty])
    found["router"] = tmp_path / "router.json"
    questions = [f"What is {number} times {number}?" for number in range(10)]
    right = [[0.0, 1.0]] * 10
    fit_router(questions, right, {"cost": [0.0, 1.0]}, models=["small", "large"]).write(found["router"])
    return found


def in_parts(prompt: Prompt, seed: int, ordinal: int) -> str:
    """Write another outline of three steps each time, and an answer of its own to anything else."""
    if "one JSON object" in prompt.question:
        return f'{{"step1": "Halve {seed}.", "step2": "Double it.", "step3": "All."}}'
    return f"So \\boxed{{{seed}}}."


async def test_a_problem_in_parts_keeps_every_clause(thorough: bool) -> None:
    strategy = registry.create_strategy("scale:num_outlines=3,max_steps=3,max_rating_tokens=20")
    for script in (NOISY, in_parts):
        assert await check_strategy(strategy, script=script, undecided=in_parts, thorough=thorough)


@pytest.mark.slow
@pytest.mark.parametrize("spec", SPECS)
async def test_a_strategy_with_something_fitted_keeps_every_clause(
    spec: str, paths: dict[str, Path], thorough: bool
) -> None:
    strategy = registry.create_strategy(spec.format(**paths))
    checked = await check_strategy(strategy, models=["other"], thorough=thorough)
    assert checked == [clause.promise for clause in CLAUSES]
