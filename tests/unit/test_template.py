"""Prompt templates: fields, one pass, errors that name the mend, and finding them by name."""

from __future__ import annotations

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ttscale import registry
from ttscale.errors import ConfigError, PluginError
from ttscale.template import CHOICES, RIGHT, WRONG, Template, numbered, steps_prompt
from ttscale.types import Message, Prompt

GREETING = Template((Message("system", "Be {tone}."), Message("user", "Hello {name}, {name}! \\boxed{} {1}")))


def test_every_field_is_replaced_wherever_it_stands_and_other_braces_stay() -> None:
    prompt = GREETING.render(tone="kind", name="Ada")
    wanted = (Message("system", "Be kind."), Message("user", "Hello Ada, Ada! \\boxed{} {1}"))
    assert prompt == Prompt(messages=wanted)


@settings(deadline=None)
@given(first=st.text(), second=st.text())
def test_a_value_is_never_read_as_a_template(first: str, second: str) -> None:
    template = Template.user("<{first}|{second}>")
    for a, b in [(first, second), ("{second}", "{first}"), ("\\1{first}", "\\g<0>")]:
        assert template.render(first=a, second=b).messages[0].content == f"<{a}|{b}>"


def test_fields_are_listed_once_in_their_order() -> None:
    assert GREETING.fields == ("tone", "name")
    assert Template.user("none").fields == ()


def test_phrases_are_what_stands_between_the_fields() -> None:
    assert GREETING.phrases == ("Be ", ".", "Hello ", ", ", "! \\boxed{} {1}")
    assert Template.user("{a}\n\n{b}").phrases == ()


def test_phrases_and_values_make_up_the_whole_prompt() -> None:
    for name in registry.names("templates"):
        template = registry.load_template(name)
        values = dict(zip(template.fields, string.ascii_uppercase, strict=False))
        text = "".join(message.content for message in template.render(**values).messages)
        for phrase in sorted(template.phrases, key=len, reverse=True):
            assert phrase in text
            text = text.replace(phrase, "")
        assert set(text) <= {*values.values(), *string.whitespace}


def test_a_missing_field_is_named() -> None:
    with pytest.raises(ConfigError, match="needs the field 'name'; give name=TEXT"):
        GREETING.render(tone="kind")


def test_an_unknown_field_is_named_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match="no field 'nmae'; it has: tone, name"):
        GREETING.render(tone="kind", name="Ada", nmae="Ada")
    with pytest.raises(ConfigError, match="it has: none"):
        Template.user("none").render(name="Ada")


def test_a_template_without_messages_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one message"):
        Template(())


def test_texts_are_numbered_from_one() -> None:
    assert numbered("Attempt", [" 1+1=2\n", "x"]) == "Attempt 1:\n1+1=2\n\nAttempt 2:\nx"


# ── judging steps ─────────────────────────────────────────────────────────────────────────────────────────


def test_steps_are_judged_in_a_conversation_whose_judge_said_plus_so_far() -> None:
    template = registry.load_template("judge_steps")
    prompt = steps_prompt(template, "What is 1 + 2 + 3?", ["1+2=3", "3+3=6", "\\boxed{6}"])
    assert [(message.role, message.content) for message in prompt.messages] == [
        ("user", "What is 1 + 2 + 3?\n\n1+2=3"),
        ("assistant", "+"),
        ("user", "3+3=6"),
        ("assistant", "+"),
        ("user", "\\boxed{6}"),
    ]


def test_the_conversation_of_a_longer_solution_begins_with_that_of_a_shorter_one() -> None:
    template = registry.load_template("judge_steps")
    steps = ["a", "{question}", "c", "d"]
    longest = steps_prompt(template, "q", steps).messages
    for count in range(1, len(steps) + 1):
        prompt = steps_prompt(template, "q", steps[:count])
        assert prompt.messages == longest[: 2 * count - 1]


def test_a_judge_asked_with_no_steps_is_refused() -> None:
    with pytest.raises(ConfigError, match="no step to judge in an empty solution; give one step or more"):
        steps_prompt(registry.load_template("judge_steps"), "q", [])


def test_a_judge_needs_a_template_of_question_and_step() -> None:
    with pytest.raises(ConfigError, match="needs the field 'solution_a'"):
        steps_prompt(registry.load_template("compare"), "q", ["a"])


# ── by name ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("compare", ("question", "solution_a", "solution_b")),
        ("judge_answer", ("question", "solution")),
        ("judge_steps", ("question", "step")),
        ("revise", ("question", "attempts")),
    ],
)
def test_the_templates_of_judging_and_revising_are_found_by_name(name: str, fields: tuple[str, ...]) -> None:
    template = registry.load_template(name)
    assert template.fields == fields
    assert [message.role for message in template.messages] == ["user"]


def test_a_judge_is_told_the_answers_that_are_read() -> None:
    judge, compare = (registry.load_template(name).messages[0].content for name in ("judge_answer", "compare"))
    assert judge.endswith(f"Answer {RIGHT} or {WRONG}.")
    assert compare.endswith(f"Answer {CHOICES[0]} or {CHOICES[1]}.")
    assert all(f"Solution {choice}:" in compare for choice in CHOICES)


def test_an_unknown_template_is_refused_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match=r"No template is called 'revize'; known: .*judge_steps, .*revise"):
        registry.load_template("revize")


def test_a_third_partys_template_is_found_unless_it_takes_our_name(monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = {"more": "ttscale_strategies.templates:REVISE", "compare": "nowhere:COMPARE"}
    monkeypatch.setattr(registry, "_entry_points", lambda kind: theirs)
    assert registry.load_template("more") is registry.load_template("revise")
    assert registry.load_template("compare").fields == ("question", "solution_a", "solution_b")


def test_a_broken_template_says_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = {"gone": "no_such_package:X", "other": "ttscale.template:CHOICES"}
    monkeypatch.setattr(registry, "names", lambda kind: broken)
    with pytest.raises(PluginError, match="template 'gone' is registered as 'no_such_package:X'"):
        registry.load_template("gone")
    with pytest.raises(PluginError, match=r"'ttscale\.template:CHOICES', which is no Template"):
        registry.load_template("other")
