"""What the comparer learns: of two solutions the one with the right answer, whichever comes first."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

import pytest

from tests.unit.attempts_bench import CHAIN, attempts, sampled
from ttscale.reference.conversation import Conversation
from ttscale.reference.roles import compare
from ttscale.reference.roles.attempts import Attempts
from ttscale.reference.roles.steps import label
from ttscale.registry import load_template

RIGHT = "18+43=61\n61-11=50\n\\boxed{50}"
WRONG = "18+43=61\n61-11=51\n\\boxed{51}"


def drawn(found: list[Attempts], seed: int = 0) -> list[Conversation]:
    return list(compare.conversations(random.Random(seed), found))


def solutions_of(conversation: Conversation) -> tuple[str, str]:
    """Return the two solutions of a conversation."""
    first, _, rest = conversation.turns[0].text.rpartition("\n\nSolution B:\n")
    return first.rpartition("\n\nSolution A:\n")[2], rest.partition("\n\nWhich solution is right?")[0]


@pytest.mark.slow
def test_the_solution_named_is_right_and_the_other_is_wrong() -> None:
    found = sampled(150)
    by_key = {each.key: each for each in found}
    conversations = drawn(found)
    assert len(conversations) > 100
    for conversation in conversations:
        rights = [label(by_key[conversation.key], text).is_right for text in solutions_of(conversation)]
        assert sorted(rights) == [False, True]
        assert conversation.turns[-1].target == "AB"[rights.index(True)]


def test_both_orders_are_equally_likely() -> None:
    found = [replace(CHAIN, texts=(RIGHT, WRONG))] * 600
    answers = Counter(each.turns[-1].target for each in drawn(found))
    assert set(answers) == {"A", "B"}
    assert abs(answers["A"] - answers["B"]) < 100  # four standard deviations


def test_a_conversation_is_the_template_and_a_letter() -> None:
    conversation = compare.about_pair(CHAIN, label(CHAIN, RIGHT), label(CHAIN, WRONG), right_first=False)
    template = load_template("compare")
    assert conversation.prompt == template.render(question=CHAIN.question, solution_a=WRONG, solution_b=RIGHT)
    assert (conversation.turns[-1].target, conversation.key, len(conversation.turns)) == ("B", CHAIN.key, 2)
    text = conversation.turns[0].text
    at_ends = [(place, said) for place, said in conversation.turns[0].grades if text[place] == "\n"]
    assert [(text[:place].rpartition("\n")[2], said) for place, said in at_ends] == [
        ("18+43=61", "+"),
        ("61-11=51", "-"),
        ("\\boxed{51}", "-"),
        ("18+43=61", "+"),
        ("61-11=50", "+"),
        ("\\boxed{50}", "+"),
    ]


@pytest.mark.slow
def test_problems_with_one_kind_only_are_mostly_skipped_and_the_other_kind_is_made() -> None:
    for share in (0.0, 1.0):
        found = sampled(200, right_share=share)
        by_key = {each.key: each for each in found}
        conversations = drawn(found)
        assert 5 <= len(conversations) <= 40
        for conversation in conversations:
            texts = {text.strip() for text in by_key[conversation.key].texts}
            assert len(texts & set(solutions_of(conversation))) >= 1


def test_what_has_no_attempts_or_only_rambling_ones_is_skipped() -> None:
    rambling = "18+43=61\n" * 60
    assert drawn([CHAIN, replace(CHAIN, texts=(rambling, "", " "))] * 50) == []


def test_a_problem_that_cannot_be_solved_is_skipped() -> None:
    hopeless = attempts("countdown", "Make 99.", "countdown 99 [1, 1]", "1+1=2\n\\boxed{1+1}")
    assert drawn([hopeless] * 100) == []


def test_the_same_seed_gives_the_same_conversations_and_another_one_others() -> None:
    found = sampled(40)
    assert drawn(found, 3) == drawn(found, 3)
    assert drawn(found, 3) != drawn(found, 4)
