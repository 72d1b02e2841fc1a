"""Schemas of prompts with several tasks: read from hostile replies, checked against the prompt, timed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ttscale_strategies.threads.rules import (
    PromptSchema,
    Refused,
    Timed,
    confidence,
    doubt,
    end_to_end,
    normalized_speed_up,
    raw_speed_up,
    read_schema,
)

ANIMALS = ("cat", "dog", "bird")
PROMPT = "Translate to French: 1. cat 2. dog 3. bird"
TEMPLATE = "Translate to French: {data}"


def reply(**changes: object) -> dict[str, object]:
    """Return what a model says of `PROMPT`, with some of it changed."""
    said: dict[str, object] = {
        "parallelizable": True,
        "category": "Translation",
        "template": TEMPLATE,
        "context": None,
        "data": list(ANIMALS),
        "n": None,
    }
    return said | changes


def schema(**changes: Any) -> PromptSchema:
    fields: dict[str, Any] = {"category": "translation", "template": TEMPLATE, "data": ANIMALS} | changes
    return PromptSchema(**fields)


def refusal(found: PromptSchema | Refused) -> str:
    assert isinstance(found, Refused), found
    return found.reason


# ── reading ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "text",
    [
        "%s",
        "  \n%s\n",
        "Here it is:\n```json\n%s\n```\nDone.",
        'I thought of {this} and of {"that": 1 first.\n```\n%s\n```',
        'So %s, and not {"parallelizable": false}.',
    ],
)
def test_an_object_is_taken_whole_or_from_its_fence_or_from_the_first_brace(text: str) -> None:
    found = read_schema(text % json.dumps(reply()))
    assert found == schema(category="Translation")


def test_an_object_in_a_fence_comes_before_one_in_the_text() -> None:
    text = f'{{"parallelizable": false}}, no:\n```json\n{json.dumps(reply())}\n```'
    assert "not to be" in refusal(
        read_schema(text)
    )  # all of the text begins with an object, and that is the first
    assert isinstance(read_schema(f"Hm. {text}"), PromptSchema)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no JSON object"),
        ("I would not split it.", "no JSON object"),
        ('{"parallelizable": tru', "no JSON object"),
        ("{" * 50_000, "no JSON object"),
        ('{"a": ' * 20_000, "no JSON object"),
        ("[" * 100_000, "no JSON object"),
        ('{"n": ' + "9" * 10_000 + "}", "no JSON object"),
        ("```" * 9_000, "no JSON object"),
        ("{}", "not to be parallelizable"),
        (json.dumps(reply(parallelizable=False)), "not to be parallelizable"),
        (json.dumps(reply(parallelizable="true")), "not to be parallelizable"),
        (json.dumps(reply(parallelizable=1)), "not to be parallelizable"),
        (json.dumps(reply(category=None)), "must be texts"),
        (json.dumps(reply(template=["{data}"])), "must be texts"),
        (json.dumps(reply(context=3)), "context must be"),
        (json.dumps(reply(n=2.0, data=None)), "n must be a whole number"),
        (json.dumps(reply(n=True, data=None)), "n must be a whole number"),
        (json.dumps(reply(n=float("nan"), data=None)), "n must be a whole number"),
        (json.dumps(reply(data="cat, dog")), "list of texts"),
        (json.dumps(reply(data=["cat", 2])), "list of texts"),
        (json.dumps(reply(data=["cat"])), "two items or more"),
        (json.dumps(reply(data=[])), "two items or more"),
        (json.dumps(reply(data=["cat", " "])), "must not be empty"),
        (json.dumps(reply(data=["cat", "\ud800"])), "half a character"),
        (json.dumps(reply(n=3)), "either data or n"),
        (json.dumps(reply(data=None)), "either data or n"),
        (json.dumps(reply(data=None, n=1, template="Write")), "n must be >= 2"),
        (json.dumps(reply(data=None, n=-3, template="Write")), "n must be >= 2"),
        (json.dumps(reply(data=None, n=3)), "once in the template"),
        (json.dumps(reply(template="Translate to French")), "once in the template"),
        (json.dumps(reply(template="{data} {data}")), "once in the template"),
        (json.dumps(reply(template="{context}: {data}")), "nothing to put there"),
    ],
)
def test_what_is_no_schema_is_refused_with_its_reason(text: str, reason: str) -> None:
    assert reason in refusal(read_schema(text))


def test_a_nested_object_is_no_schema_by_itself() -> None:
    assert "not to be" in refusal(read_schema(json.dumps({"schema": reply()})))


@settings(max_examples=60, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(list(reply())), inner),
        max_leaves=8,
    ),
    st.text(max_size=8),
)
def test_reading_never_raises(value: object, around: str) -> None:
    changed = reply(**value) if isinstance(value, dict) else value
    read_schema(around + json.dumps(changed) + around)


# ── instances ─────────────────────────────────────────────────────────────────────────────────────────────


def test_each_item_is_put_into_the_template() -> None:
    assert schema().instances() == tuple(f"Translate to French: {animal}" for animal in ANIMALS)


def test_a_context_comes_first_unless_the_template_has_a_place_for_it() -> None:
    assert schema(context="A farm.").instances()[0] == "A farm.\n\nTranslate to French: cat"
    placed = schema(template="Of {context} say: {data}", context="a farm")
    assert placed.instances()[1] == "Of a farm say: dog"


def test_places_in_items_and_context_are_text() -> None:
    hostile = schema(template="{context} | {data}", context="{data}", data=("{context}", "{data} {n}"))
    assert hostile.instances() == ("{data} | {context}", "{data} | {data} {n}")


def test_the_same_is_repeated_n_times() -> None:
    assert schema(data=None, n=3, template="Write a poem.").instances() == ("Write a poem.",) * 3


# ── doubts ────────────────────────────────────────────────────────────────────────────────────────────────


def doubts(found: PromptSchema, prompt: str, most: int = 10) -> str:
    return doubt(found, prompt, max_instances=most) or ""


def test_a_faithful_schema_raises_no_doubt() -> None:
    assert doubts(schema(), PROMPT) == ""
    assert doubts(schema(template="Translate these to French: {data}"), PROMPT.upper()) == ""
    questions = schema(
        template="{data}", context="Ann  has\n3 cats.", data=("Who has cats?", "How many?"), category="rc"
    )
    assert doubts(questions, "Ann has 3 cats.\nWho has cats?\nHow many?") == ""
    assert doubts(schema(data=None, n=3, template="Write a poem on cats"), "Write three poems on cats") == ""


@pytest.mark.parametrize(
    ("changes", "prompt", "reason"),
    [
        ({"data": ("cat", "bird", "dog")}, PROMPT, "not in the prompt in this order"),
        ({"data": ("cat", "dog", "birds")}, PROMPT, "not in the prompt in this order"),
        ({"data": ("cat", "dog", "bir")}, PROMPT, "not in the prompt in this order"),
        ({"data": ("cat", "cat")}, PROMPT, "not in the prompt in this order"),
        ({"context": "A farm."}, PROMPT, "context is not in the prompt"),
        ({"data": tuple("abcdefghijk")}, " ".join("abcdefghijk"), "11 instances, more than 10"),
        ({"template": "{language}: {data}"}, PROMPT, "unknown place '{language}'"),
        ({"template": "Summarise shortly please: {data}"}, PROMPT, "leaves out much"),
        ({"template": TEMPLATE + " in the style of a pirate who is drunk"}, PROMPT, "may make one task"),
        ({"template": TEMPLATE + " in a very polite style for old people"}, PROMPT, "does not"),
        ({}, "Sort, then translate to French: cat, dog, bird", "'sort' may make one task"),
        ({}, "Write a story in French with these: cat, dog, bird", "'with these' may make one thing"),
        ({"template": "{data}"}, "Which one barks?\n1. cat\n2. dog\n3. bird", "choices of one question"),
        (
            {"data": ("a cat", "the previous animal")},
            "Translate a cat, the previous animal",
            "item 2 may refer",
        ),
        ({"data": ("3 + 4", "then add 5")}, "Translate to French: 3 + 4, then add 5", "item 2 may refer"),
        ({"data": ("3 + 4", "half of the result")}, "French: 3 + 4, half of the result", "item 2 may refer"),
        ({"data": None, "n": 4, "template": "Write a poem"}, "Write three poems", "does not say 4"),
        ({"data": None, "n": 3, "template": "Write a poem"}, "Write 3 poems, compare them", "'compare' may"),
        ({}, "x" * 100_001, "more than 100000 characters"),
    ],
)
def test_a_schema_is_not_trusted_where_the_prompt_does_not_bear_it_out(
    changes: dict[str, Any], prompt: str, reason: str
) -> None:
    assert reason in doubts(schema(**changes), prompt)


def test_a_sum_of_something_is_no_reference() -> None:
    items = ("the sum of 3 and 4", "the product of 5 and 6")
    assert doubts(schema(template="Say {data}", data=items), f"Say {items[0]}; {items[1]}") == ""


# ── tiers ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("prompt", "changes", "tier"),
    [
        ("Write 5 poems", {"data": None, "n": 5, "template": "x"}, "high"),
        ("Please give me twelve names", {"data": None, "n": 12, "template": "x"}, "high"),
        (PROMPT, {}, "high"),
        ("Translate:\n- cat\n- dog", {"data": ("cat", "dog")}, "high"),
        ("Who? When?", {"data": ("Who?", "When?")}, "high"),
        ("Translate both cat, dog", {"data": ("cat", "dog")}, "high"),
        ("Translate cat, dog, bird", {}, "medium"),
        ("A word for each of cat; dog", {"category": "x", "data": ("cat", "dog")}, "high"),
        ("Say the animals: cat; dog", {"category": "x", "data": ("cat", "dog")}, "medium"),
        ("Say cat; dog", {"category": "Named_Entity  recognition", "data": ("cat", "dog")}, "medium"),
        ("Say cat; dog", {"category": "x", "data": ("cat", "dog")}, "low"),
        ("Say cat; dog; bird", {"category": "x"}, "medium"),
        ("poems, some", {"category": "x", "data": None, "n": 5, "template": "x"}, "low"),
        ("1. a 2. b\nSay cat; dog", {"category": "x", "context": "1. a 2. b", "data": ("cat", "dog")}, "low"),
    ],
)
def test_the_confidence_goes_by_the_papers_marks(prompt: str, changes: dict[str, Any], tier: str) -> None:
    assert confidence(schema(**changes), prompt) == tier


@pytest.mark.parametrize(
    "piece", ["1. ", "- ", "\n", ", ", " \t", "the ", "a:", "each ", "1", "write 1", "for each", "{"]
)
def test_hostile_prompts_are_gone_through_quickly(piece: str) -> None:
    prompt = piece * (90_000 // len(piece))
    confidence(schema(), prompt)
    doubt(schema(data=("a", "b")), prompt, max_instances=5)


# ── speed ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_speed_ups_of_the_papers_example() -> None:
    serial, parallel = Timed(9.0, 90), Timed(3.0, 60)
    assert raw_speed_up(serial, parallel) == 3.0
    assert normalized_speed_up(serial, parallel) == pytest.approx(2.0)
    whole = end_to_end(parallel, 1.5)
    assert raw_speed_up(serial, whole) == 2.0
    assert normalized_speed_up(serial, whole) == pytest.approx(4 / 3)
    assert end_to_end(parallel, 0.0) == parallel


@pytest.mark.parametrize(("seconds", "tokens"), [(0.0, 5), (-1.0, 5), (1.0, 0), (1.0, -2), (float("inf"), 3)])
def test_nothing_is_timed_without_time_or_tokens(seconds: float, tokens: int) -> None:
    with pytest.raises(ValueError, match=r"seconds|tokens"):
        Timed(seconds, tokens)


def test_an_extraction_cannot_take_less_than_no_time() -> None:
    with pytest.raises(ValueError, match="extraction_seconds"):
        end_to_end(Timed(1.0, 1), -0.1)
