from __future__ import annotations

import pytest

from ttscale.reference import ABACUS_PATH
from ttscale.reference.samplers import load_sampler

pytest.importorskip("torch")
pytest.importorskip("transformers")

QUESTIONS = [
    "12 + 30 =",
    "State the final answer to the following arithmetic problem: 25 + 14 - 9 =",
    "7 + 5 =",
]


def test_questions_of_unlike_lengths_in_one_batch_are_answered_as_each_is_alone() -> None:
    sampler = load_sampler("transformers", ABACUS_PATH, temperature=0.01)
    together = sampler.sample(QUESTIONS, num_samples=1, seed=0)
    assert together == [sampler.sample([question], num_samples=1, seed=0)[0] for question in QUESTIONS]
    assert together[0] == ["12+30=42\n\\boxed{42}"]
