"""Sequential refinement: what each attempt sees of those before, and whose answer counts."""

from __future__ import annotations

import math

import pytest

from tests.unit.refining import ERRORS, QUESTION, Model, ask, in_order, noted, spent
from ttscale import registry
from ttscale.backends.base import Capabilities
from ttscale.budget import Budget
from ttscale.engine import Engine
from ttscale.errors import CapabilityError, ConfigError
from ttscale.testing import FakeBackend, Reply, virtual_clock
from ttscale.types import Message, Problem, Prompt

LOST = Reply("\\boxed{5}", error="lost")


def attempts(text: str) -> list[str]:
    """Return the attempts that a prompt shows."""
    parts = text.partition("\n\nWrite a correct")[0].partition("\n\nWhat a reviewer")[0].split("Attempt ")[1:]
    return [part.split(":\n", 1)[1].strip() for part in parts]


def box(*answers: object) -> list[str]:
    return [f"\\boxed{{{answer}}}" for answer in answers]


@virtual_clock
async def test_each_attempt_sees_all_before_it_without_their_thoughts() -> None:
    model = in_order("hm</think>" + box(1)[0], *box(2, 3))
    outcome, backend = await ask("sequential_refine:n=3,choose=last", model)
    assert [attempts(text) for text in model.asked] == [[], box(1), box(1, 2)]
    assert (outcome.answer, outcome.text, outcome.usage.calls) == ("3", box(3)[0], 3)
    assert outcome.confidence == pytest.approx(1 / 3)
    assert noted(outcome, "total_tokens") == noted(outcome, "sequential_tokens") == sum(spent(backend))
    assert outcome.critical_path_tokens == outcome.usage.generated
    assert all(request.sampling.logprobs is None for request in backend.requests)


@virtual_clock
async def test_with_the_last_shown_each_sees_one_and_the_paper_it_comes_from_lists_errors_first() -> None:
    def reply(text: str, number: int) -> str:
        return f"hm</think>error {number}" if ERRORS in text else box(number)[0]

    model = Model(reply)
    outcome, _ = await ask("sequential_refine:n=3,show=last,choose=last,analyse=true", model)
    assert [ERRORS in text for text in model.asked] == [False, True, False, True, False]
    assert [attempts(text) for text in model.asked[2::2]] == [box(0), box(1)]
    assert "which may be wrong too:\n\nerror 1\n\nWrite" in model.asked[4]
    assert (outcome.answer, outcome.usage.calls) == ("2", 5)


@pytest.mark.parametrize("analysis", ["", LOST])
@virtual_clock
async def test_an_analysis_that_says_nothing_is_shown_as_none(analysis: Reply | str) -> None:
    model = in_order(*box(1, 2), otherwise=analysis)
    outcome, _ = await ask("sequential_refine:n=2,choose=last,analyse=true", model)
    assert "None were found." in model.asked[-1]
    assert outcome.answer == "2"


@virtual_clock
async def test_as_turns_the_conversation_goes_on_and_its_beginning_stays_the_same() -> None:
    model = in_order("hm</think>" + box(1)[0], *box(2, 3))
    problem = Problem(id="q", prompt=Prompt.user("Q", system="Be brief."))
    await ask("sequential_refine:n=3,form=turns,choose=majority", model, problem=problem)
    _, second, third = model.prompts
    assert second.messages[:3] == (*problem.prompt.messages, Message("assistant", box(1)[0]))
    assert second.messages[3].role == "user"
    assert "Look for mistakes" in second.messages[3].content
    assert third.messages[:4] == second.messages
    assert [message.role for message in third.messages[4:]] == ["assistant", "user"]


