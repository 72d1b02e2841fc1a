"""What the judge learns: right labels, both signs often enough, and the prompts that verifiers will give."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

import pytest

from tests.unit.attempts_bench import CHAIN, COUNTDOWN, LEGS, attempts, problems, sampled
from ttscale.reference.conversation import Conversation
from ttscale.reference.roles import judge
from ttscale.reference.roles.attempts import Attempts
from ttscale.reference.roles.corruptions import corrupted
from ttscale.reference.roles.steps import label
from ttscale.registry import load_template
from ttscale.template import steps_prompt
from ttscale.types import Message

BELOW_ZERO = attempts("chain_sum", "18 - 43 - 11 + 5 =", "chain_sum 18 - 43 - 11 + 5")
QUESTION_OF_ANSWERS = "Is this solution right? Answer + or -."


def drawn(found: list[Attempts], seed: int = 0) -> list[Conversation]:
    return list(judge.conversations(random.Random(seed), found))


def asks_for_the_answer(conversation: Conversation) -> bool:
    return conversation.turns[0].text.endswith(QUESTION_OF_ANSWERS)


def targets(conversation: Conversation) -> list[str]:
    return [turn.target for turn in conversation.turns if turn.target is not None]


@pytest.mark.slow
@pytest.mark.parametrize("right_share", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_neither_sign_is_rare_whatever_share_of_the_attempts_is_right(right_share: float) -> None:
    conversations = drawn(sampled(150, right_share=right_share))
    for of_answers in (False, True):
        chosen = [each for each in conversations if asks_for_the_answer(each) == of_answers]
        signs = Counter(target for each in chosen for target in targets(each))
        assert set(signs) == {"+", "-"}
        assert min(signs.values()) >= 0.35 * signs.total(), (of_answers, signs)
        assert len(chosen) > 100


def test_most_solutions_judged_are_the_attempts_where_both_kinds_are_there() -> None:
    found = sampled(200)
    texts = {each.key: {text.strip() for text in each.texts} for each in found}
    own = [solution_of(each) in texts[each.key] for each in drawn(found)]
    # A made solution may be a sampled one as well: the worked ones are.
    assert sum(own) > (0.95 - judge.SYNTHETIC_SHARE) * len(own)
    assert not all(own)


def solution_of(conversation: Conversation) -> str:
    """Return the solution a conversation judges."""
    if asks_for_the_answer(conversation):
        return conversation.turns[0].text.removesuffix(f"\n\n{QUESTION_OF_ANSWERS}").rpartition("\n\n")[2]
    first, *others = [turn.text for turn in conversation.turns if turn.role == "user"]
    return "\n".join([first.rpartition("\n\n")[2], *others])


def test_every_target_is_the_label_of_what_was_judged() -> None:
    found = sampled(120, right_share=0.6)
    by_key = {each.key: each for each in found}
    for conversation in drawn(found):
        labelled = label(by_key[conversation.key], solution_of(conversation))
        signs = (labelled.is_right,) if asks_for_the_answer(conversation) else labelled.signs
        assert targets(conversation) == ["+" if sign else "-" for sign in signs]


def test_the_context_always_shows_a_plus_and_the_turns_are_those_of_the_template() -> None:
    found = sampled(60, right_share=0.2)
    by_key = {each.key: each for each in found}
    for conversation in drawn(found):
        question, solution = by_key[conversation.key].question, solution_of(conversation)
        if asks_for_the_answer(conversation):
            wanted = load_template("judge_answer").render(question=question, solution=solution)
        else:
            wanted = steps_prompt(load_template("judge_steps"), question, solution.split("\n"))
            assert {turn.text for turn in conversation.turns if turn.role == "assistant"} == {"+"}
        assert conversation.prompt == wanted


def test_a_conversation_about_steps_reads_as_agreed() -> None:
    conversation = judge.about_steps(CHAIN, label(CHAIN, "18+43=61\n61-11=51\n\\boxed{51}"))
    assert conversation.prompt.messages == (
        Message("user", "What is 18 + 43 - 11?\n\n18+43=61"),
        Message("assistant", "+"),
        Message("user", "61-11=51"),
        Message("assistant", "+"),
        Message("user", "\\boxed{51}"),
    )
    assert [(turn.text, turn.target) for turn in conversation.turns[1::2]] == [
        ("+", "+"),
        ("+", "-"),
        ("+", "-"),
    ]


def test_the_same_seed_gives_the_same_conversations_and_another_one_others() -> None:
    found = sampled(40)
    assert drawn(found, 3) == drawn(found, 3)
    assert drawn(found, 3) != drawn(found, 4)


def test_a_problem_without_attempts_or_solutions_teaches_nothing() -> None:
    hopeless = attempts("countdown", "Make 99.", "countdown 99 [1, 1]", "", " \n")
    assert drawn([hopeless, hopeless]) == []


def test_rambling_attempts_are_not_judged() -> None:
    rambling = replace(CHAIN, texts=("18+43=61\n" * 60,))
    assert all(len(turn.text) < 400 for each in drawn([rambling] * 40) for turn in each.turns)


# ── mistakes on purpose ───────────────────────────────────────────────────────────────────────────────────


def test_a_corrupted_solution_has_one_of_three_mistakes() -> None:
    solution = "14*6=84\n84+1*4=84+4=88\n88+10*2=88+20=108\n\\boxed{108}"
    rng, found = random.Random(0), Counter[str]()
    for _ in range(300):
        made = corrupted(LEGS, solution, rng, lambda it: not it.is_clean)
        assert made is not None
        assert made == label(LEGS, made.text)
        lines, was = made.text.split("\n"), solution.split("\n")
        differ = [i for i, line in enumerate(lines) if len(lines) == len(was) and line != was[i]]
        if len(lines) < len(was):
            assert [line for line in was if line in lines] == lines
            found["left out"] += 1
        elif len(differ) == 1 and len(lines[differ[0]]) == len(was[differ[0]]):
            found["digit"] += 1
        else:  # from the first wrong result to the box
            assert differ == list(range(differ[0], len(was)))
            found["carried on"] += 1
    assert min(found.values()) > 50, found


@pytest.mark.parametrize(
    ("problem", "solution", "carried"),
    [
        (LEGS, "14*6=84\n84+1*4=84+4=88\n88+10*2=88+20=108\n\\boxed{108}",
         "14*6=86\n86+1*4=86+4=90\n90+10*2=90+20=110\n\\boxed{110}"),
        (LEGS, "14*6=84\n84+1*4=84+4=88\n88+10*2=88+20=108\n\\boxed{108}",
         "14*6=84\n84+1*4=84+4=78\n78+10*2=78+20=98\n\\boxed{98}"),
        (CHAIN, "18+43=61\n61-11=50\n\\boxed{50}", "18+43=71\n71-11=60\n\\boxed{60}"),
        (BELOW_ZERO, "18-43=-25\n-25-11=-36\n-36+5=-31\n\\boxed{-31}",
         "18-43=-15\n-15-11=-26\n-26+5=-21\n\\boxed{-21}"),
        (COUNTDOWN, "3+2=5\n5*2=10\n\\boxed{(3+2)*2}", "3+2=6\n6*2=12\n\\boxed{(3+2)*2}"),
    ],
)  # fmt: skip
def test_a_wrong_result_is_carried_on_truly(problem: Attempts, solution: str, carried: str) -> None:
    assert corrupted_until(problem, solution, carried) == carried


def corrupted_until(problem: Attempts, solution: str, wanted: str) -> str | None:
    """Corrupt a solution until it reads as wanted."""
    made = (
        corrupted(problem, solution, random.Random(seed), lambda it: it.text == wanted) for seed in range(20)
    )
    return next((one.text for one in made if one is not None), None)


def test_what_cannot_be_wrong_in_the_wanted_way_is_not_made() -> None:
    assert corrupted(CHAIN, "18+43=61\n61-11=50\n\\boxed{50}", random.Random(0), lambda it: False) is None


def test_every_worked_solution_can_be_corrupted() -> None:
    rng = random.Random(5)
    for problem in problems(60):
        made = corrupted(Attempts.of(problem), problem.solution, rng, lambda it: not it.is_right)
        assert made is not None, problem
        assert not made.is_right
