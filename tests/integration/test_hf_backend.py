"""The embedded backend runs the reference model and keeps the backend contract."""

from __future__ import annotations

import pytest

from ttscale.backends.base import Request
from ttscale.backends.hf import HFBackend
from ttscale.reference import ABACUS_PATH
from ttscale.testing import check_backend
from ttscale.types import Prompt, Sampling

pytestmark = pytest.mark.integration

QUESTION = "Calculate 4821 - 973 + 6205 - 118."


async def test_it_keeps_the_backend_contract() -> None:
    checked = await check_backend(lambda: HFBackend(str(ABACUS_PATH), device="cpu"), prompt=QUESTION)
    assert len(checked) >= 20, "it claims everything but a prefix cache, so nothing is left out"


async def test_a_crowd_of_different_prompts_gives_what_each_gives_alone() -> None:
    questions = [f"Calculate {'1 + ' * (7 * salt % 23)}{salt}." for salt in range(24)]
    sampling = Sampling(max_tokens=80, temperature=1.0, logprobs=0)
    async with HFBackend(str(ABACUS_PATH), device="cpu", batch_size=16) as backend:

        def request(salt: int) -> Request:
            prompt = backend.encode(Prompt.user(questions[salt]))
            return Request(prompt=prompt, sampling=sampling, seeds=(salt, salt + 100))

        crowd = [backend.generate(request(salt)) for salt in range(len(questions))]
        together = [{chunk.index: chunk async for chunk in generation} for generation in crowd]
        for salt in range(0, len(questions), 5):
            alone = {chunk.index: chunk async for chunk in backend.generate(request(salt))}
            for index in (0, 1):
                assert alone[index].token_ids == together[salt][index].token_ids
                assert alone[index].logprobs == together[salt][index].logprobs