@virtual_clock
async def test_chains_side_by_side_see_their_own_attempts_only_and_wait_for_nobody() -> None:
    asked = list[str]()

    def script(prompt: Prompt, seed: int, ordinal: int) -> Reply:
        asked.append(prompt.question)
        is_slow = ordinal == 1 or "99" in prompt.question
        return Reply(box(99 if is_slow else ordinal)[0], seconds=1.0 if is_slow else 0.1)

    outcome, backend = await ask("sequential_refine:n=3,num_chains=2,choose=majority", script)
    assert len(backend.requests) == 1 + 2 * 2
    assert [attempts(text) for text in asked] == [[], [], box(0), box(0, 2), box(99), box(99)]
    assert outcome.answer == "99"
    assert [(one.index, one.answer) for one in outcome.candidates] == [
        (0, "0"), (1, "2"), (2, "3"), (3, "99"), (4, "99"), (5, "99"),
    ]  # fmt: skip
    assert outcome.seconds == pytest.approx(3.0, abs=0.1)
    assert noted(outcome, "total_tokens") == sum(spent(backend))


@virtual_clock
async def test_of_several_chains_the_majority_of_their_last_answers_counts() -> None:
    last = {0: 7, 1: 8, 2: 8}

    def script(prompt: Prompt, seed: int, ordinal: int) -> str:
        shown = attempts(prompt.question)
        return box(ordinal if not shown else last[int(shown[0][7:-1])])[0]

    outcome, _ = await ask("sequential_refine:n=2,num_chains=3,choose=last", script)
    assert outcome.answer == "8"
    assert outcome.confidence == pytest.approx(2 / 6)


@virtual_clock
async def test_a_budget_that_buys_some_chains_only_leaves_their_vote() -> None:
    for samples, answer in ((1, "1"), (2, "1"), (4, "2")):
        spec = "sequential_refine:n=2,num_chains=2,choose=majority"
        outcome, _ = await ask(spec, in_order(*box(1, 2, 2, 2)), budget=Budget(samples=samples))
        assert (outcome.answer, outcome.usage.calls) == (answer, samples)
        assert outcome.stop_reason == ("finished" if samples == 4 else "budget")


@virtual_clock
async def test_a_bare_text_becomes_the_first_turn() -> None:
    model = in_order(*box(1, 2))
    problem = Problem(id="q", prompt=Prompt(text="1 + 1 ="))
    await ask("sequential_refine:n=2,form=turns,choose=last", model, problem=problem)
    assert model.prompts[1].messages[0] == Message("user", "1 + 1 =")


@virtual_clock
async def test_failed_empty_and_cut_off_attempts_are_not_shown_and_the_question_is_asked_again() -> None:
    cut = Reply("so \\boxed{4}", finish_reason="length")
    model = in_order(LOST, "", cut, *box(1, 2))
    outcome, _ = await ask("sequential_refine:n=5,choose=last", model)
    assert model.asked[:4] == [QUESTION] * 4
    assert attempts(model.asked[4]) == box(1)
    assert (outcome.answer, len(outcome.candidates)) == ("2", 5)


@virtual_clock
async def test_a_model_that_repeats_itself_is_shown_that_once_and_stopped_where_that_is_wanted() -> None:
    model = in_order(*box(1, 1, 2, 1, 1))
    await ask("sequential_refine:n=5,choose=majority", model)
    assert attempts(model.asked[3]) == box(1, 2)
    assert attempts(model.asked[4]) == box(2, 1)  # of equal ones the last
    repeating = in_order(*box(*[7] * 20))
    outcome, _ = await ask("sequential_refine:n=20,choose=majority,stop=consistent", repeating)
    assert (outcome.answer, outcome.stop_reason, outcome.usage.calls) == ("7", "decided", 4)


@virtual_clock
async def test_attempts_that_do_not_fit_the_workspace_are_cut_evenly_at_their_beginnings() -> None:
    model = in_order("a long story \\boxed{1}", *box(2, 3))
    await ask("sequential_refine:n=3,choose=last,max_workspace_tokens=20", model)
    assert attempts(model.asked[1]) == ["long story \\boxed{1}"]
    assert attempts(model.asked[2]) == ["y \\boxed{1}", *box(2)]


