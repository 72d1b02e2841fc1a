"""The embedded backend and vLLM write the same tokens, greedily, to the prompts of every role."""

from __future__ import annotations

import asyncio
import importlib.util
import itertools
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.unit.attempts_bench import sampled
from ttscale.backends import Backend, load_backend
from ttscale.backends.base import Request
from ttscale.reference import MODELS
from ttscale.reference.mixture import RANK, ROLES, Mixture
from ttscale.reference.roles.attempts import to_line
from ttscale.reference.tokenizer import encode_conversation
from ttscale.types import Message, Prompt, Sampling

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="vLLM is not installed"),
]

NUM_PROMPTS = 50
MAX_PROMPT_TOKENS = 900
GREEDY = Sampling(temperature=0.0, max_tokens=96)


JUDGED = ("judge", "compare")
"""The roles of the judge; all others that have conversations are those of the solver."""


def prompts_of(role: str, model: str, attempts: Path) -> list[Prompt]:
    """Return prompts of a role about problems that no model was trained on."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(MODELS[model] / "tokenizer.json"))
    drawn = Mixture({role: 1.0}, 90, attempts).conversations()
    short = (one for one in drawn if len(encode_conversation(tokenizer, one)[0]) <= MAX_PROMPT_TOKENS)
    return [one.prompt for one in itertools.islice(short, NUM_PROMPTS)]


async def written(backend: Backend, prompts: Sequence[Prompt]) -> list[tuple[int, ...]]:
    """Return the tokens that a model writes after each prompt."""

    async def one(prompt: Prompt) -> tuple[int, ...]:
        request = Request(prompt=backend.encode(prompt), sampling=GREEDY, seeds=(0,))
        async with backend.generate(request) as generation:
            chunks = [chunk async for chunk in generation]
        assert chunks[-1].finish_reason in ("stop", "length"), chunks[-1].error
        return tuple(itertools.chain.from_iterable(chunk.token_ids for chunk in chunks))

    async with backend, asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(prompt)) for prompt in prompts]
    return [task.result() for task in tasks]


@pytest.mark.parametrize(
    ("model", "roles"),
    [
        ("abacus", [role for role in ROLES if role not in (*JUDGED, RANK)]),
        ("abacus-judge", list(JUDGED)),
        ("abacus-s", ["solve"]),
    ],
)
async def test_greedy_tokens_are_the_same_in_every_role(model: str, roles: list[str], tmp_path: Path) -> None:
    attempts = tmp_path / "attempts.jsonl"
    attempts.write_text("\n".join(map(to_line, sampled(80))), encoding="utf-8")
    prompts = {role: prompts_of(role, model, attempts) for role in roles}
    assert {role: len(several) for role, several in prompts.items()} == dict.fromkeys(roles, NUM_PROMPTS)
    flat = list(itertools.chain.from_iterable(prompts.values()))
    embedded = await written(load_backend(f"hf:{model}"), flat)
    vllm = await written(load_backend(f"vllm:{model}"), flat)
    asked = [role for role, several in prompts.items() for _ in several]
    differing = [role for role, one, other in zip(asked, embedded, vllm, strict=True) if one != other]
    assert not differing, f"{len(differing)} of {len(flat)} differ, in the roles {sorted(set(differing))}"


async def read(backend: Backend, texts: Sequence[Prompt]) -> list[list[float]]:
    """Return the log-probabilities of the tokens of each text, in nats."""
    async with backend, asyncio.TaskGroup() as group:
        tasks = [group.create_task(backend.score_prompt(text)) for text in texts]
    return [[value or 0.0 for value in task.result().logprobs] for task in tasks]


async def test_given_texts_are_as_likely_in_both() -> None:
    """What the verifier `implicit_prm` adds up: the judge's own model, on right and wrong attempts."""
    texts = [
        Prompt(messages=(Message("user", problem.question), Message("assistant", text)))
        for problem in sampled(25)
        for text in problem.texts[:2]
    ]
    embedded = await read(load_backend("hf:abacus-prm"), texts)
    vllm = await read(load_backend("vllm:abacus-prm"), texts)
    assert len(texts) >= NUM_PROMPTS
    for one, other in zip(embedded, vllm, strict=True):
        assert one == pytest.approx(other, abs=1e-2)
