"""The implicit process reward model: rewards add up token by token, and steps have their own."""

from __future__ import annotations

import math

import pytest

from tests.unit.judging import RIGHT_STEPS, WRONG_STEPS, doubting, judge
from ttscale.budget import Budget
from ttscale.errors import CapabilityError
from ttscale.steps import split_steps
from ttscale.testing import EVERYTHING, FakeBackend, FakeRewardModel
from ttscale.verifiers import ImplicitPRMVerifier
from ttscale_verifiers.step_scores import step_numbers


@pytest.mark.parametrize(
    ("pieces", "numbers"),
    [
        (["1+1", "=2", "\n", "2*3=6"], [0, 0, 0, 1]),
        (["1+1=2", "\n2", "*3"], [0, 1, 1]),
        (["\n", "1", "\n", "\n", "2", "\n", ""], [0, 0, 0, 0, 1, 1, 1]),
        (["a\nb\nc", "d"], [2, 2]),
        (["", ""], [0, 0]),
        ([], []),
    ],
)
def test_a_token_belongs_to_the_step_it_ends_in(pieces: list[str], numbers: list[int]) -> None:
    assert step_numbers(pieces, "\n") == numbers
    if numbers and numbers[-1]:
        assert numbers[-1] == len(split_steps("".join(pieces), "\n")) - 1


def test_a_delimiter_may_be_cut_in_two() -> None:
    assert step_numbers(["1+1=2\n", "\n2*3=6", "\n", "\n"], "\n\n") == [0, 1, 1, 1]


async def test_the_score_is_the_likelihood_and_the_product_of_the_steps() -> None:
    (right, wrong), outcome = await judge(
        ImplicitPRMVerifier(), RIGHT_STEPS, WRONG_STEPS, own=FakeBackend("", likelihood=doubting)
    )
    assert right.value == pytest.approx(math.exp(-0.01 * len(RIGHT_STEPS)))
    assert wrong.value == pytest.approx(math.exp(-0.01 * (len(WRONG_STEPS) - 3) - 15))
    assert math.prod(right.steps) == pytest.approx(right.value)
    assert right.steps[0] == pytest.approx(math.exp(-0.01 * len("2 + 3 = 5\n")))
    assert len(wrong.steps) == 3
    assert min(wrong.steps) < 0.01 < min(right.steps)
    assert outcome.usage.verifier > len(RIGHT_STEPS) + len(WRONG_STEPS)
    assert outcome.usage.generated == outcome.usage.prompt_computed == 0


async def test_with_a_reference_the_reward_is_beta_times_the_log_ratio() -> None:
    models = {"judge": FakeBackend("", likelihood=doubting), "reference": FakeBackend("")}
    verifier = ImplicitPRMVerifier(model="judge", reference="reference", beta=0.5)
    (right, wrong), _ = await judge(verifier, RIGHT_STEPS, WRONG_STEPS, models=models)
    assert right.value == pytest.approx(0.5)  # both find it as likely
    assert wrong.value == pytest.approx(1 / (1 + math.exp(0.5 * 3 * 4.99)))
    assert right.steps == pytest.approx((0.5, 0.5, 0.5))


async def test_a_small_beta_keeps_long_solutions_apart() -> None:
    long, longer = RIGHT_STEPS * 900, RIGHT_STEPS * 1000
    for beta, is_told_apart in ((1.0, False), (0.01, True)):
        backend = FakeBackend("", likelihood=lambda answer: [-1.0] * len(answer))
        (one, other), _ = await judge(ImplicitPRMVerifier(beta=beta), long, longer, own=backend)
        assert one.value is not None
        assert other.value is not None
        assert (one.value > other.value) == is_told_apart


async def test_an_empty_solution_and_one_too_long_have_no_value() -> None:
    scores, _ = await judge(ImplicitPRMVerifier(), "", "7" * 70_000, own=FakeBackend(""))
    assert [score.value for score in scores] == [None, None]
    assert scores[0].reason == "no solution"
    assert "does not fit" in scores[1].reason


async def test_a_model_that_cannot_tell_is_refused_before_anything_is_spent() -> None:
    with pytest.raises(CapabilityError, match="prompt_logprobs"):
        await judge(
            ImplicitPRMVerifier(model="judge"),
            RIGHT_STEPS,
            models={"judge": FakeRewardModel(lambda _: 1.0)},
        )
    assert EVERYTHING.prompt_logprobs


async def test_a_budget_too_small_for_the_texts_ends_the_run() -> None:
    _, outcome = await judge(ImplicitPRMVerifier(), RIGHT_STEPS, own=FakeBackend(""), budget=Budget(tokens=20))
    assert outcome.stop_reason == "budget"


@pytest.mark.parametrize(("field", "value"), [("beta", 0.0), ("beta", math.inf), ("delimiter", "")])
def test_wrong_parameters_are_refused(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=field):
        ImplicitPRMVerifier(**{field: value})  # type: ignore[arg-type]  # wrong on purpose
