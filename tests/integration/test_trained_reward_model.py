"""A process reward model trained by the command: vLLM and transformers load it, agree, and it has learnt."""

from __future__ import annotations

import asyncio
import importlib.util
from pathlib import Path

import pytest

from tests.unit.attempts_bench import sampled
from ttscale.backends import Backend
from ttscale.backends.hf import HFBackend
from ttscale.backends.vllm import VLLMBackend
from ttscale.reference import ABACUS_PATH
from ttscale.reference.graded_solution import STEP_TOKEN
from ttscale.reference.roles.attempts import Attempts, to_line
from ttscale.reference.roles.measures import auroc
from ttscale.reference.roles.steps import Labelled, label
from ttscale.reference.train import main
from ttscale.types import Message, Prompt

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="vLLM is not installed"),
]

NUM_TRAINED = 500
AGREEMENT = 1e-2


def prompt_of(problem: Attempts, solution: Labelled) -> Prompt:
    """Return what the verifier gives a reward model."""
    answer = "".join(f"{step}{STEP_TOKEN}" for step in solution.steps)
    return Prompt(messages=(Message("user", problem.question), Message("assistant", answer)))


async def rewards(backend: Backend, prompts: list[Prompt]) -> list[float]:
    """Return the rewards of all steps of all solutions."""
    async with backend, asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(backend.reward(backend.encode(prompt), step_token=STEP_TOKEN))
            for prompt in prompts
        ]
    return [value for task in tasks for value in task.result().values]


async def test_half_a_minute_of_training_tells_right_steps_from_wrong_ones_in_both_engines(
    tmp_path: Path,
) -> None:
    found = sampled(NUM_TRAINED + 60)
    trained, unseen = found[:NUM_TRAINED], found[NUM_TRAINED:]
    (tmp_path / "attempts.jsonl").write_text("\n".join(map(to_line, trained)), encoding="utf-8")
    settings = {
        "--head": "process",
        "--role": "judge",
        "--attempts": tmp_path / "attempts.jsonl",
        "--from": ABACUS_PATH,
        "--minutes": 0.5,
        "--out": tmp_path,
    }
    main([*(str(part) for setting in settings.items() for part in setting), "--no-compile"])

    known = {each.key for each in trained}
    solutions = [
        (each, label(each, text)) for each in unseen if each.key not in known for text in each.texts[:2]
    ]
    prompts = [prompt_of(problem, solution) for problem, solution in solutions]
    signs = [sign for _, solution in solutions for sign in solution.signs]
    by_vllm = await rewards(VLLMBackend(str(tmp_path / "model")), prompts)
    by_transformers = await rewards(HFBackend(str(tmp_path / "model")), prompts)
    assert by_vllm == pytest.approx(by_transformers, abs=AGREEMENT)
    assert max(by_vllm) - min(by_vllm) > 10 * AGREEMENT
    assert auroc(by_vllm, signs) > 0.6
