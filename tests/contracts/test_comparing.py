"""Every strategy that has a judge choose keeps the contract, whatever the judge says."""

from __future__ import annotations

import math
import random

import pytest

from ttscale import registry
from ttscale.engine import Engine
from ttscale.testing import FakeBackend, Reply, check_strategy, virtual_clock
from ttscale.testing.strategy_checks import CLAUSES
from ttscale.types import Prompt
from ttscale_strategies.refine._judge_options import JudgeOptions

SPECS = (
    "knockout:n=5",
    "knockout:n=4,num_comparisons=3,judge=other,early_stop=round",
    "knockout:n=4,judge=other,verdict=label,early_stop=never",
    "knockout:n=1",
    "league:n=4,num_comparisons=2",
    "league:n=5,num_opponents=2,num_comparisons=3,show=answers",
    "league:n=4,num_opponents=1,judge=other,verdict=label",
    "listwise",
    "listwise:n=3,num_orders=3,judge=other",
    "lucb_tournament:n=4,max_comparisons=24",
    "lucb_tournament:n=5,num_opponents=2,bonus=0.1,max_comparisons=21,judge=other,verdict=label",
    "pairwise:n=4",
    "pairwise:n=4,score=points,num_comparisons=1",
    "pairwise:n=4,score=bradley_terry,judge=other,verdict=label",
)


def _judged(text: str, draw: random.Random) -> Reply | None:
    """Return what a judge says, nonsense now and then; ``None`` to who is asked for a solution."""
    if "Which of the two" in text:
        winner = draw.choice(["Solution 1", "Solution 1", "Solution 2", "Solution 3", ""])
        return Reply(f"<compare>So.</compare><winner>{winner}</winner>")
    if "Which solution is right?" in text:
        p = draw.random()
        return Reply("A", top_logprobs=[{"A": math.log(p), "B": math.log(1 - p)}])
    if "one JSON object" in text:
        return Reply(f'{{"index": {draw.randrange(6)}, "analysis": "so"}}')
    return None


def some_answer(prompt: Prompt, seed: int, ordinal: int) -> Reply:
    """Answer one of three things, or nothing; judge."""
    draw = random.Random(f"{prompt.question} {seed}")
    answers = ["\\boxed{42}", "\\boxed{42}", "\\boxed{41}", "\\boxed{7}", "nothing"]
    return _judged(prompt.question, draw) or Reply(f"It is {draw.choice(answers)}.")


def never_alike(prompt: Prompt, seed: int, ordinal: int) -> Reply:
    """Answer each time something else; judge."""
    draw = random.Random(f"{prompt.question} {seed}")
    return _judged(prompt.question, draw) or Reply(f"So \\boxed{{{seed}}}.")


def test_all_strategies_with_a_judge_are_tried() -> None:
    with_judge = {
        name
        for name in registry.names("strategies")
        if issubclass(registry.load("strategies", name), JudgeOptions)
    }
    assert with_judge == {spec.partition(":")[0] for spec in SPECS}


@pytest.mark.slow
@pytest.mark.parametrize("spec", SPECS)
async def test_a_strategy_with_a_judge_keeps_every_clause(spec: str, thorough: bool) -> None:
    checked = await check_strategy(
        registry.create_strategy(spec),
        script=some_answer,
        undecided=never_alike,
        models=["other"],
        thorough=thorough,
    )
    assert checked == [clause.promise for clause in CLAUSES]


@virtual_clock
@pytest.mark.parametrize("spec", SPECS)
async def test_a_strategy_with_a_judge_says_so_when_every_sample_fails(spec: str) -> None:
    own, judge = (FakeBackend(Reply("half a", error="scripted failure")) for _ in range(2))
    async with Engine(own, models={"other": judge}) as engine:
        outcome = await engine.solve("How much?", strategy=registry.create_strategy(spec))
    assert (outcome.answer, outcome.stop_reason) == (None, "error")
    assert outcome.error is not None
    assert "scripted failure" in outcome.error
    assert not judge.records
