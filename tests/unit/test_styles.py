"""Styles of thinking are prompts that any strategy can be asked in."""

from __future__ import annotations

from typing import get_args

import pytest

from ttscale import Engine, Problem, registry
from ttscale.registry import create_strategy, load_template
from ttscale.testing import FakeBackend, Reply, characters, virtual_clock
from ttscale.types import Message, Prompt
from ttscale_strategies import Styled
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


WORDS = "but keep each step to a draft of five words at most."
"""Of the style draft."""


def some_steps(prompt: Prompt, seed: int, ordinal: int) -> Reply:
    """Write a step, and one of three answers."""
    return Reply(f"step {seed % 3}\nSo \\boxed{{{seed % 3}}}.")


@virtual_clock
@pytest.mark.parametrize(
    ("spec", "least"),
    [
        ("beam_search:width=4,beam_width=2,max_depth=3", 5),
        ("sequential_refine:n=3,top_logprobs=4", 3),
        ("sequential_refine:n=3,top_logprobs=4,form=turns", 3),
        ("pdr:drafts=[2],distil=shared_top_k,k=2", 2),
        ("knockout:n=4,num_comparisons=2", 3),
        ("listwise:n=3", 2),
        ("speculative_steps:num_tracks=1,max_steps=2,hints=[]", 3),
    ],
)
async def test_whatever_is_asked_about_the_problem_is_asked_in_the_style(spec: str, least: int) -> None:
    backend = FakeBackend(some_steps)
    strategy = Styled(style="draft", strategy=create_strategy(spec))
    async with Engine(backend) as engine:
        outcome = await engine.solve("How much is 2 and 2?", strategy=strategy)
    assert outcome.answer is not None
    asked = [characters.decode(request.prompt.token_ids or ()) for request in backend.requests]
    assert len(asked) >= least
    for text in asked:
        assert text.count("How much is 2 and 2?") == text.count(WORDS) == 1


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
