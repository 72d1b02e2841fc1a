"""Reward models in the embedded backend, on tiny random checkpoints of every kind."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import Qwen2ForSequenceClassification, Qwen2ForTokenClassification, Qwen2Model

from tests.unit.reward_checkpoints import CONTEXT, STEP, Kind, save_reward_model
from ttscale.backends.hf import HFBackend
from ttscale.backends.hf.reading import batch_length
from ttscale.errors import BackendError, BackendUnavailable, ParameterError
from ttscale.testing import check_backend
from ttscale.types import Message, Prompt

STEPWISE = ("process", "steps")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Kind], Path]:
    """Return a function that writes a checkpoint, each kind once."""
    made: dict[Kind, Path] = {}

    def get(kind: Kind) -> Path:
        if kind not in made:
            made[kind] = save_reward_model(tmp_path_factory.mktemp(kind), kind)
        return made[kind]

    return get


Checkpoint = Callable[[Kind], Path]


def solution(*steps: str, end: str = STEP) -> Prompt:
    answer = "".join(f"{step}{end}" for step in steps)
    return Prompt(messages=(Message("user", "What is 2 + 3?"), Message("assistant", answer)))


@pytest.mark.parametrize("kind", get_args(Kind))
async def test_it_keeps_the_contract_of_reward_models(kind: Kind, checkpoint: Checkpoint) -> None:
    path = str(checkpoint(kind))
    checked = await check_backend(lambda: HFBackend(path), step_token=STEP if kind in STEPWISE else None)
    assert len(checked) == 8


def rewards_by_hand(kind: Kind, path: Path, ids: tuple[int, ...]) -> list[float]:
    """Return what the model gives, by transformers' own classes; of a model of steps one for each token."""
    tokens = torch.tensor([ids])
    logits: Tensor
    match kind:
        case "steps":
            logits = Qwen2ForTokenClassification.from_pretrained(path)(tokens).logits[0]
        case "whole":
            logits = Qwen2ForSequenceClassification.from_pretrained(path)(tokens).logits
        case _:
            weights = load_file(path / "model.safetensors")
            hidden = Qwen2Model.from_pretrained(path)(tokens).last_hidden_state[0]
            hidden = (hidden @ weights["score.0.weight"].T + weights["score.0.bias"]).relu()
            logits = hidden @ weights["score.2.weight"].T + weights["score.2.bias"]
    good = logits.softmax(-1)[:, 1] if logits.shape[1] == 2 else logits.sigmoid()[:, 0]
    return [float(value.detach()) for value in good]


@pytest.mark.parametrize("kind", get_args(Kind))
async def test_rewards_are_what_the_layers_of_the_checkpoint_give(kind: Kind, checkpoint: Checkpoint) -> None:
    path, stepwise = checkpoint(kind), kind in STEPWISE
    async with HFBackend(str(path)) as backend:
        prompt = backend.encode(solution("2 + 3 = 5", "\\boxed{5}"))
        rewards = await backend.reward(prompt, step_token=STEP if stepwise else None)
        step_ids = backend.encode(Prompt(text=STEP)).token_ids or ()
    ids = prompt.token_ids or ()
    by_hand = rewards_by_hand(kind, path, ids)
    expected = [by_hand[at] for at, token in enumerate(ids) if token in step_ids] if stepwise else by_hand[-1:]
    assert len(expected) == (2 if stepwise else 1)
    assert rewards.values == pytest.approx(expected, abs=1e-5)
    assert (rewards.usage.prompt_computed, rewards.usage.generated) == (len(ids), 0)


async def test_a_conversation_is_graded_closed(checkpoint: Checkpoint) -> None:
    async with HFBackend(str(checkpoint("whole"))) as backend:
        ids = backend.encode(solution("5", end="")).token_ids
        end = backend.encode(Prompt(text="<end>")).token_ids
    assert ids is not None
    assert ids[-1:] == end


@pytest.mark.parametrize(
    ("kind", "step_token", "message"),
    [
        ("process", "<extra_0>", "step_token='<extra_0>' is not one token"),
        ("process", None, "say in step_token which token"),
        ("whole", STEP, "grades whole texts, not steps"),
    ],
)
async def test_a_wrong_step_token_is_named(
    kind: Kind, step_token: str | None, message: str, checkpoint: Checkpoint
) -> None:
    async with HFBackend(str(checkpoint(kind))) as backend:
        with pytest.raises(ParameterError, match=message):
            await backend.reward(solution("5"), step_token=step_token)


async def test_a_text_may_fill_the_context_and_no_more(checkpoint: Checkpoint) -> None:
    async with HFBackend(str(checkpoint("whole"))) as backend:
        assert (await backend.reward(Prompt(token_ids=(7,) * CONTEXT))).usage.prompt_computed == CONTEXT
        with pytest.raises(BackendError, match=f"{CONTEXT + 1} tokens and leaves no room"):
            await backend.reward(Prompt(token_ids=(7,) * (CONTEXT + 1)))


async def test_a_causal_model_gives_no_rewards(abacus_path: str) -> None:
    async with HFBackend(abacus_path) as backend:
        with pytest.raises(BackendError, match="is no reward model"):
            await backend.reward(solution("5"))


@pytest.fixture
def abacus_path() -> str:
    from ttscale.reference import ABACUS_PATH

    return str(ABACUS_PATH)


async def test_one_that_gives_up_waiting_does_not_disturb_the_others(checkpoint: Checkpoint) -> None:
    async with HFBackend(str(checkpoint("process"))) as backend, asyncio.TaskGroup() as group:
        prompts = [solution(*["1 + 1 = 2"] * count) for count in range(1, 9)]
        tasks = [group.create_task(backend.reward(prompt, step_token=STEP)) for prompt in prompts]
        await asyncio.sleep(0)
        tasks[3].cancel()
    assert [len(task.result().values) for task in tasks if not task.cancelled()] == [1, 2, 3, 5, 6, 7, 8]


def test_a_checkpoint_without_its_head_is_refused(checkpoint: Checkpoint, tmp_path: Path) -> None:
    for file in checkpoint("steps").iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    document = json.loads((tmp_path / "config.json").read_text())
    document["architectures"] = ["Qwen2ForProcessRewardModel"]
    (tmp_path / "config.json").write_text(json.dumps(document))

    async def start() -> None:
        async with HFBackend(str(tmp_path)):
            pass

    with pytest.raises(BackendUnavailable, match=r"lacks the weights 'score\.0\.bias'"):
        asyncio.run(start())


@pytest.mark.parametrize(
    ("lengths", "expected"),
    [([5], 1), ([500], 1), ([10, 10, 10], 3), ([10, 60, 10], 1), ([50, 50, 10], 2), ([1] * 9, 4)],
)
def test_a_batch_is_as_long_as_its_padded_texts_allow(lengths: list[int], expected: int) -> None:
    assert batch_length(lengths, 4, 100) == expected
