"""PaCoRe: the messages of a round, the order in which the next one sees them, and the last call."""

from __future__ import annotations

import pytest

from tests.unit.refining import QUESTION, ask, in_order, noted, spent
from ttscale import registry
from ttscale.budget import Budget
from ttscale.errors import ConfigError
from ttscale.testing import Reply, virtual_clock
from ttscale.types import Message, Problem, Prompt
from ttscale_strategies.refine.rules import shuffled_references

LOST = Reply("\\boxed{5}", error="lost")


def references(text: str) -> list[str]:
    """Return the references that a prompt shows."""
    parts = text.partition("Check them against")[0].split("Reference ")[1:]
    return [part.split(":\n", 1)[1].strip() for part in parts]


def message(number: int) -> str:
    return f"{'x' * number}\\boxed{{{number}}}"


@pytest.mark.parametrize(("rounds", "calls"), [("[4]", 5), ("[16]", 17), ("[32,4]", 37), ("[]", 1)])
@virtual_clock
async def test_calls_are_those_of_all_rounds_and_one(rounds: str, calls: int) -> None:
    spec = f"pacore:samples_per_round={rounds}"
    assert registry.create_strategy(spec).max_samples() == calls
    outcome, _ = await ask(spec, in_order(*(f"\\boxed{{{n}}}" for n in range(calls))))
    assert (outcome.usage.calls, outcome.answer) == (calls, str(calls - 1))


@virtual_clock
async def test_a_message_is_what_stands_after_the_thoughts_and_a_failed_call_sends_none() -> None:
    model = in_order("a</think>b</think>\\boxed{1}", LOST, "\\boxed{2}")
    problem = Problem(id="q", prompt=Prompt.user("How {much} is it?", system="Be brief."))
    outcome, _ = await ask("pacore:samples_per_round=[2]", model, problem=problem)
    assert model.prompts[0] == problem.prompt
    last = model.prompts[-1]
    assert last.messages[0] == Message("system", "Be brief.")
    assert last.question.startswith("How {much} is it?\n\nThese solutions")
    assert references(last.question) == ["\\boxed{1}"]
    assert (outcome.answer, outcome.confidence) == ("2", 0.5)


@virtual_clock
async def test_references_are_shuffled_by_the_seed_whatever_ended_first() -> None:
    replies = [Reply(message(n), seconds=float(n * 7 % 5)) for n in range(1, 6)]
    for seed in (42, 3):
        model = in_order(*replies, *replies, "\\boxed{9}")
        await ask(f"pacore:samples_per_round=[5,5],seed={seed}", model)
        expected = list(shuffled_references([message(n) for n in range(1, 6)], seed=seed))
        assert [references(text) for text in model.asked[5:]] == [expected] * 6


@pytest.mark.parametrize("nothing", ["", "hm</think> ", LOST])
@virtual_clock
async def test_without_a_message_the_next_round_is_asked_the_bare_question(nothing: Reply | str) -> None:
    model = in_order(nothing, nothing, message(1), message(2), message(3))
    outcome, _ = await ask("pacore:samples_per_round=[2,2]", model)
    assert model.asked[:4] == [QUESTION] * 4
    assert len(references(model.asked[4])) == 2
    assert outcome.answer == "3"


@virtual_clock
async def test_messages_that_do_not_fit_are_cut_evenly_and_those_cut_to_nothing_left_out() -> None:
    model = in_order("a long story \\boxed{1}", "\\boxed{2}", "\\boxed{3}")
    await ask("pacore:samples_per_round=[2],max_workspace_tokens=20", model)
    assert sorted(references(model.asked[-1])) == ["\\boxed{2}", "y \\boxed{1}"]
    tiny = in_order(*(message(n) for n in (1, 2, 3, 4)))
    await ask("pacore:samples_per_round=[3],max_workspace_tokens=1", tiny)
    assert references(tiny.asked[-1]) == ["}"]


@virtual_clock
async def test_a_model_that_knows_attempts_only_may_be_shown_those() -> None:
    model = in_order(message(1), message(2), "", "", message(3))
    await ask("pacore:samples_per_round=[2,2],template=revise,seed=42", model)
    first, second = shuffled_references([message(1), message(2)])
    assert f"Attempt 1:\n{first}\n\nAttempt 2:\n{second}\n\nWrite" in model.asked[2]
    assert model.asked[4] == QUESTION


@virtual_clock
async def test_the_trace_tells_all_tokens_and_those_of_the_longest_path() -> None:
    outcome, backend = await ask(
        "pacore:samples_per_round=[3,2]", in_order(*(message(n) for n in (4, 30, 2, 8, 1, 3)))
    )
    tokens = spent(backend)
    assert noted(outcome, "total_tokens") == sum(tokens)
    assert noted(outcome, "sequential_tokens") == tokens[1] + tokens[3] + tokens[5]
    assert outcome.critical_path_tokens == sum(len(message(n)) for n in (30, 8, 3))


@pytest.mark.parametrize(
    ("samples", "answer", "reason"),
    [(2, "1", "budget"), (3, "2", "budget"), (4, "2", "budget"), (6, "7", "finished")],
)
@virtual_clock
async def test_a_budget_that_ends_on_the_way_leaves_the_last_whole_round(
    samples: int, answer: str, reason: str
) -> None:
    model = in_order(*(f"\\boxed{{{answer}}}" for answer in (1, 2, 2, 6, 6, 7)))
    outcome, _ = await ask("pacore:samples_per_round=[3,2]", model, budget=Budget(samples=samples))
    assert (outcome.answer, outcome.stop_reason) == (answer, reason)


@virtual_clock
async def test_a_round_that_agrees_may_end_it() -> None:
    model = in_order(*["\\boxed{2}"] * 9)
    outcome, _ = await ask("pacore:samples_per_round=[4,4],stop=entropy", model)
    assert (outcome.answer, outcome.stop_reason, outcome.usage.calls) == ("2", "decided", 4)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("samples_per_round=[4,0]", r"samples_per_round\[1\] must be >= 1"),
        ("template=plan", "needs the fields question and references"),
        ("stop=secretary,threshold=1", "means nothing with stop=secretary"),
    ],
)
def test_options_out_of_range_are_named(options: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        registry.create_strategy(f"pacore:{options}")
