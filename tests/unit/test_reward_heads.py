"""Which checkpoints are reward models, and from logits to rewards."""

from __future__ import annotations

import pytest

from ttscale.backends.rewards import RewardHead, reward_head
from ttscale.errors import BackendError, BackendUnavailable, ParameterError

STEPS, WHOLE = RewardHead("steps", num_labels=2), RewardHead("whole", num_labels=1)


@pytest.mark.parametrize(
    ("architecture", "num_labels", "expected"),
    [
        ("Qwen2ForProcessRewardModel", 7, RewardHead("steps", 2, num_layers=2)),
        ("Qwen2ForRewardModel", 7, RewardHead("whole", 1, num_layers=2)),
        ("LlamaForSequenceClassification", 1, RewardHead("whole", 1)),
        ("LlamaForSequenceClassification", 2, RewardHead("whole", 2)),
        ("Qwen3ForTokenClassification", 2, RewardHead("steps", 2)),
        ("LlamaForCausalLM", 2, None),
        ("Qwen2Model", 2, None),
    ],
)
def test_the_architecture_tells_a_reward_model(
    architecture: str, num_labels: int, expected: RewardHead | None
) -> None:
    assert reward_head([architecture], num_labels, model="m") == expected


def test_a_configuration_without_architecture_is_no_reward_model() -> None:
    assert reward_head([], 2, model="m") is None


def test_a_classifier_of_many_classes_is_refused() -> None:
    with pytest.raises(BackendUnavailable, match="'m' tells 5 classes apart"):
        reward_head(["BertForSequenceClassification"], 5, model="m")


@pytest.mark.parametrize(
    ("logits", "reward"),
    [
        ([0.0], 0.5),
        ([1.0], 0.731059),
        ([-1.0], 0.268941),
        ([2.0, 2.0], 0.5),
        ([0.5, 1.5], 0.731059),  # only the difference counts
        ([-1000.0], 0.0),
        ([-800.0, 800.0], 1.0),
    ],
)
def test_a_reward_is_the_probability_of_being_good(logits: list[float], reward: float) -> None:
    assert STEPS.reward(logits) == pytest.approx(reward, abs=1e-6)


def test_steps_are_read_off_at_their_tokens_and_a_whole_text_at_its_end() -> None:
    assert STEPS.positions([5, 9, 5, 5, 9], 9, model="m") == [1, 4]
    assert WHOLE.positions([5, 9, 5], None, model="m") == [2]


@pytest.mark.parametrize(
    ("head", "ids", "message"),
    [(STEPS, [1, 2], "no step that ends"), (STEPS, [], "no token"), (WHOLE, [], "no token")],
)
def test_a_text_without_anything_to_grade_is_refused(head: RewardHead, ids: list[int], message: str) -> None:
    with pytest.raises(BackendError, match=message):
        head.positions(ids, 9, model="m")


def test_a_step_token_is_wanted_of_a_model_of_steps_only() -> None:
    STEPS.check_step_token("<x>", model="m")
    WHOLE.check_step_token(None, model="m")
    with pytest.raises(ParameterError, match="'m' grades steps; say in step_token"):
        STEPS.check_step_token(None, model="m")
    with pytest.raises(ParameterError, match="'m' grades whole texts"):
        WHOLE.check_step_token("<x>", model="m")
