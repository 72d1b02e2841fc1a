"""The openai backend on a real `vllm serve` with the reference model."""

from __future__ import annotations

import asyncio
import importlib.util
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.integration.flaky_proxy import FlakyProxy
from tests.integration.vllm_server import VLLMServer, group_members, vllm_server
from ttscale.backends import Chunk, Request, load_backend
from ttscale.backends.openai import OpenAIBackend
from ttscale.backends.openai.server import Server
from ttscale.backends.openai.transport import Transport
from ttscale.errors import BackendUnavailable
from ttscale.reference import ABACUS_PATH
from ttscale.testing import check_backend
from ttscale.types import Message, Prompt, SampleUsage, Sampling

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="vLLM is not installed"),
]

QUESTION = Prompt.user("Calculate 4821 - 973 + 6205 - 118.")


@asynccontextmanager
async def on(served: VLLMServer, **options: object) -> AsyncGenerator[OpenAIBackend]:
    backend = OpenAIBackend(served.model, base_url=served.url, **options)  # type: ignore[arg-type]
    async with backend:
        yield backend


async def drawn(
    backend: OpenAIBackend,
    prompt: Prompt = QUESTION,
    *,
    n: int = 1,
    max_tokens: int = 24,
    temperature: float = 1.0,
    logprobs: int | None = None,
    stop: tuple[str, ...] = (),
) -> list[Chunk]:
    """Return whole samples in order of index."""
    sampling = Sampling(temperature=temperature, max_tokens=max_tokens, logprobs=logprobs, stop=stop)
    request = Request(prompt=prompt, sampling=sampling, seeds=tuple(range(1000, 1000 + 7 * n, 7)))
    async with backend.generate(request) as generation:
        return sorted([chunk async for chunk in generation], key=lambda chunk: chunk.index)


def texts(samples: list[Chunk]) -> list[str]:
    assert [sample.error for sample in samples] == [None] * len(samples)
    return [sample.text for sample in samples]


def generated(sample: Chunk) -> int:
    assert sample.usage is not None
    return sample.usage.generated


async def test_it_keeps_the_backend_contract_with_token_ids(served: VLLMServer) -> None:
    def make() -> OpenAIBackend:
        return OpenAIBackend(served.model, base_url=served.url, tokenizer=str(ABACUS_PATH))

    promises = await check_backend(make, prompt=QUESTION)
    assert "token ids continue a sample" in promises
    assert "a seed gives the same tokens in any company" in promises


async def test_it_keeps_the_backend_contract_with_conversations(served: VLLMServer) -> None:
    async with on(served) as backend:
        promises = await check_backend(backend, prompt=QUESTION)
    assert "top log-probabilities match" in promises
    assert "token ids continue a sample" not in promises


