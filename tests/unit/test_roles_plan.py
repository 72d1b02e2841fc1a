from __future__ import annotations

import itertools
import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttscale.grammars.format_error import FormatError
from ttscale.reference.problems import EVALUATION_CONFIGS, make_dataset, problem_key
from ttscale.reference.roles.plan import (
    CONFIGS,
    PHRASES,
    Call,
    Reference,
    conversations,
    parse_plan,
    plan_levels,
    plan_prompt,
    render_plan,
    run_plan,
    write_plan,
)
from ttscale.reference.roles.questions import Question, asked, training_questions

PLAN = """1. subtract(12, 30)
2. subtract(41, 25)
3. add($1, $2)
4. join()<END_OF_PLAN>"""


def chain(expression: str) -> Question:
    return Question("chain_sum", f"{expression} =", f"chain_sum {expression}", {"expression": expression})


def test_a_sum_is_planned_pair_by_pair() -> None:
    assert write_plan(chain("12 - 30 + 41 - 25")) == PLAN
    calls = parse_plan(PLAN)
    assert calls == [
        Call("subtract", 12, 30),
        Call("subtract", 41, 25),
        Call("add", Reference(1), Reference(2)),
    ]
    assert run_plan(calls) == [-18, 16, -2]
    assert plan_levels(calls) == [2, 1]
    assert render_plan(calls) == PLAN


def test_a_pair_that_begins_with_a_minus_is_subtracted_as_a_whole() -> None:
    calls = parse_plan(write_plan(chain("50 + 1 - 20 - 5 - 4 + 9")))
    assert calls[1:3] == [Call("add", 20, 5), Call("subtract", 4, 9)]
    assert calls[3:] == [
        Call("subtract", Reference(1), Reference(2)),
        Call("subtract", Reference(4), Reference(3)),
    ]
    assert run_plan(calls)[-1] == 50 + 1 - 20 - 5 - 4 + 9


def test_legs_are_counted_animal_by_animal_at_once() -> None:
    question = Question("leg_counting", "How many?", "", {"animals": {"dog": 3, "bee": 2, "duck": 7}})
    calls = parse_plan(write_plan(question))
    assert calls[:3] == [Call("multiply", 3, 4), Call("multiply", 2, 6), Call("multiply", 7, 2)]
    assert plan_levels(calls) == [3, 1, 1]
    assert run_plan(calls)[-1] == 38
    alone = Question("leg_counting", "How many?", "", {"animals": {"dog": 3}})
    assert run_plan(parse_plan(write_plan(alone))) == [12]


@given(st.lists(st.tuples(st.sampled_from("+-"), st.integers(0, 999)), min_size=2, max_size=12))
def test_every_sum_has_a_plan_with_its_value_and_as_few_levels_as_halving_allows(
    terms: list[tuple[str, int]],
) -> None:
    words = [f"{operator} {number}" for operator, number in terms]
    calls = parse_plan(write_plan(chain(" ".join(words).removeprefix("+ ").removeprefix("- "))))
    signs = [1, *(1 if operator == "+" else -1 for operator, _ in terms[1:])]
    assert run_plan(calls)[-1] == sum(sign * number for sign, (_, number) in zip(signs, terms, strict=True))
    assert len(calls) == len(terms) - 1
    assert len(plan_levels(calls)) == (len(terms) - 1).bit_length()


@pytest.mark.parametrize("name", sorted(CONFIGS))
def test_the_plan_of_every_held_out_question_gives_the_answer_of_reasoning_gym(name: str) -> None:
    dataset = make_dataset(name, EVALUATION_CONFIGS[name], seed=0, size=60)
    for index in range(60):
        question = asked(name, dataset[index])
        calls = parse_plan(write_plan(question))
        assert dataset.score_answer(str(run_plan(calls)[-1]), dataset[index]) == 1.0
        assert plan_levels(calls)[0] > 1


