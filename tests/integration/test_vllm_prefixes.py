"""Shared prefixes on real vLLM: what it computes is what the prefix tree says of its blocks, to the token."""

from __future__ import annotations

import importlib.util
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import cast

import pytest
import pytest_asyncio

from ttscale.backends.vllm import VLLMBackend
from ttscale.engine import Engine
from ttscale.run import Run
from ttscale.testing.function_strategy import FunctionStrategy
from ttscale.types import Outcome, Problem, Prompt, Sample, Sampling, Sharing

pytestmark = [
    pytest.mark.integration,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="vLLM is not installed"),
]

STEP = Sampling(temperature=1.0, max_tokens=25)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def engine(abacus: str) -> AsyncIterator[Engine]:
    """Yield an engine of its own: nothing is in its cache yet."""
    if importlib.util.find_spec("vllm") is None:
        pytest.skip("vLLM is not installed")
    async with Engine(VLLMBackend(abacus)) as engine:
        yield engine


async def drawn(run: Run, samples: Sequence[Sample], n: int) -> list[Sample]:
    """Continue each sample n times, all at once."""
    blocks = [run.extend(sample, n=n, then=" ", sampling=STEP) for sample in samples]
    children = list[Sample]()
    for block in blocks:
        await block.__aenter__()
    for block in blocks:
        children += [sample async for sample in block]
        await block.__aexit__(None, None, None)
    return children


async def solve(engine: Engine, id: str, body: Callable[[Run], Awaitable[str]]) -> tuple[Outcome, Sharing]:
    problem = Problem(id=id, prompt=Prompt.user("Q"))
    outcome = await engine.solve(problem, strategy=FunctionStrategy(body=body))
    assert outcome.error is None
    assert outcome.work is not None
    assert outcome.work.sharing is not None
    return outcome, outcome.work.sharing


def check_each_sample(outcome: Outcome, block: int) -> None:
    """Every sample was served the whole blocks that were there, and no more."""
    attributes = [
        cast("dict[str, int]", span["attributes"]) for span in outcome.trace if span["kind"] == "sample"
    ]
    for found in attributes:
        length = found["prompt_computed"] + found["prompt_cached"]
        assert found["prompt_cached"] == min(found["prompt_shared"], length - 1) // block * block, found


async def test_a_chain_of_continuations_computes_the_ideal_in_whole_blocks(engine: Engine) -> None:
    async def chain(run: Run) -> str:
        async with run.sample("Calculate 4821 - 973 + 6205 - 118.", sampling=STEP) as block:
            samples = [sample async for sample in block]
        for _ in range(8):
            samples = await drawn(run, samples, 1)
        return samples[0].text

    outcome, sharing = await solve(engine, "chain", chain)
    assert engine.backend.profile.prefix_block == 32
    check_each_sample(outcome, 32)
    assert sharing.shared > 5 * sharing.unshared > 0
    assert sharing.computed == outcome.usage.prompt_computed == sharing.unshared_in_blocks
    assert sharing.computed_over_blocks == 1.0
    # One sample follows the other: there is nothing to hold together.
    assert outcome.work is not None
    assert (sharing.peak_kv_tokens, sharing.kv_token_steps) == (
        outcome.work.peak_kv_tokens,
        outcome.work.kv_token_steps,
    )


async def test_a_tree_whose_siblings_begin_together_computes_the_ideal_in_whole_blocks(engine: Engine) -> None:
    async def tree(run: Run) -> str:
        async with run.sample("What is 17 * 23 + 911 - 4?", n=4, sampling=STEP) as block:
            samples = [sample async for sample in block]
        for _ in range(4):
            samples = (await drawn(run, samples, 4))[::4]
        return samples[0].text

    outcome, sharing = await solve(engine, "tree", tree)
    check_each_sample(outcome, 32)
    assert sharing.computed == sharing.unshared_in_blocks
    assert sharing.unshared_in_blocks is not None
    assert sharing.unshared < sharing.unshared_in_blocks
    assert outcome.work is not None
    assert sharing.peak_kv_tokens < outcome.work.peak_kv_tokens
    assert sharing.kv_token_steps < outcome.work.kv_token_steps


async def test_a_prompt_that_another_problem_had_is_cached_and_not_called_shared(engine: Engine) -> None:
    async def once(run: Run) -> str:
        async with run.sample("Add 31 and 58, then take 7 from it, please. " * 3, sampling=STEP) as block:
            return "".join([sample.text async for sample in block])

    _, first = await solve(engine, "first", once)
    _, second = await solve(engine, "second", once)
    assert first.computed_over_ideal == 1.0
    assert second.shared == 0
    assert second.computed < second.unshared
