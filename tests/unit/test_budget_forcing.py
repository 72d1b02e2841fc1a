"""Budget forcing: ends that are taken back, thoughts that are cut, at exactly the tokens they should."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from ttscale import registry
from ttscale.backends.base import Capabilities
from ttscale.budget import Budget
from ttscale.engine import Engine
from ttscale.errors import CapabilityError, ParameterError
from ttscale.testing import EVERYTHING, FakeBackend, Reply, characters, virtual_clock
from ttscale.testing.fake import TOY
from ttscale.types import Outcome, Prompt

ASKED = characters.encode(Prompt.user("Q"))
ASKING = "\n\n**Final Answer**\n\\boxed{"


async def ask(spec: str, backend: FakeBackend, budget: Budget | None = None) -> Outcome:
    async with Engine(backend) as engine:
        outcome = await engine.solve("Q", strategy=registry.create_strategy(spec), budget=budget)
        assert (backend.num_running, engine.ledger.reserved.tokens) == (0, 0)
    return outcome


def limits(backend: FakeBackend) -> list[int | None]:
    return [request.sampling.max_tokens for request in backend.requests]


def prompts(backend: FakeBackend) -> list[str]:
    """Return what each call was given behind the question."""
    assert all((request.prompt.token_ids or ())[: len(ASKED)] == ASKED for request in backend.requests)
    return [characters.decode((request.prompt.token_ids or ())[len(ASKED) :]) for request in backend.requests]


def thoughts(*lengths: int) -> list[Reply]:
    """Return thoughts of so many tokens, the closing mark included, and then an answer."""
    closed = [Reply("x" * (length - len("</think>")) + "</think>") for length in lengths]
    return [*closed, Reply(" \\boxed{7}")]


@virtual_clock
async def test_the_worked_example_calls_with_100_then_60_then_30_tokens_and_waits_twice() -> None:
    backend = FakeBackend(thoughts(40, 30, 20))
    spec = "budget_forcing:max_thinking_tokens=100,num_extensions=2,max_answer_tokens=50"
    outcome = await ask(spec, backend)
    assert limits(backend) == [100, 60, 30, 50]
    assert outcome.text == "x" * 32 + "Wait" + "x" * 22 + "Wait" + "x" * 12 + "</think> \\boxed{7}"
    assert (outcome.answer, outcome.stop_reason) == ("7", "finished")
    assert outcome.usage.generated == 40 + 30 + 20 + len(" \\boxed{7}")
    assert outcome.critical_path_tokens == outcome.usage.generated
    (candidate,) = outcome.candidates
    assert (candidate.num_tokens, candidate.finish_reason) == (outcome.usage.generated, "stop")


@virtual_clock
async def test_an_end_that_is_taken_back_is_in_no_later_prompt_and_the_last_one_stays() -> None:
    backend = FakeBackend(thoughts(20, 18))
    await ask("budget_forcing", backend)
    first, second, third = prompts(backend)
    assert (first, second) == ("", "x" * 12 + "Wait")
    assert third == "x" * 12 + "Wait" + "x" * 10 + "</think>"


@virtual_clock
async def test_a_closing_mark_that_is_one_token_is_a_stop_token() -> None:
    backend = FakeBackend(["so|7?", "hm|7!", " \\boxed{7}"])
    outcome = await ask("budget_forcing:delimiters=['<', '|'],extension=Hmm", backend)
    assert backend.requests[0].sampling.stop_token_ids == (ord("|"),)
    assert backend.requests[0].sampling.stop == ()
    assert prompts(backend) == ["", "soHmm", "soHmmhm|"]
    assert outcome.text == "soHmmhm| \\boxed{7}"


@virtual_clock
async def test_a_thought_of_the_most_tokens_is_closed_without_an_extension() -> None:
    backend = FakeBackend([Reply("<think>" + "x" * 500), Reply("7}")])
    outcome = await ask("budget_forcing:max_thinking_tokens=100,num_extensions=5,max_answer_tokens=9", backend)
    assert limits(backend) == [100, 9]
    assert prompts(backend)[1] == "<think>" + "x" * 93 + "\n</think>" + ASKING
    assert (outcome.answer, outcome.usage.generated) == ("7", 102)


@virtual_clock
async def test_an_extension_that_is_cut_is_closed_after_exactly_the_tokens_that_were_left() -> None:
    backend = FakeBackend([*thoughts(40)[:1], Reply("y" * 500), Reply("7}")])
    await ask("budget_forcing:max_thinking_tokens=100,num_extensions=5", backend)
    assert limits(backend)[:2] == [100, 60]
    assert prompts(backend)[2] == "x" * 32 + "Wait" + "y" * 60 + ASKING


@virtual_clock
async def test_a_thought_that_the_chat_template_opened_is_closed() -> None:
    class Opening(FakeBackend):
        def encode(self, prompt: Prompt) -> Prompt:
            encoded = super().encode(prompt)
            opened = tuple(map(ord, "<think>\n")) if prompt.messages else ()
            return Prompt(token_ids=(encoded.token_ids or ()) + opened)

    backend = Opening([Reply("x" * 500), Reply("7}")])
    await ask("budget_forcing:max_thinking_tokens=10", backend)
    assert prompts(backend)[1] == "<think>\n" + "x" * 10 + "\n</think>" + ASKING


@virtual_clock
@pytest.mark.parametrize("delimiters", ["", ",delimiters=null"])
async def test_all_that_a_model_without_delimiters_writes_is_a_thought(delimiters: str) -> None:
    backend = FakeBackend(["It is \\boxed{6}.", " No: \\boxed{7}."])
    outcome = await ask(f"budget_forcing{':' if delimiters else ''}{delimiters[1:]}", backend)
    assert prompts(backend) == ["", "It is \\boxed{6}.Wait"]
    assert (outcome.answer, outcome.text) == ("7", "It is \\boxed{6}.Wait No: \\boxed{7}.")


@virtual_clock
async def test_a_model_that_ends_without_an_answer_is_asked_for_it() -> None:
    backend = FakeBackend(["Let me see.", " Hard.", "7}"])
    outcome = await ask("budget_forcing", backend)
    assert prompts(backend)[2] == "Let me see.Wait Hard." + ASKING
    assert outcome.answer == "7"


@virtual_clock
async def test_a_thought_that_is_long_enough_may_end() -> None:
    for least, num_calls in ((0, 2), (40, 2), (41, 3), (70, 3), (71, 4)):
        backend = FakeBackend(thoughts(*[40, 30, 20][: num_calls - 1]))
        await ask(f"budget_forcing:num_extensions=2,min_thinking_tokens={least}", backend)
        assert len(backend.requests) == num_calls


@virtual_clock
async def test_an_empty_extension_is_the_last() -> None:
    backend = FakeBackend(["x</think>", "</think>", "\\boxed{7}"])
    outcome = await ask("budget_forcing:num_extensions=9", backend)
    assert outcome.text == "xWait</think>\\boxed{7}"
    assert outcome.usage.calls == 3


@virtual_clock
async def test_the_context_leaves_the_answer_room() -> None:
    context = 400
    backend = FakeBackend(["<think>" + "x" * 900, "7}"], profile=replace(TOY, context_length=context))
    spec = "budget_forcing:max_answer_tokens=100,extension=Hm"
    assert (await ask(spec, backend)).answer == "7"
    closing = len("\n</think>" + ASKING)
    thought = context - len(ASKED) - closing - len("Hm") - 100
    assert limits(backend) == [thought, 100]
    small = FakeBackend("x" * 900, profile=replace(TOY, context_length=120))
    await ask(spec, small)  # half of the room for each, though 100 tokens were wanted for the answer
    room = 120 - len(ASKED) - closing - len("Hm")
    assert limits(small)[0] == room - room // 2
    unknown = FakeBackend(thoughts(20, 20), profile=replace(TOY, context_length=None))
    await ask(spec, unknown)
    assert limits(unknown) == [32_000, 31_980, 100]


@virtual_clock
async def test_every_call_is_greedy_unless_told_otherwise() -> None:
    backend = FakeBackend(thoughts(20, 20))
    await ask("budget_forcing", backend)
    assert {request.sampling.temperature for request in backend.requests} == {0.0}
    backend = FakeBackend(thoughts(20, 20))
    await ask("budget_forcing:temperature=null", backend)
    assert {request.sampling.temperature for request in backend.requests} == {1.0}


def broken(*replies: str) -> Sequence[Reply]:
    return [*(Reply(text) for text in replies), Reply("\\boxed{9}", error="out of memory")]


@virtual_clock
async def test_a_call_that_fails_ends_it_with_the_answer_so_far() -> None:
    later = await ask("budget_forcing", FakeBackend(broken("It is \\boxed{6}.</think>")))
    assert (later.answer, later.stop_reason, later.error) == ("6", "error", "out of memory")
    assert later.text == "It is \\boxed{6}."
    at_the_end = await ask("budget_forcing", FakeBackend(broken("\\boxed{6}</think>", "\\boxed{5}</think>")))
    assert (at_the_end.answer, at_the_end.stop_reason) == ("5", "error")
    at_once = await ask("budget_forcing", FakeBackend(broken()))
    assert (at_once.answer, at_once.stop_reason, at_once.usage.calls) == (None, "error", 1)


@virtual_clock
async def test_the_answer_so_far_counts_when_the_budget_or_the_time_ends() -> None:
    def backend() -> FakeBackend:
        return FakeBackend(["It is \\boxed{6}.</think>", "y" * 900, "7}"])

    spent = await ask("budget_forcing", backend(), Budget(samples=1))
    assert (spent.answer, spent.stop_reason, spent.usage.calls) == ("6", "budget", 1)
    late = await ask("budget_forcing", backend(), Budget(seconds=1.0))
    assert (late.answer, late.stop_reason) == ("6", "budget")
    for num_tokens in range(1, 300, 13):
        outcome = await ask("budget_forcing", backend(), Budget(tokens=num_tokens))
        assert outcome.usage.tokens <= num_tokens


@virtual_clock
async def test_it_needs_a_model_that_goes_on_from_token_ids() -> None:
    with pytest.raises(CapabilityError, match="BudgetForcing needs token_ids"):
        await ask("budget_forcing", FakeBackend("x", capabilities=replace(EVERYTHING, token_ids=False)))
    with pytest.raises(CapabilityError, match="BudgetForcing needs stop_strings and token_ids"):
        await ask("budget_forcing", FakeBackend("x", capabilities=Capabilities()))


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ("num_extensions=-1", "num_extensions must be >= 0"),
        ("max_thinking_tokens=0", "max_tokens must be >= 1"),
        ("max_answer_tokens=0", "max_answer_tokens must be >= 1"),
        ("min_thinking_tokens=-1", "min_thinking_tokens must be >= 0"),
        ("extension=''", "extension must not be empty"),
        ("final=''", "final must not be empty"),
        ("delimiters=['<think>', '']", "delimiters must be two texts"),
        ("delimiters=['<think>']", "delimiters=.* is wrong"),
        ("temperature=-1.0", "temperature must be >= 0"),
    ],
)
def test_what_makes_no_sense_is_refused(params: str, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        registry.create_strategy(f"budget_forcing:{params}")