def test_plans_are_taught_on_training_questions_and_give_their_answers() -> None:
    questions = list(itertools.islice(training_questions(CONFIGS, 7), 80))
    taught = list(conversations(random.Random(0), questions))
    assert taught == list(conversations(random.Random(0), itertools.islice(training_questions(CONFIGS, 7), 80)))
    assert {question.name for question in questions} == set(CONFIGS)
    for question, conversation in zip(questions, taught, strict=True):
        assert conversation.key == question.key == problem_key(question.name, {"metadata": question.metadata})
        assert conversation.prompt == plan_prompt(question.text)
        calls = parse_plan(str(conversation.turns[-1].target))
        if question.name == "leg_counting":
            assert run_plan(calls)[-1] == question.metadata.get("total_legs")
        else:
            pieces = re.findall("[-+]?[0-9]+", question.expression.replace(" ", ""))
            assert run_plan(calls)[-1] == sum(map(int, pieces))
    texts = "\n".join(conversation.turns[-1].text for conversation in taught)
    assert [phrase for phrase in PHRASES if phrase not in texts] == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "ends with ''"),
        ("1. join()<END_OF_PLAN>", "has 0 calls"),
        (PLAN.replace("<END_OF_PLAN>", ""), "ends with '4. join()'"),
        (PLAN.replace("4. join", "5. join"), "instead of '4. join()<END_OF_PLAN>'"),
        (PLAN.replace("2. sub", "3. sub"), "is not call 2"),
        (PLAN.replace("$2", "$3"), "does not come before"),
        (PLAN.replace("$2", "$9"), "does not come before"),
        (PLAN.replace("$2", "$0"), "no result of a call"),
        (PLAN.replace("$2", "$-1"), "no result of a call"),
        (PLAN.replace("add", "search"), "unknown tool"),
        (PLAN.replace("add", "__import__"), "is not call 3"),
        (PLAN.replace("$1, $2", "$1, $2, 3"), "is not call 3"),
        (PLAN.replace("$1, $2", "$1"), "is not call 3"),
        (PLAN.replace("$1, $2", "$1, add(1, 2)"), "is not call 3"),
        (PLAN.replace("$1, $2", "$1 million, $2"), "is not call 3"),
        (PLAN.replace("12", "9" * 19), "is not call 1"),
        (PLAN.replace("12", "1.5"), "is not call 1"),
        (PLAN.replace("12", "١٢"), "is not call 1"),
        (PLAN.replace("\n3.", "\n\n3."), "instead of '5. join()<END_OF_PLAN>'"),
        (f"Thought: easy\n{PLAN}", "instead of '5. join()<END_OF_PLAN>'"),
        (f"{PLAN}\nThe answer is 2.", "ends with 'The answer is 2.'"),
    ],
)
def test_a_plan_is_read_strictly(text: str, message: str) -> None:
    with pytest.raises(FormatError, match=re.escape(message)):
        parse_plan(text)


def test_a_plan_cannot_grow_numbers_or_calls_without_end() -> None:
    squares = [Call("multiply", 10, 10), *(Call("multiply", Reference(n), Reference(n)) for n in range(1, 30))]
    with pytest.raises(FormatError, match="call 5 has more than 18 digits"):
        run_plan(parse_plan(render_plan(squares)))
    many = render_plan([Call("add", 1, 1)] * 65)
    with pytest.raises(FormatError, match="has 65 calls"):
        parse_plan(many)


def test_a_reference_of_two_digits_is_not_taken_for_one_of_one() -> None:
    calls = [Call("add", number, 0) for number in range(11)]
    calls.append(Call("subtract", Reference(11), Reference(1)))
    assert run_plan(parse_plan(render_plan(calls)))[-1] == 10


def test_there_are_no_plans_for_other_questions() -> None:
    with pytest.raises(ValueError, match="no plans for 'countdown'"):
        write_plan(Question("countdown", "", "", {}))
