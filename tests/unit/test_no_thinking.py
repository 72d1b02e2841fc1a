"""NoThinking: the thought that is over stands behind the prompt, token by token, whatever the chat template."""

from __future__ import annotations

import pytest

from ttscale import registry
from ttscale.backends.base import Capabilities
from ttscale.engine import Engine
from ttscale.errors import ParameterError
from ttscale.testing import FakeBackend, Reply, characters, virtual_clock
from ttscale.testing.script import Script
from ttscale.types import Message, Outcome, Problem, Prompt

PREFIX = "<think>\nOkay, I think I have finished thinking.\n</think>\n\n"
ASKED = characters.encode(Prompt.user("Q"))


class Trimming(FakeBackend):
    """Its chat template trims messages, as many do."""

    def encode(self, prompt: Prompt) -> Prompt:
        messages = tuple(Message(message.role, message.content.strip()) for message in prompt.messages)
        return super().encode(Prompt(messages=messages) if messages else prompt)


class Marking(FakeBackend):
    """Its tokenizer puts a token in front of every text, and one behind."""

    def encode(self, prompt: Prompt) -> Prompt:
        encoded = super().encode(prompt)
        if prompt.text is None or encoded.token_ids is None:
            return encoded
        return Prompt(token_ids=(characters.SILENT, *encoded.token_ids, characters.SILENT))


class Opening(FakeBackend):
    """Its chat template begins the thought."""

    def __init__(self, script: Script, begun: str) -> None:
        super().__init__(script)
        self.begun = begun

    def encode(self, prompt: Prompt) -> Prompt:
        encoded = super().encode(prompt)
        if not prompt.messages or prompt.messages[-1].role == "assistant" or encoded.token_ids is None:
            return encoded
        return Prompt(token_ids=encoded.token_ids + tuple(map(ord, self.begun)))


async def ask(spec: str, backend: FakeBackend, problem: Problem | str = "Q") -> Outcome:
    async with Engine(backend) as engine:
        return await engine.solve(problem, strategy=registry.create_strategy(spec))


@virtual_clock
@pytest.mark.parametrize("kind", [FakeBackend, Trimming, Marking])
async def test_the_prefix_stands_behind_the_prompt_as_its_own_tokens(kind: type[FakeBackend]) -> None:
    backend = kind("So it is \\boxed{7}.")
    outcome = await ask("no_thinking:strategy=self_consistency:n=2", backend)
    expected = ASKED + tuple(map(ord, PREFIX))
    assert [request.prompt for request in backend.requests] == [Prompt(token_ids=expected)]
    assert (outcome.answer, outcome.text) == ("7", "So it is \\boxed{7}.")
    assert (outcome.usage.calls, outcome.usage.prompt_computed) == (2, len(expected))


@virtual_clock
@pytest.mark.parametrize(
    ("begun", "prompt"),
    [
        ("<think>\n", "<think>\nOkay, I think I have finished thinking.\n</think>\n\n"),
        ("<think>", "<think>\nOkay, I think I have finished thinking.\n</think>\n\n"),
        ("<think>\n\n", "<think>\n\n\nOkay, I think I have finished thinking.\n</think>\n\n"),
        ("<reason>\n", "<reason>\n" + PREFIX),
        ("", PREFIX),
    ],
)
async def test_a_thought_that_the_chat_template_has_begun_is_not_begun_again(begun: str, prompt: str) -> None:
    backend = Opening("\\boxed{7}", begun)
    await ask("no_thinking:strategy=single", backend)
    (request,) = backend.requests
    assert characters.decode(request.prompt.token_ids or ()) == "Q" + prompt


@virtual_clock
async def test_without_token_ids_the_prefix_begins_the_assistants_message() -> None:
    backend = FakeBackend("\\boxed{7}", capabilities=Capabilities(stop_strings=True))
    await ask('no_thinking:strategy=single,prefix="Answer only.\\n"', backend)
    begun = Prompt(messages=(Message("user", "Q"), Message("assistant", "Answer only.\n")))
    assert [request.prompt for request in backend.requests] == [begun]
    await ask("no_thinking:strategy=single", backend, Problem.ask("What is <think>"))
    last = backend.requests[-1].prompt.messages[-1]
    assert last == Message("assistant", PREFIX)  # what the user wrote opens nothing


@virtual_clock
async def test_an_answer_that_was_begun_goes_on_with_the_prefix() -> None:
    begun = Prompt(messages=(Message("user", "Q"), Message("assistant", "Well. ")))
    backend = FakeBackend("\\boxed{7}")
    await ask("no_thinking:strategy=single,prefix=So", backend, Problem(id="1", prompt=begun))
    (request,) = backend.requests
    assert request.prompt.token_ids == (*characters.encode(begun), ord("S"), ord("o"))
    await ask("no_thinking:strategy=single,prefix=So", backend, Problem(id="2", prompt=Prompt(text="Q: ")))
    assert backend.requests[-1].prompt.token_ids == tuple(map(ord, "Q: So"))


@virtual_clock
async def test_any_strategy_chooses_by_majority_by_confidence_or_by_a_verifier() -> None:
    script = [
        Reply("\\boxed{1}", logprobs=-1.0),
        Reply("\\boxed{2}", logprobs=-0.5),
        Reply("\\boxed{1}", logprobs=-1.0),
        Reply("\\boxed{3}", logprobs=-0.1),
    ]
    problem = Problem(id="q", prompt=Prompt.user("Q"), target="2")
    chosen = {
        strategy: (await ask(f'no_thinking:strategy="{strategy}"', FakeBackend(script), problem)).answer
        for strategy in ("self_consistency:n=4", "best_of_n:n=4", "best_of_n:n=4,verifier=math")
    }
    assert list(chosen.values()) == ["1", "3", "2"]


@virtual_clock
async def test_no_log_probabilities_are_asked_for_unless_the_strategy_does() -> None:
    backend = FakeBackend("\\boxed{7}")
    await ask("no_thinking", backend)
    assert {request.sampling.logprobs for request in backend.requests} == {None}
    await ask("no_thinking:strategy=confidence_vote:n=2", backend)
    assert backend.requests[-1].sampling.logprobs == 20


def test_an_empty_prefix_is_refused_and_the_cost_is_the_strategys() -> None:
    with pytest.raises(ParameterError, match="prefix must not be empty"):
        registry.create_strategy("no_thinking:prefix=''")
    assert registry.create_strategy("no_thinking:strategy=self_consistency:n=5").max_samples() == 5


@virtual_clock
async def test_a_search_by_steps_goes_on_from_the_prefix() -> None:
    backend = FakeBackend("step\nSo \\boxed{7}.")
    outcome = await ask('no_thinking:strategy="beam_search:width=4,beam_width=2,max_depth=2"', backend)
    begun = ASKED + tuple(map(ord, PREFIX))
    assert outcome.answer == "7"
    assert len(backend.requests) == 2
    assert all((request.prompt.token_ids or ())[: len(begun)] == begun for request in backend.requests)


@virtual_clock
async def test_prompts_of_a_strategys_own_show_the_question_as_it_was_asked() -> None:
    backend = FakeBackend("So \\boxed{7}.")
    await ask('no_thinking:strategy="sequential_refine:n=2,choose=last"', backend)
    _, revised = (characters.decode(request.prompt.token_ids or ()) for request in backend.requests)
    assert revised.startswith("Q\n\nEarlier attempts")
    assert "finished thinking" not in revised
