"""Threads keep the contract of strategies, whatever the protocol."""

from __future__ import annotations

from typing import get_args

import pytest

from tests.unit.thread_scripts import begun
from ttscale import registry
from ttscale.engine import Engine
from ttscale.strategies import Threads
from ttscale.testing import FakeBackend, Reply, Rule, check_strategy, virtual_clock
from ttscale.testing.strategy_checks import CLAUSES
from ttscale.types import Prompt
from ttscale_strategies.threads.protocol import JoinForm

APR = (
    "Moving to Node #0\nCurrent State: 6:[6], Operations: []\n<Calling Sub Searches>\n"
    "<Start Sub Search 0 at level 1> Moving to Node #0\n<End Calling Sub Searches>"
)
WEAVE = "<Outlines><Outline>1: a</Outline><Outline>2: b</Outline></Outlines>"


def answering(header: str, *, made_up: str = "") -> Rule:
    """Return a script that gives an answer, and forks again and again; first it makes something up."""

    def rule(prompt: Prompt, seed: int, ordinal: int) -> str:
        written = begun(prompt)
        made = made_up and not written.endswith("<Calling Sub Searches>")
        return f"So \\boxed{{{seed}}}.\n" + (made_up if made else header)

    return rule


def forking_early(prompt: Prompt, seed: int, ordinal: int) -> str:
    if "<parts>" in prompt.question and "stop behind the last line" in prompt.question:
        return f"\\boxed{{{seed}}} <parts><part>1: a</part></parts>"
    return f"So \\boxed{{{seed}}}."


CASES: dict[str, Rule] = {
    "threads:protocol=threadweaver,max_forks=1,max_branches=2": answering(WEAVE),
    "threads:protocol=parathinker,max_branches=2": answering(""),
    "threads:protocol=apar,max_forks=1": answering("[Fork]"),
    "threads:protocol=apr,max_forks=1,max_branches=1": answering(APR, made_up="<Sub Searches>"),
    "threads:max_branches=1,n=2": forking_early,
    "threads:protocol=outlines,max_forks=1,max_branches=1,n=2,verifier=math": answering(WEAVE),
}
"""One of each form of join; the traces of all protocols are tested by themselves."""


def test_every_form_of_join_is_tried() -> None:
    strategies = [registry.create_strategy(spec) for spec in CASES]
    tried = {strategy.resolved().join for strategy in strategies if isinstance(strategy, Threads)}
    assert tried == set(get_args(JoinForm))


@pytest.mark.slow
@pytest.mark.parametrize("spec", CASES)
async def test_threads_keep_every_clause(spec: str, thorough: bool) -> None:
    checked = await check_strategy(registry.create_strategy(spec), undecided=CASES[spec], thorough=thorough)
    assert checked == [clause.promise for clause in CLAUSES]


@virtual_clock
@pytest.mark.parametrize("spec", CASES)
async def test_threads_say_so_when_every_sample_fails(spec: str) -> None:
    async with Engine(FakeBackend(Reply("half a", error="scripted failure"))) as engine:
        outcome = await engine.solve("How much?", strategy=registry.create_strategy(spec))
    assert (outcome.answer, outcome.stop_reason) == (None, "error")
    assert outcome.error is not None
    assert "scripted failure" in outcome.error
