"""Process and outcome reward models as verifiers, carried by a judge that is asked and by a reward model."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.judging import (
    RIGHT_STEPS,
    STEP,
    SUM,
    WRONG_STEPS,
    grade,
    judge,
    judging,
)
from ttscale import registry
from ttscale.backends.base import Capabilities
from ttscale.budget import Budget
from ttscale.engine import Engine
from ttscale.errors import CapabilityError, ConfigError, ParameterError
from ttscale.strategies import BestOfN
from ttscale.testing import EVERYTHING, FakeBackend, FakeRewardModel, Reply, characters, virtual_clock
from ttscale.testing.fake import TOY
from ttscale.types import Message, Problem, Prompt
from ttscale.verifiers import ORMVerifier, PRMVerifier

ASKED, GRADED = PRMVerifier(), PRMVerifier(model="judge", step_token=STEP)


# ── process reward models ─────────────────────────────────────────────────────────────────────────────────


@virtual_clock
async def test_a_judge_is_asked_after_every_step_in_a_conversation_that_called_all_earlier_ones_right() -> None:
    own = FakeBackend(judging())
    ((score,), outcome) = await judge(ASKED, RIGHT_STEPS, own=own)
    assert score.steps == pytest.approx((0.75, 0.75, 0.75))
    conversations = [
        [m.content for m in characters.parse(r.prompt.token_ids or ()).messages] for r in own.requests
    ]
    assert sorted(conversations, key=len) == [
        ["What is 2 + 3 + 4?\n\n2 + 3 = 5"],
        ["What is 2 + 3 + 4?\n\n2 + 3 = 5", "+", "5 + 4 = 9"],
        ["What is 2 + 3 + 4?\n\n2 + 3 = 5", "+", "5 + 4 = 9", "+", "\\boxed{9}"],
    ]
    assert [request.sampling.max_tokens for request in own.requests] == [1, 1, 1]
    assert outcome.usage.verifier == outcome.usage.tokens
    assert outcome.usage.calls == 3


@virtual_clock
async def test_of_the_newest_step_alone_nothing_else_is_asked() -> None:
    own = FakeBackend(judging())
    ((score,), outcome) = await judge(ASKED.for_newest_step(), RIGHT_STEPS, own=own)
    assert score.value == pytest.approx(0.75)
    assert score.steps == pytest.approx((0.75,))
    assert outcome.usage.calls == 1
    (request,) = own.requests
    asked = characters.parse(request.prompt.token_ids or ()).messages
    assert [message.content for message in asked][-1] == "\\boxed{9}"


@virtual_clock
async def test_a_reward_model_reads_all_and_the_newest_step_counts() -> None:
    model = FakeRewardModel(lambda text: text.count(STEP) / 10, step_token=STEP)
    ((score,), _) = await judge(GRADED.for_newest_step(), RIGHT_STEPS, models={"judge": model})
    assert (score.value, score.steps) == (0.3, (0.3,))


@virtual_clock
async def test_the_whole_conversation_is_asked_about_first_and_then_what_it_begins_with_all_at_once() -> None:
    own = FakeBackend(judging())
    _, outcome = await judge(ASKED, RIGHT_STEPS, WRONG_STEPS, own=own)
    assert own.peak_running == 4
    assert outcome.seconds == pytest.approx(0.02)
    asked = [request.prompt.token_ids or () for request in own.requests]
    for whole, *others in ([asked[0], *asked[2:4]], [asked[1], *asked[4:6]]):
        assert all(whole[: len(other)] == other for other in others)


@virtual_clock
async def test_a_judge_that_says_neither_sign_of_the_whole_is_not_asked_about_its_beginnings() -> None:
    own = FakeBackend(lambda prompt, seed, ordinal: "well")
    ((score,), outcome) = await judge(ASKED, RIGHT_STEPS, own=own)
    assert score.value is None
    assert outcome.usage.calls == 1


@virtual_clock
@pytest.mark.parametrize(
    ("how", "expected"), [("last", 0.75), ("min", 0.25), ("product", 0.1875), ("mean", 0.5)]
)
async def test_the_steps_scores_are_aggregated(how: str, expected: float) -> None:
    verifier = registry.create_verifier(f"prm:aggregate={how}")
    ((score,), _) = await judge(verifier, "2 + 3 = 6\nwell")
    assert score.steps == pytest.approx((0.25, 0.75))
    assert score.value == pytest.approx(expected)


@virtual_clock
async def test_a_reward_model_grades_all_steps_of_a_sample_in_one_pass() -> None:
    model = FakeRewardModel(grade, step_token=STEP)
    scores, outcome = await judge(GRADED, RIGHT_STEPS, WRONG_STEPS, models={"judge": model})
    assert [score.steps for score in scores] == [(0.9, 0.9, 0.9), (0.2, 0.2, 0.2)]
    answer = "2 + 3 = 5§5 + 4 = 9§\\boxed{9}§"
    assert model.graded[0].messages == (Message("user", "What is 2 + 3 + 4?"), Message("assistant", answer))
    assert outcome.usage.verifier == outcome.usage.tokens > 0
    assert outcome.usage.calls == 2


@virtual_clock
async def test_a_sample_cannot_bring_step_tokens_of_its_own() -> None:
    model = FakeRewardModel(lambda text: text.count(STEP) / 10, step_token=STEP)
    ((score,), _) = await judge(GRADED, "all§is§well\n§§\nyes", models={"judge": model})
    assert model.graded[0].messages[-1].content == "alliswell§§yes§"
    assert score.steps == (0.1, 0.2, 0.3)


@virtual_clock
async def test_another_model_can_be_asked() -> None:
    own, other = FakeBackend(""), FakeBackend(judging())
    ((score,), _) = await judge(PRMVerifier(model="judge"), WRONG_STEPS, own=own, models={"judge": other})
    assert score.value == pytest.approx(0.25)
    assert (len(own.records), len(other.records)) == (0, 3)


# ── outcome reward models ─────────────────────────────────────────────────────────────────────────────────


@virtual_clock
async def test_a_judge_is_asked_once_about_a_whole_solution() -> None:
    own = FakeBackend(judging(["{10}"]))
    scores, outcome = await judge(ORMVerifier(), RIGHT_STEPS, WRONG_STEPS, own=own)
    assert [score.value for score in scores] == pytest.approx([0.75, 0.25])
    assert [score.steps for score in scores] == [(), ()]
    (message,) = characters.parse(own.requests[0].prompt.token_ids or ()).messages
    assert message.content.startswith(f"What is 2 + 3 + 4?\n\n{RIGHT_STEPS}\n\n")
    assert outcome.usage.calls == 2


@virtual_clock
async def test_a_reward_model_grades_a_whole_solution() -> None:
    model = FakeRewardModel(grade)
    scores, _ = await judge(ORMVerifier(model="judge"), RIGHT_STEPS, WRONG_STEPS, models={"judge": model})
    assert [score.value for score in scores] == [0.9, 0.2]
    assert model.graded[1].messages[-1] == Message("assistant", WRONG_STEPS)


@virtual_clock
@pytest.mark.parametrize(
    "prompt",
    [
        Prompt(text="What?"),
        Prompt(messages=(Message("user", "Hi"), Message("assistant", "Yes"), Message("user", "What?"))),
        Prompt(token_ids=tuple(map(ord, "What?"))),
    ],
    ids=["text", "conversation", "token ids"],
)
async def test_the_question_is_what_was_said_last(prompt: Prompt) -> None:
    model = FakeRewardModel(grade)
    problem = Problem(id="p", prompt=prompt)
    await judge(ORMVerifier(model="judge"), "5", models={"judge": model}, problem=problem)
    assert model.graded[0].messages[0] == Message("user", "What?")


# ── what cannot be judged ─────────────────────────────────────────────────────────────────────────────────


@virtual_clock
@pytest.mark.parametrize(
    ("verifier", "reason"), [(ASKED, "no steps"), (GRADED, "no steps"), (ORMVerifier(), "no solution")]
)
async def test_an_empty_sample_has_no_score_and_is_not_asked_about(
    verifier: PRMVerifier | ORMVerifier, reason: str
) -> None:
    models = {"judge": FakeRewardModel(grade, step_token=STEP)}
    scores, outcome = await judge(verifier, " \n\n ", "", models=models)
    assert [(score.value, score.reason) for score in scores] == [(None, reason)] * 2
    assert outcome.usage.calls == 0


@virtual_clock
async def test_a_prompt_longer_than_the_context_is_one_clear_reason() -> None:
    short = replace(TOY, context_length=40)
    own = FakeBackend(judging(), profile=short)
    scores, _ = await judge(ASKED, "2\n" * 20, "2", own=own)
    assert scores[0].value is None
    assert "does not fit a context of 40" in scores[0].reason
    assert scores[1].value == pytest.approx(0.75)
    model = FakeRewardModel(grade, step_token=STEP, profile=short)
    ((score,), _) = await judge(GRADED, "2\n" * 20, models={"judge": model})
    assert "does not fit 40" in score.reason


@virtual_clock
async def test_a_judge_that_says_neither_sign_gives_no_score() -> None:
    own = FakeBackend(Reply("Yes", top_logprobs=[{"Y": -0.1, "N": -3.0}] * 3))
    ((score,), _) = await judge(ORMVerifier(), "5", own=own)
    assert (score.value, score.reason) == (None, "the judge 'fake' said 'Y', neither + nor -")


@virtual_clock
async def test_signs_are_known_by_their_text_whatever_white_space_is_around_them() -> None:
    by_token = {"+": -1.0, " ": -1.5, "-": -2.0}
    ((score,), _) = await judge(ORMVerifier(), "5", own=FakeBackend(Reply("+", top_logprobs=[by_token])))
    assert score.value == pytest.approx(1 / (1 + 2.718281828**-1))


@virtual_clock
async def test_a_reward_model_without_the_step_token_is_a_wrong_configuration() -> None:
    model = FakeRewardModel(grade, step_token=STEP)
    with pytest.raises(ParameterError, match="step_token='<extra_0>' is not one token"):
        await judge(PRMVerifier(model="judge"), RIGHT_STEPS, models={"judge": model})


@virtual_clock
async def test_a_model_of_the_other_kind_is_a_wrong_configuration() -> None:
    with pytest.raises(ParameterError, match="grades whole texts, not steps"):
        await judge(GRADED, RIGHT_STEPS, models={"judge": FakeRewardModel(grade)})
    models = {"judge": FakeRewardModel(grade, step_token=STEP)}
    with pytest.raises(ParameterError, match="grades steps; say in step_token"):
        await judge(ORMVerifier(model="judge"), RIGHT_STEPS, models=models)


@virtual_clock
@pytest.mark.parametrize(
    ("capabilities", "missing"),
    [
        (replace(EVERYTHING, max_top_logprobs=0), "rewards or max_top_logprobs"),
        (replace(EVERYTHING, token_ids=False), "rewards or token_ids"),
    ],
)
async def test_a_model_without_logprobs_is_refused_before_anything_is_spent(
    capabilities: Capabilities, missing: str
) -> None:
    own, weak = FakeBackend(judging()), FakeBackend(judging(), capabilities=capabilities)
    with pytest.raises(CapabilityError, match=f"PRMVerifier needs {missing}, which"):
        await judge(PRMVerifier(model="judge"), RIGHT_STEPS, own=own, models={"judge": weak})
    with pytest.raises(CapabilityError, match=f"ORMVerifier needs {missing}, which"):
        await judge(ORMVerifier(), RIGHT_STEPS, own=weak)
    assert own.records == weak.records == []


@virtual_clock
async def test_a_budget_too_small_for_the_steps_ends_the_run_and_leaves_nothing_behind() -> None:
    own = FakeBackend(judging())
    scores, outcome = await judge(ASKED, RIGHT_STEPS, WRONG_STEPS, own=own, budget=Budget(tokens=60))
    assert (scores, outcome.stop_reason) == ([], "budget")
    assert outcome.usage.tokens <= 60
    assert own.num_running == 0


@virtual_clock
async def test_best_of_n_takes_what_the_judge_likes_while_other_samples_still_run() -> None:
    texts = [WRONG_STEPS, RIGHT_STEPS, WRONG_STEPS]

    def rule(prompt: Prompt, seed: int, ordinal: int) -> Reply | str:
        if len(prompt.messages) == 1 and prompt.messages[0].content == "What is 2 + 3 + 4?":
            return Reply(texts[ordinal % 3], seconds=1.0 + ordinal)
        return judging()(prompt, seed, ordinal)

    async with Engine(FakeBackend(rule)) as engine:
        strategy = BestOfN(n=3, verifier=PRMVerifier(aggregate="min"))
        outcome = await engine.solve(SUM, strategy=strategy)
    assert outcome.answer == "9"
    assert outcome.confidence == pytest.approx(0.75)
    assert outcome.seconds == pytest.approx(3.02)


# ── configuration ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("prm:aggregate=max", "aggregate='max' is wrong"),
        ('prm:delimiter=""', "delimiter must not be empty"),
        ('prm:step_token=""', "step_token must not be empty"),
        ("prm:template=judge_answer", "needs the fields question and step"),
        ("orm:template=judge_steps", "needs the fields question and solution"),
        ("orm:template=nonsense", "No template is called 'nonsense'"),
    ],
)
def test_a_wrong_parameter_is_named(spec: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        registry.create_verifier(spec)


def test_a_verifier_says_whom_it_asks() -> None:
    needs = frozenset({"rewards or max_top_logprobs", "rewards or token_ids"})
    assert PRMVerifier(model="hf:m").models == ORMVerifier(model="hf:m").models == {"hf:m": needs}
    assert ORMVerifier().models == {None: needs}
