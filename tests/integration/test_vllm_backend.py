"""The vLLM backend on real vLLM with the reference model."""

from __future__ import annotations

import asyncio
import importlib.util
import multiprocessing
import os
import signal
from collections.abc import Sequence

import pytest

from ttscale.backends import Chunk, Request
from ttscale.backends.vllm import VLLMBackend
from ttscale.errors import BackendError, BackendUnavailable, ParameterError
from ttscale.testing import check_backend
from ttscale.types import Message, Prompt, SampleUsage, Sampling

pytestmark = [
    pytest.mark.integration,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="vLLM is not installed"),
]

QUESTION = Prompt.user("Calculate 4821 - 973 + 6205 - 118.")


async def draw(
    backend: VLLMBackend,
    prompt: Prompt,
    *,
    seeds: Sequence[int] = (1,),
    max_tokens: int = 24,
    temperature: float = 1.0,
    logprobs: int | None = None,
) -> list[Chunk]:
    """Return the samples' only chunks in order of index."""
    sampling = Sampling(temperature=temperature, max_tokens=max_tokens, logprobs=logprobs)
    request = Request(prompt=prompt, sampling=sampling, seeds=tuple(seeds))
    chunks = [chunk async for chunk in backend.generate(request)]
    return sorted(chunks, key=lambda chunk: chunk.index)


def usage_of(chunk: Chunk) -> SampleUsage:
    assert chunk.usage is not None, chunk
    return chunk.usage


def metric(name: str) -> float:
    """Return a gauge of vLLM's, as the engine process last reported it."""
    from vllm.v1.metrics.reader import get_metrics_snapshot

    return sum(getattr(item, "value", 0.0) for item in get_metrics_snapshot() if item.name == name)


async def until_idle() -> None:
    """Wait until the engine process says that nothing runs in it and its cache is free."""
    async with asyncio.timeout(60):
        while metric("vllm:num_requests_running") or metric("vllm:kv_cache_usage_perc"):  # noqa: ASYNC110
            await asyncio.sleep(0.02)  # vLLM has no event for it


async def test_it_keeps_the_backend_contract(vllm_backend: VLLMBackend) -> None:
    promises = await check_backend(vllm_backend, prompt=QUESTION)
    assert len(promises) >= 18


async def test_it_knows_its_model(vllm_backend: VLLMBackend, abacus: str) -> None:
    profile = vllm_backend.profile
    assert profile.name == abacus
    assert profile.context_length == 1024
    assert profile.num_parameters is not None
    assert 1e6 < profile.num_parameters < 1e8
    assert vllm_backend.capabilities.prefix_cache
    assert vllm_backend.batch_size >= 1


async def test_seeds_give_the_same_samples_alone_and_in_any_company(vllm_backend: VLLMBackend) -> None:
    prompt, seeds = vllm_backend.encode(QUESTION), [3**k for k in range(24)]
    async with asyncio.TaskGroup() as group:
        crowd = [
            group.create_task(
                draw(vllm_backend, Prompt.user(f"What is {k} + 17?"), seeds=(k,), max_tokens=9 + k)
            )
            for k in range(40)
        ]
        together = group.create_task(draw(vllm_backend, prompt, seeds=seeds, max_tokens=48))
    assert all(chunk.finish_reason != "error" for task in crowd for chunk in task.result())
    drawn = [chunk.token_ids for chunk in together.result()]
    assert len(set(drawn)) > 1
    for index in (0, 7, 23):
        (alone,) = await draw(vllm_backend, prompt, seeds=[seeds[index]], max_tokens=48)
        assert alone.token_ids == drawn[index]


async def test_many_long_seeded_prompts_at_once_do_not_hurt_the_engine(vllm_backend: VLLMBackend) -> None:
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(
                draw(vllm_backend, Prompt(token_ids=(5 + k, *range(6, 206), *[9] * 700)), seeds=(k,))
            )
            for k in range(12)
        ]
    assert [chunk.error for task in tasks for chunk in task.result()] == [None] * 12


async def test_more_samples_than_fit_the_batch_all_end(vllm_backend: VLLMBackend) -> None:
    chunks = await draw(vllm_backend, QUESTION, seeds=range(300), max_tokens=40)
    assert {chunk.finish_reason for chunk in chunks} <= {"stop", "length"}
    assert len(chunks) == 300


async def test_a_second_identical_prompt_is_read_from_the_cache(vllm_backend: VLLMBackend) -> None:
    prompt = Prompt(token_ids=(7, 8, 9) * 37)
    (first,), (second,) = await draw(vllm_backend, prompt), await draw(vllm_backend, prompt, seeds=(2,))
    assert usage_of(first).prompt_computed == 111
    assert (usage_of(second).prompt_computed, usage_of(second).prompt_cached) == (15, 96)


async def test_closing_a_generation_stops_the_engine_and_frees_it(vllm_backend: VLLMBackend) -> None:
    sampling = Sampling(temperature=1.0, max_tokens=900, stop_token_ids=())
    request = Request(
        prompt=Prompt(token_ids=(11,) * 64), sampling=sampling, seeds=tuple(range(16)), stream=True
    )
    async with vllm_backend.generate(request) as generation:
        await anext(generation)
    await until_idle()
    generated = metric("vllm:generation_tokens")
    chunks = [chunk async for chunk in generation]
    last = [chunk for chunk in chunks if chunk.finish_reason is not None]
    assert len(last) == 16
    assert {chunk.finish_reason for chunk in last} <= {"abort", "stop"}
    assert sum(usage_of(chunk).generated for chunk in last) < 16 * 900 / 2
    await draw(
        vllm_backend, QUESTION, max_tokens=1
    )  # the engine has gone on for one more token, and no further
    assert metric("vllm:generation_tokens") == generated + 1


