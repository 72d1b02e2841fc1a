"""What the reviser learns: from unmarked attempts to a solution that is right throughout."""

from __future__ import annotations

import random
import re
from collections import Counter
from dataclasses import replace

import pytest

from tests.unit.attempts_bench import CHAIN, attempts, sampled
from ttscale.reference.conversation import Conversation
from ttscale.reference.roles import revise
from ttscale.reference.roles.attempts import Attempts
from ttscale.reference.roles.steps import label
from ttscale.registry import load_template
from ttscale.template import numbered

RIGHT = "18+43=61\n61-11=50\n\\boxed{50}"
LUCKY = "18+43=62\n62-12=50\n\\boxed{50}"
WRONG = "18+43=61\n61-11=51\n\\boxed{51}"


def drawn(found: list[Attempts], seed: int = 0) -> list[Conversation]:
    return list(revise.conversations(random.Random(seed), found))


def shown_in(conversation: Conversation) -> list[str]:
    """Return the attempts a conversation gives."""
    listed = conversation.turns[0].text.rpartition("\n\nEarlier attempts, right or wrong:\n\n")[2]
    listed = listed.removesuffix("\n\nWrite a correct solution.")
    return [text.strip() for text in re.split(r"(?:^|\n\n)Attempt \d:\n", listed)[1:]]


def target_of(conversation: Conversation) -> str:
    assert len(conversation.turns) == 2
    target = conversation.turns[1].target
    assert target == conversation.turns[1].text
    return str(target)


@pytest.mark.slow
def test_every_target_is_right_throughout_and_one_of_the_attempts_shown_if_one_of_them_is() -> None:
    found = sampled(200)
    by_key = {each.key: each for each in found}
    copied = Counter[bool]()
    for conversation in drawn(found):
        problem, target, shown = by_key[conversation.key], target_of(conversation), shown_in(conversation)
        assert label(problem, target).is_clean
        clean = [text for text in shown if label(problem, text).is_clean]
        assert not clean or target in clean
        copied[bool(clean)] += 1
    assert min(copied[False], copied[True]) > 40, copied


def test_one_to_three_of_the_problems_own_attempts_are_shown_and_the_wrong_ones_are_not_marked() -> None:
    found = sampled(200)
    by_key = {each.key: each for each in found}
    counts = Counter[int]()
    for conversation in drawn(found):
        shown, problem = shown_in(conversation), by_key[conversation.key]
        assert set(shown) <= {text.strip() for text in problem.texts}
        assert len(set(shown)) == len(shown)
        counts[len(shown)] += 1
        attempts_text = numbered("Attempt", shown)
        wanted = load_template("revise").render(question=problem.question, attempts=attempts_text)
        assert conversation.prompt == wanted
    assert set(counts) == {1, 2, 3}


def test_an_answer_that_is_right_by_luck_is_not_taught() -> None:
    conversations = drawn([replace(CHAIN, texts=(LUCKY, WRONG))] * 20)
    assert {target_of(each) for each in conversations} == {RIGHT}


def test_a_right_sample_of_the_problem_is_taught_where_only_wrong_ones_are_shown() -> None:
    texts = ("3+2=5\n5*2=10\n\\boxed{2*(3+2)}", "3*2=6\n6*2=12\n\\boxed{3*2*2}")
    problem = attempts("countdown", "Make 10 of 3, 2, 2.", "countdown 10 [2, 2, 3]", *texts)
    conversations = [each for each in drawn([problem] * 40) if shown_in(each) == [texts[1]]]
    assert conversations
    assert {target_of(each) for each in conversations} == {texts[0]}


def test_of_two_right_samples_the_one_that_is_shown_is_taught() -> None:
    texts = ("3+2=5\n5*2=10\n\\boxed{(3+2)*2}", "2+3=5\n5*2=10\n\\boxed{(2+3)*2}")
    problem = attempts("countdown", "Make 10 of 3, 2, 2.", "countdown 10 [2, 2, 3]", *texts)
    alone = [each for each in drawn([problem] * 200) if len(shown_in(each)) == 1]
    assert {target_of(each) for each in alone} == set(texts)
    assert all(shown_in(each) == [target_of(each)] for each in alone)


def test_little_is_shown_of_problems_without_a_wrong_attempt() -> None:
    assert 30 <= len(drawn([replace(CHAIN, texts=(RIGHT,))] * 200)) <= 75


def test_a_file_without_a_right_attempt_teaches_worked_solutions() -> None:
    found = sampled(60, right_share=0.0)
    by_key = {each.key: each for each in found}
    conversations = drawn(found)
    assert len(conversations) > 50
    assert all(label(by_key[each.key], target_of(each)).is_clean for each in conversations)


def test_attempts_fit_in_a_prompt_together() -> None:
    long = ["1+1=2\n" * 40 + f"\\boxed{{{number}}}" for number in range(6)]
    problem = replace(CHAIN, texts=(*long, "x" * 1000))
    conversations = drawn([problem] * 30)
    assert conversations
    for conversation in conversations:
        assert 0 < sum(len(text) for text in shown_in(conversation)) <= revise.MAX_CHARACTERS


def test_what_has_no_attempts_or_no_solution_is_skipped() -> None:
    hopeless = attempts("countdown", "Make 99.", "countdown 99 [1, 1]", "1+1=2\n\\boxed{1+1}")
    assert drawn([CHAIN, replace(CHAIN, texts=("", " \n")), hopeless] * 20) == []


def test_the_heading_of_an_attempt_is_a_phrase() -> None:
    prompt = next(iter(drawn(sampled(40)))).turns[0].text
    assert all(phrase in prompt for phrase in revise.PHRASES)


def test_the_same_seed_gives_the_same_conversations_and_another_one_others() -> None:
    found = sampled(40)
    assert drawn(found, 3) == drawn(found, 3)
    assert drawn(found, 3) != drawn(found, 4)
