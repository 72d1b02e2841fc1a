"""Every strategy that refines earlier attempts keeps the contract."""

from __future__ import annotations

import pytest

from ttscale import registry
from ttscale.engine import Engine
from ttscale.testing import FakeBackend, Reply, Script, check_strategy, virtual_clock
from ttscale.testing.strategy_checks import CLAUSES, distinct
from ttscale.types import Prompt

SPECS = (
    "hogwild_rounds:chunk_tokens=8,max_rounds=4,max_answer_tokens=40",
    "hogwild_rounds:names=[A, B, C],chunk_tokens=30,max_rounds=2,check_tokens=10,max_workspace_tokens=20",
    "pacore",
    "pacore:samples_per_round=[5,3],seed=7,max_workspace_tokens=60",
    "pacore:samples_per_round=[3,3],stop=secretary",
    "pdr:drafts=[4]",
    "pdr:drafts=[4,3],distil=shared_top_k,k=2",
    "pdr:drafts=[4,2],distil=shared_top_k,k=2,picked_by=votes,stop=entropy,threshold=0.6",
    "pdr:drafts=[4,3],distil=per_sample_top_k,k=2",
    "pdr:drafts=[4,3],distil=random_k,k=2,stop=consistent",
    'pdr:drafts=[4,2],distil=shared_top_k,k=1,verifier="math"',
    "pdr:drafts=[1,1],distil=random_k,max_workspace_tokens=5",
    "self_revision",
    "self_revision:num_revisions=2,pick=in_turn,choose=majority,stop=consistent,threshold=0.8",
    "sequential_refine:n=4,top_logprobs=4",
    "sequential_refine:n=4,show=last,choose=last,analyse=true",
    "sequential_refine:n=3,num_chains=3,choose=last",
    "sequential_refine:n=4,num_chains=2,top_logprobs=4,stop=consistent,threshold=0.8",
    "sequential_refine:n=5,form=turns,choose=majority,stop=consistent,max_workspace_tokens=30",
)


def unsure(prompt: Prompt, seed: int, ordinal: int) -> str:
    """Write steps without an answer until one is asked for, which differs in length."""
    if (prompt.messages[-1].content).endswith("\\boxed{"):
        return f"{seed}}}" + "." * (seed % 30)
    return f"step {seed}\n\nand so on"


UNDECIDED: dict[str, Script] = {"hogwild_rounds": unsure}


def test_all_strategies_that_refine_are_tried() -> None:
    tried = {spec.partition(":")[0] for spec in SPECS}
    assert tried == {"hogwild_rounds", "pacore", "pdr", "self_revision", "sequential_refine"}


@pytest.mark.slow
@pytest.mark.parametrize("spec", SPECS)
async def test_a_refining_strategy_keeps_every_clause(spec: str, thorough: bool) -> None:
    undecided = UNDECIDED.get(spec.partition(":")[0], distinct)
    checked = await check_strategy(registry.create_strategy(spec), undecided=undecided, thorough=thorough)
    assert checked == [clause.promise for clause in CLAUSES]


@virtual_clock
@pytest.mark.parametrize("spec", SPECS)
async def test_a_refining_strategy_says_so_when_every_sample_fails(spec: str) -> None:
    async with Engine(FakeBackend(Reply("half a", error="scripted failure"))) as engine:
        outcome = await engine.solve("How much?", strategy=registry.create_strategy(spec))
    assert (outcome.answer, outcome.stop_reason) == (None, "error")
    assert outcome.error is not None
    assert "scripted failure" in outcome.error
