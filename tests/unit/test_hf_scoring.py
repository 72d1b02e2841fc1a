"""Given texts in the embedded backend: the log-probability of each of their tokens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from tests.unit.reward_checkpoints import save_reward_model
from ttscale.backends.base import Request
from ttscale.backends.hf import HFBackend
from ttscale.errors import BackendError
from ttscale.reference import ABACUS_PATH
from ttscale.types import Message, Prompt, Sampling

TEXTS = ("12+30=42\n\\boxed{42}", "12+30=41", "5 chickens have 10 legs\n\\boxed{10}", "1")


def answered(text: str) -> Prompt:
    return Prompt(messages=(Message("user", "What is 12 + 30?"), Message("assistant", text)))


@pytest.fixture
async def backend() -> AsyncIterator[HFBackend]:
    async with HFBackend(str(ABACUS_PATH)) as backend:
        yield backend


def by_hand(ids: tuple[int, ...]) -> list[float]:
    model = AutoModelForCausalLM.from_pretrained(ABACUS_PATH, dtype=torch.float32)
    with torch.no_grad():
        table = model(input_ids=torch.tensor([ids])).logits[0].log_softmax(dim=-1)
    return [table[at, token].item() for at, token in enumerate(ids[1:])]


async def test_each_token_has_its_log_probability_given_those_before(backend: HFBackend) -> None:
    async with asyncio.TaskGroup() as group:  # of different lengths, read together
        tasks = [group.create_task(backend.score_prompt(answered(text))) for text in TEXTS]
    for text, task in zip(TEXTS, tasks, strict=True):
        score, ids = task.result(), backend.encode(answered(text)).token_ids
        assert score.token_ids == ids
        assert score.logprobs[0] is None
        assert score.logprobs[1:] == pytest.approx(by_hand(score.token_ids), abs=1e-4)
        assert score.usage.prompt_computed == len(score.token_ids)
        assert score.usage.generated == 0


async def test_a_long_text_is_read_piece_by_piece(backend: HFBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ttscale.backends.hf.runner._READ_POSITIONS", 7)
    score = await backend.score_prompt(answered(TEXTS[0] * 9))
    assert len(score.token_ids) > 3 * 7
    assert score.logprobs[1:] == pytest.approx(by_hand(score.token_ids), abs=1e-4)


async def test_reading_disturbs_no_sample(backend: HFBackend) -> None:
    async def drawn() -> list[int]:
        request = Request(
            prompt=Prompt.user("What is 12 + 30?"), sampling=Sampling(max_tokens=24), seeds=(7, 8)
        )
        async with backend.generate(request) as generation:
            return [token for chunk in [chunk async for chunk in generation] for token in chunk.token_ids]

    alone = await drawn()
    async with asyncio.TaskGroup() as group:
        beside = group.create_task(drawn())
        for text in TEXTS:
            group.create_task(backend.score_prompt(answered(text)))
    assert sorted(beside.result()) == sorted(alone)


async def test_a_text_that_does_not_fit_is_refused_and_the_next_is_read(backend: HFBackend) -> None:
    with pytest.raises(BackendError, match="1024"):
        await backend.score_prompt(answered("7" * 2000))
    with pytest.raises(BackendError, match="empty"):
        await backend.score_prompt(Prompt(token_ids=()))
    assert len((await backend.score_prompt(answered("1"))).logprobs) > 1


async def test_a_text_that_still_waits_at_the_end_fails(backend: HFBackend) -> None:
    waiting = [asyncio.ensure_future(backend.score_prompt(answered(text))) for text in TEXTS]  # noqa: TID251
    await asyncio.sleep(0)
    await backend.aclose()
    for result in await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), 10):  # noqa: TID251
        assert not isinstance(result, BaseException) or isinstance(result, BackendError)
    with pytest.raises(BackendError, match="not running"):
        await backend.score_prompt(answered("1"))


async def test_a_reward_model_says_that_it_cannot(tmp_path: Path) -> None:
    path = save_reward_model(tmp_path, "whole")
    async with HFBackend(str(path)) as backend:
        assert not backend.capabilities.prompt_logprobs
        with pytest.raises(BackendError, match="does not score"):
            await backend.score_prompt(answered("1"))
