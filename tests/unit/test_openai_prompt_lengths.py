"""Lengths of prompts that only the server can count: learnt from its bills, guessed until then."""

from __future__ import annotations

from tests.unit.openai_bench import ANSWER, QUESTION, asked, drawn, serving
from tests.unit.scripted_server import paused, piece
from ttscale.backends.openai.prompt_lengths import PromptLengths
from ttscale.types import Message, Prompt, SampleUsage


def test_before_the_first_bill_four_bytes_are_a_token() -> None:
    lengths = PromptLengths()
    assert lengths.estimate(Prompt.user("x" * 40)) == 10
    assert lengths.estimate(Prompt(text="")) == 1


def test_a_prompt_that_was_billed_is_known() -> None:
    lengths = PromptLengths()
    lengths.learn(Prompt(text="abc"), 17)
    assert lengths.estimate(Prompt(text="abc")) == 17


def test_other_prompts_are_as_dense_as_those_that_were_billed() -> None:
    lengths = PromptLengths()
    for _ in range(3):  # repeated bills of one prompt weigh no more than one
        lengths.learn(Prompt(text="x" * 100), 50)
    lengths.learn(Prompt(text="y" * 200), 50)
    assert lengths.estimate(Prompt(messages=(Message("system", "z" * 10), Message("user", "z" * 20)))) == 10


def test_a_bill_of_nothing_teaches_nothing() -> None:
    lengths = PromptLengths()
    lengths.learn(Prompt(text="abcdefgh"), 0)
    assert lengths.estimate(Prompt(text="abcdefgh")) == 2


def test_token_ids_do_not_change_what_a_byte_is_worth() -> None:
    lengths = PromptLengths()
    lengths.learn(Prompt(text="x" * 100), 50)
    lengths.learn(Prompt(token_ids=tuple(range(1000))), 1000)
    assert lengths.estimate(Prompt(text="y" * 30)) == 15


async def test_a_stopped_request_is_charged_the_prompt_as_it_was_billed_before() -> None:
    answer, _ = paused(piece("It "))
    async with serving(answer, ANSWER, answer) as (_, backend):
        usages = list[SampleUsage | None]()
        for _ in range(2):
            async with backend.generate(asked(stream=True)) as generation:
                await anext(generation)
            usages += [chunk.usage async for chunk in generation]
            if len(usages) == 1:
                await drawn(backend, asked())
    assert len(QUESTION.messages[0].content) == 12
    assert usages == [
        SampleUsage(prompt_computed=3, generated=1),
        SampleUsage(prompt_computed=20, generated=1),
    ]