async def test_it_keeps_the_backend_contract_on_a_server_of_unknown_make(
    served: VLLMServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unknown(transport: Transport, model: str, *, key_variable: str) -> Server:
        return Server()

    monkeypatch.setattr("ttscale.backends.openai.backend.find_server", unknown)
    async with on(served) as backend:
        await check_backend(backend, prompt=QUESTION)
        assert len(await drawn(backend, n=5)) == 5
        assert backend.capabilities.names() == {"logprobs", "max_top_logprobs", "stop_strings", "stream"}


async def test_it_keeps_the_backend_contract_on_a_server_in_trouble(
    served: VLLMServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ttscale.backends.openai.transport.pause_seconds", lambda state: 0.0)
    async with FlakyProxy(served.url) as proxy:
        backend = OpenAIBackend(served.model, base_url=proxy.url, tokenizer=str(ABACUS_PATH))
        async with backend:
            promises = await check_backend(backend, prompt=QUESTION)
    assert "a seed gives the same tokens in any company" in promises
    assert len(proxy.troubles) == 4
    assert min(proxy.troubles.values()) >= 5


async def test_it_knows_what_it_talks_to(served: VLLMServer) -> None:
    async with on(served, tokenizer=str(ABACUS_PATH)) as backend:
        assert backend.profile.context_length == 1024
        assert backend.capabilities.token_ids
        encoded = backend.encode(QUESTION)
        assert encoded.token_ids is not None
        assert backend.count_tokens(QUESTION) == len(encoded.token_ids)
    async with on(served) as backend:
        assert backend.count_tokens(QUESTION) >= len(encoded.token_ids)


async def test_conversations_and_token_ids_give_the_same_samples_in_every_way_of_asking(
    served: VLLMServer,
) -> None:
    async with on(served, tokenizer=str(ABACUS_PATH)) as backend:
        by_ids = texts(await drawn(backend, backend.encode(QUESTION), n=4))
        by_text = texts(await drawn(backend, QUESTION, n=4))
    async with on(served, streaming=False) as backend:
        at_once = texts(await drawn(backend, n=4))
    assert by_ids == by_text == at_once
    assert len(set(by_ids)) > 1


async def test_samples_that_travel_together_are_billed_together(served: VLLMServer) -> None:
    async with on(served, samples_per_request="all") as backend:
        samples = await drawn(backend, n=6, max_tokens=8)
        assert not backend.capabilities.seeds
    assert [generated(sample) for sample in samples] == [len(sample.token_ids) for sample in samples]
    carrying = [sample.usage for sample in samples if sample.usage != SampleUsage(generated=generated(sample))]
    assert len(carrying) == 1


async def test_the_prefix_cache_is_reported(served: VLLMServer) -> None:
    long = Prompt.user("Calculate " + " + ".join(str(number) for number in range(100, 160)) + ".")
    async with on(served) as backend:
        await drawn(backend, long, max_tokens=1)
        (again,) = await drawn(backend, long, max_tokens=1)
    assert again.usage is not None
    assert again.usage.prompt_cached >= 64
    assert again.usage.prompt_cached % 32 == 0
    assert 1 <= again.usage.prompt_computed <= 32


async def test_logprobs_are_the_same_through_chat_and_completions(served: VLLMServer) -> None:
    async with on(served, tokenizer=str(ABACUS_PATH)) as backend:
        (chat,) = await drawn(backend, QUESTION, logprobs=3, max_tokens=12)
        (completion,) = await drawn(backend, backend.encode(QUESTION), logprobs=3, max_tokens=12)
    assert chat.logprobs is not None
    assert completion.logprobs is not None
    assert chat.logprobs == pytest.approx(completion.logprobs, abs=1e-4)
    assert chat.top_logprobs is not None
    assert completion.top_logprobs is not None
    for token, own, one, other in zip(
        chat.token_ids, chat.logprobs, chat.top_logprobs, completion.top_logprobs, strict=True
    ):
        assert one == pytest.approx(other, abs=1e-4)
        assert one[token] == own
        assert 3 <= len(one) <= 4


async def test_an_unfinished_answer_is_continued_from_inside(served: VLLMServer) -> None:
    async with on(served) as backend:
        (whole,) = await drawn(backend, temperature=0.0, max_tokens=40)
        head = whole.text[: len(whole.text) // 2].rstrip()
        begun = Prompt(messages=(*QUESTION.messages, Message("assistant", head)))
        (rest,) = await drawn(backend, begun, temperature=0.0, max_tokens=40)
    assert rest.error is None
    assert rest.text.lstrip().startswith(whole.text[len(head) :].lstrip()[:4])


async def test_stopping_samples_stops_them_in_the_engine(served: VLLMServer) -> None:
    num_samples, max_tokens = 24, 900
    sampling = Sampling(temperature=1.0, max_tokens=max_tokens)
    request = Request(prompt=QUESTION, sampling=sampling, seeds=tuple(range(num_samples)), stream=True)
    before = served.metric("vllm:generation_tokens_total")
    async with on(served, extra_body={"ignore_eos": True}) as backend:
        async with backend.generate(request) as generation:
            delivered = [await anext(generation) for _ in range(300)]
        last = {chunk.index: chunk async for chunk in generation if chunk.finish_reason is not None}
        await until_idle(served)
    computed = served.metric("vllm:generation_tokens_total") - before
    assert [last[index].finish_reason for index in range(num_samples)] == ["abort"] * num_samples
    charged = sum(generated(chunk) for chunk in last.values())
    assert len(delivered) <= charged <= computed < num_samples * max_tokens


async def until_idle(served: VLLMServer) -> None:
    """Wait until the server says that nothing runs in it."""
    async with asyncio.timeout(60):
        while await asyncio.to_thread(served.metric, "vllm:num_requests_running"):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_a_request_the_server_refuses_is_an_error_in_its_words(served: VLLMServer) -> None:
    async with on(served) as backend:
        (sample,) = await drawn(backend, max_tokens=5000)
    assert sample.finish_reason == "error"
    assert sample.error is not None
    assert sample.error.startswith("HTTP 400: max_tokens=5000 cannot be greater than max_model_len=1024")


async def test_many_samples_come_through_few_connections(served: VLLMServer) -> None:
    async with on(served, max_concurrency=8) as backend:
        samples = await drawn(backend, n=64, max_tokens=4)
    assert {sample.finish_reason for sample in samples} <= {"stop", "length"}
    assert len(samples) == 64


async def test_a_wrong_model_name_is_an_error_that_names_the_right_one(served: VLLMServer) -> None:
    backend = load_backend(f"openai:abakus@{served.url}")
    with pytest.raises(BackendUnavailable, match="it serves 'abacus'"):
        await backend.start()
    await backend.aclose()


def test_a_server_ends_with_everything_it_started(tmp_path: Path) -> None:
    with vllm_server(ABACUS_PATH, tmp_path) as server:
        members = group_members(server.process.pid)
        assert len(members) > 1
    assert group_members(server.process.pid) == []


def test_the_group_of_this_process_is_seen() -> None:
    assert os.getpid() in group_members(os.getpgrp())
