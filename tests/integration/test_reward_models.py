"""Reward models on real vLLM and in transformers: the same checkpoint gives the same rewards."""

from __future__ import annotations

import asyncio
import importlib.util
import random
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import pytest

from tests.unit.judging import RIGHT_STEPS, SUM, WRONG_STEPS, judge
from tests.unit.reward_checkpoints import CONTEXT, STEP, Kind, save_reward_model
from ttscale.backends import Backend
from ttscale.backends.hf import HFBackend
from ttscale.backends.vllm import VLLMBackend
from ttscale.cli import main
from ttscale.engine import Engine
from ttscale.errors import BackendError, BackendUnavailable, ParameterError
from ttscale.reference import ABACUS_PATH
from ttscale.strategies import BestOfN
from ttscale.testing import check_backend
from ttscale.types import Message, Prompt
from ttscale.verifiers import ORMVerifier, PRMVerifier

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="vLLM is not installed"),
]

STEPWISE = ("process", "steps")
NUM_TEXTS = 24
AGREEMENT = 1e-2


def solutions(num_texts: int) -> list[Prompt]:
    """Return solutions of one to nine steps that nobody would write."""
    draw = random.Random(5)
    return [
        Prompt(
            messages=(
                Message("user", f"What is {draw.randrange(1000)} + {draw.randrange(1000)}?"),
                Message(
                    "assistant",
                    "".join(f"{draw.randrange(10**6)} is it.{STEP}" for _ in range(draw.randint(1, 9))),
                ),
            )
        )
        for _ in range(num_texts)
    ]


async def rewards(backend: Backend, prompts: Sequence[Prompt], step_token: str | None) -> list[float]:
    """Return all rewards of texts that are graded side by side."""
    async with backend, asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(backend.reward(backend.encode(prompt), step_token=step_token))
            for prompt in prompts
        ]
    return [value for task in tasks for value in task.result().values]


@pytest.mark.parametrize("kind", get_args(Kind))
async def test_vllm_keeps_the_contract_and_agrees_with_transformers(kind: Kind, tmp_path: Path) -> None:
    path, step_token = str(save_reward_model(tmp_path, kind)), STEP if kind in STEPWISE else None
    assert len(await check_backend(lambda: VLLMBackend(path), step_token=step_token)) == 8
    texts = solutions(NUM_TEXTS)
    by_vllm = await rewards(VLLMBackend(path), texts, step_token)
    by_transformers = await rewards(HFBackend(path), texts, step_token)
    assert len(by_vllm) >= (3 * NUM_TEXTS if step_token else NUM_TEXTS)
    assert max(by_vllm) - min(by_vllm) > 10 * AGREEMENT
    assert by_vllm == pytest.approx(by_transformers, abs=AGREEMENT)


async def test_an_outcome_model_reads_what_it_has_read_before_from_the_prefix_cache(tmp_path: Path) -> None:
    async with VLLMBackend(str(save_reward_model(tmp_path, "whole"))) as backend:
        first = await backend.reward(Prompt(text="a" * 200))
        again = await backend.reward(Prompt(text="a" * 200 + "b"))
        assert first.usage.prompt_cached == 0
        assert again.usage.prompt_cached >= 160
        assert again.usage.prompt_computed + again.usage.prompt_cached == 201


async def test_bad_input_is_one_clear_error_each(tmp_path: Path) -> None:
    async with VLLMBackend(str(save_reward_model(tmp_path, "process"))) as backend:
        with pytest.raises(ParameterError, match="step_token='<extra_0>' is not one token"):
            await backend.reward(Prompt(text="a"), step_token="<extra_0>")
        with pytest.raises(BackendError, match="no step that ends with the step token"):
            await backend.reward(Prompt(text="a"), step_token=STEP)
        with pytest.raises(BackendError, match=f"takes {CONTEXT}"):
            await backend.reward(Prompt(text="a" * CONTEXT + STEP), step_token=STEP)
        full = await backend.reward(Prompt(text="a" * (CONTEXT - 1) + STEP), step_token=STEP)
        assert len(full.values) == 1


async def test_a_classifier_of_many_classes_does_not_start(tmp_path: Path) -> None:
    path = str(save_reward_model(tmp_path, "whole", num_labels=5))
    for backend in (VLLMBackend(path), HFBackend(path)):
        with pytest.raises(BackendUnavailable, match="tells 5 classes apart"):
            await backend.start()


async def test_samples_of_one_engine_are_graded_by_another(tmp_path: Path) -> None:
    uri = f"vllm:{save_reward_model(tmp_path, 'process')}"
    verifier = PRMVerifier(model=uri, step_token=STEP, aggregate="min")
    async with Engine(VLLMBackend(str(ABACUS_PATH))) as engine:
        strategy = BestOfN(n=6, verifier=verifier, max_tokens=48)
        outcome = await engine.solve("Calculate 48 - 9 + 62.", strategy=strategy)
    assert outcome.stop_reason in ("finished", "decided")
    assert any(candidate.score is not None for candidate in outcome.candidates)
    assert outcome.usage.verifier > 0


@pytest.mark.parametrize("backend_class", [HFBackend, VLLMBackend])
@pytest.mark.parametrize("verifier", [PRMVerifier(), ORMVerifier()])
async def test_the_model_that_samples_can_be_asked(
    verifier: PRMVerifier | ORMVerifier, backend_class: type[HFBackend | VLLMBackend]
) -> None:
    texts = [RIGHT_STEPS, WRONG_STEPS, ""]
    scores, outcome = await judge(verifier, *texts, own=backend_class(str(ABACUS_PATH)), problem=SUM)
    assert scores[2].value is None
    most = 3 if isinstance(verifier, PRMVerifier) else 1  # one that knows no signs is not asked on
    assert 2 <= outcome.usage.calls <= 2 * most
    for score in scores[:2]:
        assert score.value is None or 0 < score.value < 1


def test_a_judge_that_does_not_start_ends_the_command_with_status_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["solve", "What is 2 + 3?", "--model", "hf:abacus", "--strategy", "best_of_n"]
    missing = f"hf:{tmp_path / 'nothing'}"
    assert main([*arguments, "--set", "verifier=prm", "--set", f"verifier.model={missing}"]) == 2
    assert "does not start: there is no model directory" in capsys.readouterr().err