async def test_an_aborted_sample_hands_over_what_it_has(vllm_backend: VLLMBackend) -> None:
    request = Request(prompt=QUESTION, sampling=Sampling(max_tokens=900, logprobs=0), seeds=tuple(range(60)))
    async with asyncio.TaskGroup() as group, vllm_backend.generate(request) as generation:
        first = await anext(generation)
        group.create_task(generation.aclose())
        chunks = [first, *[chunk async for chunk in generation]]
    aborted = [chunk for chunk in chunks if chunk.finish_reason == "abort"]
    assert len(chunks) == 60
    for chunk in aborted:
        assert len(chunk.token_ids) == usage_of(chunk).generated == len(chunk.logprobs or ())
        assert chunk.text == vllm_backend.decode(chunk.token_ids)
    assert sum(usage_of(chunk).generated for chunk in aborted) > 0


async def test_streamed_text_with_stop_strings_is_that_of_the_whole(vllm_backend: VLLMBackend) -> None:
    sampling = Sampling(temperature=0.0, max_tokens=60, stop=("zebra", "\n"), logprobs=3)
    requests = [
        Request(prompt=QUESTION, sampling=sampling, seeds=(1,), stream=stream) for stream in (False, True)
    ]
    whole, streamed = [[chunk async for chunk in vllm_backend.generate(request)] for request in requests]
    assert "".join(chunk.text for chunk in streamed) == whole[0].text
    assert "\n" not in whole[0].text
    assert [i for chunk in streamed for i in chunk.token_ids] == list(whole[0].token_ids)
    tops = [top for chunk in streamed for top in chunk.top_logprobs or ()]
    assert [list(top) for top in tops] == [list(top) for top in whole[0].top_logprobs or ()]
    assert {len(top) for top in tops} == {3}


async def test_a_prompts_score_is_that_of_the_same_tokens_generated(vllm_backend: VLLMBackend) -> None:
    prompt = vllm_backend.encode(QUESTION)
    (chunk,) = await draw(vllm_backend, prompt, temperature=0.0, logprobs=0)
    ids = (*(prompt.token_ids or ()), *chunk.token_ids)
    score = await vllm_backend.score_prompt(Prompt(token_ids=ids))
    assert score.token_ids == ids
    assert score.logprobs[0] is None
    assert score.logprobs[-len(chunk.token_ids) :] == pytest.approx(chunk.logprobs, abs=1e-3)
    assert score.usage == SampleUsage(prompt_computed=len(ids), generated=1)
    with pytest.raises(BackendError, match="2000 tokens"):
        await vllm_backend.score_prompt(Prompt(token_ids=(9,) * 2000))


async def test_an_open_assistant_message_is_continued(vllm_backend: VLLMBackend) -> None:
    begun = Prompt(messages=(*QUESTION.messages, Message("assistant", "4821 - 973 =")))
    ids, question = vllm_backend.encode(begun).token_ids, vllm_backend.encode(QUESTION).token_ids
    assert ids is not None
    assert question is not None
    assert ids[: len(question)] == question
    assert vllm_backend.decode(ids).endswith("4821 - 973 =")


async def test_lower_priorities_run_first(vllm_backend: VLLMBackend) -> None:
    sampling, ends = Sampling(temperature=1.0, max_tokens=40), list[int]()

    async def follow(priority: int, num_samples: int) -> None:
        request = Request(
            prompt=QUESTION, sampling=sampling, seeds=tuple(range(num_samples)), priority=priority
        )
        async for _ in vllm_backend.generate(request):
            pass
        ends.append(priority)

    async with asyncio.TaskGroup() as group:
        for priority, num_samples in ((5, 128), (9, 256), (1, 4)):
            group.create_task(follow(priority, num_samples))
    assert ends.index(1) < ends.index(9)


# ── starting and ending ───────────────────────────────────────────────────────────────────────────────────


async def test_a_dead_engine_is_an_error_and_another_can_be_started(abacus: str) -> None:
    others = set(multiprocessing.active_children())
    async with VLLMBackend(abacus, max_num_seqs=4) as backend:
        request = Request(prompt=QUESTION, sampling=Sampling(max_tokens=900), seeds=(1, 2, 3), stream=True)
        async with asyncio.timeout(60):
            generation = backend.generate(request)
            first = await anext(generation)
            for child in set(multiprocessing.active_children()) - others:
                os.kill(child.pid or 0, signal.SIGKILL)
            chunks = [first, *[chunk async for chunk in generation]]
            last = [chunk for chunk in chunks if chunk.finish_reason is not None]
            assert sorted(chunk.index for chunk in last) == [0, 1, 2]
            assert any("engine died" in (chunk.error or "") for chunk in last)
            (late,) = await draw(backend, QUESTION)
            assert "engine died" in (late.error or "")
            with pytest.raises(BackendError, match="engine died"):
                await backend.score_prompt(QUESTION)
    async with VLLMBackend(abacus, max_num_seqs=4) as backend:
        (chunk,) = await draw(backend, QUESTION)
        assert chunk.finish_reason in ("stop", "length")
        assert backend.batch_size == 4
    assert set(multiprocessing.active_children()) == others


async def test_what_is_wrong_with_the_settings_is_said(abacus: str) -> None:
    with pytest.raises(ParameterError, match=r"'blok_size'; did you mean 'block_size'\?"):
        await VLLMBackend(abacus, engine_args={"blok_size": 64}).start()
    with pytest.raises(BackendUnavailable, match="cannot run the model"):
        await VLLMBackend(abacus, max_model_len=10**9).start()
