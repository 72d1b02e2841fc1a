"""Styles of thinking are prompts that any strategy can be asked in."""

from __future__ import annotations

from typing import get_args

import pytest

from ttscale import Engine, Problem, registry
from ttscale.registry import create_strategy, load_template
from ttscale.testing import FakeBackend, virtual_clock
from ttscale.types import Message, Prompt
from ttscale_strategies.styles import BUILTINS, Style, sketch_of, style_template


@pytest.mark.parametrize("name", sorted(BUILTINS))
def test_each_style_is_a_template_of_the_question_alone(name: str) -> None:
    template = load_template(name)
    assert template.fields == ("question",)
    asked = template.render(question="How {much}?").messages[0].content
    assert asked.startswith("How {much}?\n\n")
    assert asked.endswith("Put the final answer into \\boxed{}.")


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("Why do birds fly south?", "concepts"),
        ("A farmer has 12 cows and 30 hens. How many legs?", "symbols"),
        ("Solve x^2 = 4.", "symbols"),
        ("An MRI and an ECG of a patient on 5 mg of an ACE inhibitor show what?", "terms"),
        ("", "concepts"),
    ],
)
def test_a_sketch_is_of_the_kind_that_suits_the_question(question: str, kind: str) -> None:
    assert sketch_of(question) == kind
    assert style_template("sketch", question) == f"style_sketch_{kind}"


@virtual_clock
@pytest.mark.parametrize("style", get_args(Style))
async def test_any_strategy_is_asked_in_the_style(style: Style) -> None:
    asked = list[Prompt]()

    def script(prompt: Prompt, seed: int, ordinal: int) -> str:
        asked.append(prompt)
        return "\\boxed{4}"

    strategy = create_strategy(f"styled:style={style},strategy=best_of_n:n=3")
    messages = (Message("system", "Be kind."), Message("user", "How much is 2 and 2?"))
    async with Engine(FakeBackend(script)) as engine:
        problem = Problem(id="sum", prompt=Prompt(messages=messages))
        outcome = await engine.solve(problem, strategy=strategy)
    assert (outcome.answer, len(asked)) == ("4", 3)
    expected = load_template(style_template(style, messages[1].content)).render(question=messages[1].content)
    assert asked[0].messages == (messages[0], *expected.messages)


@virtual_clock
async def test_a_prompt_of_tokens_is_asked_as_its_text() -> None:
    asked = list[Prompt]()

    def script(prompt: Prompt, seed: int, ordinal: int) -> str:
        asked.append(prompt)
        return "\\boxed{4}"

    async with Engine(FakeBackend(script)) as engine:
        problem = Problem(id="sum", prompt=Prompt(token_ids=tuple(map(ord, "2 + 2"))))
        await engine.solve(problem, strategy=create_strategy("styled:style=draft,strategy=single"))
    assert asked[0].question.startswith("2 + 2\n\n")


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [("styled:style=poem", "style"), ("styled:template=revise", "needs the field question")],
)
def test_what_cannot_be_is_refused(spec: str, complaint: str) -> None:
    with pytest.raises(Exception, match=complaint):
        create_strategy(spec)


def test_the_styles_are_listed() -> None:
    assert set(BUILTINS) <= set(registry.names("templates"))
