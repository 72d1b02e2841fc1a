"""Tasks found in prompts by rules: lists, questions, counts; and what is left alone."""

from __future__ import annotations

import pytest

from ttscale_strategies.threads.rules import PromptSchema, Refused, doubt, schema_by_rules


def found(prompt: str) -> PromptSchema:
    schema = schema_by_rules(prompt)
    assert isinstance(schema, PromptSchema), schema
    assert doubt(schema, prompt, max_instances=32) is None
    return schema


@pytest.mark.parametrize(
    "prompt",
    [
        "Translate to French: 1. cat 2. dog 3. bird",
        "Translate to French: (1) cat (2) dog (3) bird",
        "Translate to French: 1) cat, 2) dog, 3) bird",
        "Translate to French: cat, dog, bird",
        "Please translate to French: cat, dog, and bird.",
        "Translate to French:\n1. cat\n2. dog\n3. bird",
        "Translate to French:\n\n  - cat\n\n  - dog\n  - bird\n",
        "Translate to French:\r\n* cat\r\n* dog\r\n* bird",
    ],
)
def test_a_list_is_split_however_it_is_written(prompt: str) -> None:
    schema = found(prompt)
    assert (schema.data, schema.category) == (("cat", "dog", "bird"), "translation")
    first = schema.instances()[0].removeprefix("Please ").split()
    assert [word.casefold() for word in first] == ["translate", "to", "french:", "cat"]


def test_what_stands_around_a_list_goes_with_every_item() -> None:
    schema = found(
        "Solve each problem.\n1. 3 + 4 =\n   in base 10\n2. 5 + 6 =\n\nPut the answer into \\boxed{}."
    )
    assert schema.instances() == (
        "Solve each problem.\n\n3 + 4 =\nin base 10\n\nPut the answer into \\boxed{}.",
        "Solve each problem.\n\n5 + 6 =\n\nPut the answer into \\boxed{}.",
    )


def test_an_instruction_behind_the_list_counts_too() -> None:
    assert found("1. cat\n2. dog\n\nTranslate each into French.").num_instances == 2


def test_questions_on_lines_of_their_own_share_what_they_are_about() -> None:
    schema = found("Ann has 3 cats.\nBob has none.\n\nWho has cats?\nHow many has Ann?\n")
    assert schema.context == "Ann has 3 cats.\nBob has none."
    assert schema.instances()[1] == "Ann has 3 cats.\nBob has none.\n\nHow many has Ann?"
    assert found("1. What is a cat?\n2. What is a dog?").instances() == ("What is a cat?", "What is a dog?")
    assert found("Who?\nWhere?").instances() == ("Who?", "Where?")


@pytest.mark.parametrize(
    ("prompt", "n"),
    [
        ("Write 5 short poems about cats.", 5),
        ("Please compose me three jokes on tax", 3),
        ("Invent a dozen names", 0),
    ],
)
def test_a_count_of_whole_things_is_repeated(prompt: str, n: int) -> None:
    schema = schema_by_rules(prompt)
    assert ((isinstance(schema, PromptSchema) and schema.n) or 0) == n


@pytest.mark.parametrize(
    "prompt",
    [
        "",
        "How much is 6 times 7?",
        "Natalia sold 48 clips in April, and half as many in May. How many did she sell altogether?",
        "Calculate 882 using all of these numbers: 98, 6, 54.",
        "Translate to French: cat and dog",
        "Write a story with these words:\n- cat\n- dog\n- bird",
        "Write a program with these features: 1. login 2. logout",
        "What is the capital of France?\n1. Paris\n2. Lyon\n3. Nice",
        "What is 2 + 2? 1) 3 2) 4 3) 5",
        "Translate each:\n1. cat\n3. dog",
        "Translate each:\n2. cat\n3. dog",
        "Translate each:\n1. cat\ngoes on?\n2. dog",
        "Translate each:\n1. cat\n  - a\n  - b\n2. dog",
        "Translate each:\n1. cat\n2. dog\n\nDefine each:\n1. sun\n2. moon",
        "Translate each: 1. cat. It is black. 2. dog",
        "Translate each: 1. cat 2. 3. bird",
        "Translate {data}: 1. cat 2. dog",
        "Each round ends a game. Stop when one of these holds: 1. the sum is 5 2. nobody moves",
        "Create 8 poems; 4 long and 4 short.",
        "Write 500 words about cats.",
        "Write 3 paragraphs about cats.",
        "Write 2 poems: one about cats, one about dogs.",
        "Write 1 poems",
        "List 5 countries in Europe.",
        "Could you write 5 poems?",
        "- \n- \n- ",
        "x" * 100_001,
    ],
)
def test_what_is_not_plainly_several_tasks_is_left_alone(prompt: str) -> None:
    schema = schema_by_rules(prompt)
    assert isinstance(schema, Refused)
    assert schema.reason


@pytest.mark.parametrize(
    "prompt",
    [
        "Solve each: 1. x + y = 3 2. double the result",
        "Solve the following system of equations: 1. x + y = 3 2. x - y = 1",
        "Evaluate these statements and say who lies: 1. Ann says Bob lies 2. Bob says Ann lies",
        "Answer both questions:\n1. What is 3 + 4?\n2. What is twice that number?",
        "Write 5 poems and rank them",
    ],
)
def test_tasks_that_depend_on_each_other_are_found_and_doubted(prompt: str) -> None:
    schema = schema_by_rules(prompt)
    assert isinstance(schema, PromptSchema)
    assert doubt(schema, prompt, max_instances=32) is not None


@pytest.mark.parametrize(
    "piece",
    ["1. ", "\n1. a", "\n- a", "- ", "a?\n", "a,", "a: ", " each", "\n", " \t", "?", "write 2 ", "12. a "],
)
def test_hostile_prompts_are_gone_through_quickly(piece: str) -> None:
    assert isinstance(schema_by_rules(piece * (90_000 // len(piece))), PromptSchema | Refused)
