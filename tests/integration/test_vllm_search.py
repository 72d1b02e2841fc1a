"""Searches on real vLLM, with the reference model and its judge of steps."""

from __future__ import annotations

import importlib.util
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from ttscale import Engine, Outcome, Problem, Prompt
from ttscale.backends.vllm import VLLMBackend
from ttscale.registry import create_strategy
from ttscale_strategies.search.rebase import Rebase

pytestmark = [
    pytest.mark.integration,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="vLLM is not installed"),
]

QUESTION = "Calculate 882 using all of these numbers: 98, 6, 54."
JUDGE = "verifier={name: prm, params: {model: abacus-judge}}"
MOST_COMPUTED = 1.10
"""Computed prompt tokens over the ideal of whole cached blocks."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def engine(abacus: str) -> AsyncIterator[Engine]:
    """Yield an engine of its own: nothing is in its cache yet."""
    if importlib.util.find_spec("vllm") is None:
        pytest.skip("vLLM is not installed")
    async with Engine(VLLMBackend(abacus)) as engine:
        yield engine


def keys(outcome: Outcome) -> list[str | None]:
    return [candidate.key for candidate in outcome.candidates]


def scores(outcome: Outcome) -> list[float]:
    return [candidate.score or 0.0 for candidate in outcome.candidates]


@pytest.mark.parametrize("search", ["rebase", "beam_search"])
async def test_a_search_computes_little_more_than_each_prefix_once(engine: Engine, search: str) -> None:
    strategy = create_strategy(f"{search}:width=16,{JUDGE}")
    # Another question for each search: what one has left in the cache does not help the other.
    problem = Problem(id=search, prompt=Prompt.user(QUESTION.replace("882", str(800 + len(search)))))
    outcome = await engine.solve(problem, strategy=strategy)
    assert outcome.error is None
    assert outcome.candidates
    assert outcome.work is not None
    by_model = outcome.work.sharing_by_model
    assert by_model is not None
    for sharing in by_model.values():
        assert sharing is not None
        assert sharing.shared > sharing.unshared > 0
        assert (sharing.computed_over_blocks or 0.0) <= MOST_COMPUTED
    assert outcome.work.nodes is not None
    assert outcome.work.nodes["expanded"] > 0
    assert outcome.work.nodes["pruned"] > 0
    assert outcome.work.nodes["chosen"] == 1


async def test_a_search_cut_short_goes_on_to_the_same_answer(engine: Engine, tmp_path: Path) -> None:
    strategy = create_strategy(f"rebase:width=8,{JUDGE}")
    assert isinstance(strategy, Rebase)
    kept = replace(strategy, journal=str(tmp_path))
    whole = await engine.solve(QUESTION, strategy=kept)
    cut_to_half(tmp_path)
    again = await engine.solve(QUESTION, strategy=kept)
    assert keys(again) == keys(whole)
    assert scores(again) == pytest.approx(scores(whole))
    assert (again.answer, again.usage.generated) == (whole.answer, whole.usage.generated)
    assert 0 < again.usage.reused < again.usage.tokens
    alone = await engine.solve(QUESTION, strategy=strategy)
    assert alone.answer == whole.answer


def cut_to_half(folder: Path) -> None:
    """Leave half of a journal's lines, and a part of the next one."""
    (journal,) = folder.iterdir()
    lines = journal.read_bytes().splitlines(keepends=True)
    half = len(lines) // 2
    journal.write_bytes(b"".join(lines[:half]) + lines[half][:20])