@virtual_clock
async def test_without_a_limit_half_of_the_context_is_the_workspace() -> None:
    model = in_order("x" * 40_000, *box(2))
    await ask("sequential_refine:n=2,choose=last", model)
    assert len(attempts(model.asked[1])[0]) == 65_536 // 2


# ── who answers ───────────────────────────────────────────────────────────────────────────────────────────


def of_entropy(answer: int, *shares: float) -> Reply:
    """Return an attempt each of whose tokens has these chances."""
    text = box(answer)[0]
    top = {chr(ord("a") + place): math.log(share) for place, share in enumerate(shares)}
    return Reply(text, top_logprobs=[top] * len(text))


@virtual_clock
async def test_the_surer_attempt_outweighs_two_that_hesitate() -> None:
    sure, unsure = of_entropy(2, 0.9, 0.1), of_entropy(1, 0.5, 0.5)
    outcome, backend = await ask("sequential_refine:n=3,top_logprobs=2", in_order(unsure, unsure, sure))
    assert outcome.answer == "2"  # 1 / 0.4689956 = 2.132216 > 1 + 1
    assert outcome.confidence == pytest.approx(2.132216 / 4.132216, abs=1e-6)
    assert [candidate.score for candidate in outcome.candidates] == pytest.approx([1.0, 1.0, 0.4689956])
    assert all(request.sampling.logprobs == 2 for request in backend.requests)
    plain, _ = await ask("sequential_refine:n=3,choose=majority", in_order(unsure, unsure, sure))
    assert plain.answer == "1"
    assert plain.confidence == pytest.approx(2 / 3)


@virtual_clock
async def test_the_last_attempt_without_an_answer_leaves_the_one_before() -> None:
    outcome, _ = await ask("sequential_refine:n=3,choose=last", in_order(*box(1, 2), "no idea"))
    assert (outcome.answer, outcome.confidence) == ("2", 0.5)


@virtual_clock
async def test_a_model_without_log_probabilities_may_vote_by_majority_only() -> None:
    plain = Capabilities(seeds=True)
    async with Engine(FakeBackend("\\boxed{1}", capabilities=plain)) as engine:
        with pytest.raises(CapabilityError):
            await engine.solve("Q", strategy=registry.create_strategy("sequential_refine:n=2"))
        majority = registry.create_strategy("sequential_refine:n=3,choose=majority,max_workspace_tokens=1")
        outcome = await engine.solve("Q", strategy=majority)
    assert outcome.answer == "1"


@pytest.mark.parametrize(("samples", "answer"), [(1, "1"), (2, "1"), (3, "2"), (4, "2"), (5, "3")])
@virtual_clock
async def test_a_budget_that_ends_on_the_way_leaves_the_attempts_so_far(samples: int, answer: str) -> None:
    model = in_order(*box(1, 2, 3))
    spec = "sequential_refine:n=3,choose=last,analyse=true"
    outcome, _ = await ask(spec, model, budget=Budget(samples=samples))
    assert (outcome.answer, outcome.usage.calls) == (answer, samples)
    assert outcome.stop_reason == ("finished" if samples == 5 else "budget")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("n=0", "n must be >= 1"),
        ("num_chains=0", "num_chains must be >= 1"),
        ("top_logprobs=0", "top_logprobs must be >= 1"),
        ("min_entropy=0", "min_entropy must be above 0"),
        ("stop=entropy", "needs rounds of several answers"),
        ("form=turns,analyse=true", "needs form=attempts"),
        ("template=plan", "needs the fields question and attempts"),
        ("analyse=true,template=revise", "needs the fields question and attempts and analysis"),
        ("turn_template=revise", "the template 'revise' must have no fields"),
        ("max_tokens=0", "max_tokens must be >= 1"),
    ],
)
def test_options_out_of_range_are_named(options: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        registry.create_strategy(f"sequential_refine:{options}")
