"""Every search by steps keeps the contract, on replies of several steps."""

from __future__ import annotations

import random

import pytest

from ttscale import registry
from ttscale.engine import Engine
from ttscale.testing import FakeBackend, Reply, check_strategy, virtual_clock
from ttscale.testing.strategy_checks import CLAUSES
from ttscale.types import Prompt
from ttscale_strategies.search._options import StepOptions

SPECS = (
    "beam_search:width=6,beam_width=2,max_depth=4",
    "beam_search:width=5,beam_width=2,max_depth=3,choice=best,reward=mean",
    "beam_search:width=2,beam_width=1,max_depth=2",
    "best_first:num_expansions=6,children=3,max_depth=4",
    "best_first:num_expansions=5,children=2,max_depth=3,urgency=reward,parallel=3,num_workers=2,choice=weighted",
    "best_first:num_expansions=9,children=2,max_depth=2,alpha=0,accept=1,parallel=2",
    "dvts:width=6,beam_width=2,max_depth=4",
    "dvts:width=7,beam_width=3,max_depth=3,choice=majority",
    "ets:width=6,max_depth=4",
    "ets:width=6,max_depth=4,lambda_diversity=0.2,cost=tokens,balance=0.05",
    "ets:width=5,max_depth=3,lambda_cost=0,reward=min",
    "ets:width=6,max_depth=4,lambda_diversity=0.5,ahead=true",
    "lookahead:width=4,beam_width=2,max_depth=4",
    "lookahead:width=3,beam_width=1,max_depth=3,num_ahead=3,reward=min",
    "mcts:num_expansions=6,children=3,max_depth=7",
    "mcts:num_expansions=9,children=2,max_depth=3,priors=true,parallel=1",
    "mcts:num_expansions=4,children=2,num_rollouts=2,max_depth=5,choice=best,parallel=2",
    "pats:max_rounds=6,max_depth=4",
    "pats:max_rounds=4,only=simple,penalty_times=0",
    "rebase:width=6,max_depth=4",
    "rebase:width=4,max_depth=5,balance=0.05,reward=min",
    "rebase:width=5,max_depth=3,rounding=nearest",
    "beam_search:width=6,beam_width=2,max_depth=4,ahead=true",
    "rebase:width=6,max_depth=4,ahead=true",
    "reward_guided_search:num_expansions=3,root_children=4,max_depth=4",
    "reward_guided_search:num_expansions=8,root_children=3,max_depth=2,alpha=0.2,choice=majority,reward=last",
)


def some_end(prompt: Prompt, seed: int, ordinal: int) -> Reply:
    """Take a few steps, the same one now and then, and end."""
    draw = random.Random(seed)
    if draw.random() < 0.3:
        return by_its_letters(f"So \\boxed{{{draw.choice([42, 41])}}}.")
    return by_its_letters(f"step {draw.randrange(12)}\nSo \\boxed{{{draw.choice([42, 42, 7])}}}.")


def by_its_letters(text: str) -> Reply:
    """Return a reply whose tokens, the letters, are as likely as they always are: equal steps are alike."""
    return Reply(text, logprobs=[-(ord(letter) % 7) / 10 for letter in text])


def never_alike(prompt: Prompt, seed: int, ordinal: int) -> str:
    """Take another step each time; no solution ends before the greatest depth."""
    return f"step {seed}\nSo \\boxed{{{seed}}}."


def test_all_searches_by_steps_are_tried() -> None:
    searches = {
        name
        for name in registry.names("strategies")
        if issubclass(registry.load("strategies", name), StepOptions)
    }
    assert searches == {spec.partition(":")[0] for spec in SPECS}


@pytest.mark.slow
@pytest.mark.parametrize("spec", SPECS)
async def test_a_search_keeps_every_clause(spec: str, thorough: bool) -> None:
    checked = await check_strategy(
        registry.create_strategy(spec),
        script=some_end,
        undecided=never_alike,
        models=["other"],
        thorough=thorough,
    )
    assert checked == [clause.promise for clause in CLAUSES]


@virtual_clock
@pytest.mark.parametrize("spec", SPECS)
async def test_a_search_says_so_when_every_step_fails(spec: str) -> None:
    async with Engine(FakeBackend(Reply("half a", error="scripted failure"))) as engine:
        outcome = await engine.solve("How much?", strategy=registry.create_strategy(spec))
    assert (outcome.answer, outcome.stop_reason) == (None, "error")
    assert outcome.error is not None
    assert "scripted failure" in outcome.error
