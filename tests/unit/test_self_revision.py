"""Self-revision: what is taken off an answer, what is put in its place, and whose answer counts."""

from __future__ import annotations

import math

import pytest

from tests.unit.refining import ask, in_order, noted, spent
from ttscale import registry
from ttscale.backends.base import Capabilities
from ttscale.budget import Budget
from ttscale.engine import Engine
from ttscale.errors import CapabilityError, ConfigError
from ttscale.testing import FakeBackend, Reply, characters, virtual_clock
from ttscale.types import Prompt
from ttscale_strategies.refine.self_revision import without_answer

ASKED = characters.encode(Prompt.user("How much is it?"))
LOST = Reply("\\boxed{5}", error="lost")
IN_TURN = "self_revision:pick=in_turn"


def begun(backend: FakeBackend) -> list[str]:
    """Return what the model is made to go on from, behind the question, in each call."""
    ids = [request.prompt.token_ids or () for request in backend.requests]
    assert all(prompt[: len(ASKED)] == ASKED for prompt in ids)
    return [characters.decode(prompt[len(ASKED) :]) for prompt in ids]


@virtual_clock
async def test_the_answer_is_taken_off_and_a_word_of_doubt_put_in_its_place() -> None:
    model = in_order("Add.\nSo \\boxed{1}.", ", no.\n\\boxed{2}", " again.\n\\boxed{3}")
    outcome, backend = await ask(f"{IN_TURN},num_revisions=2", model)
    assert begun(backend) == ["", "Add.\nWait", "Add.\nWait, no.\nAlternatively"]
    assert (outcome.answer, outcome.stop_reason, outcome.usage.calls) == ("3", "finished", 3)
    assert outcome.confidence == pytest.approx(1 / 3)
    assert outcome.text == " again.\n\\boxed{3}"
    assert outcome.critical_path_tokens == outcome.usage.generated
    assert noted(outcome, "total_tokens") == noted(outcome, "sequential_tokens") == sum(spent(backend))


@virtual_clock
async def test_the_answer_stays_where_that_is_wanted() -> None:
    model = in_order("So.\n\\boxed{1}.", "\\boxed{2}")
    _, backend = await ask(f"{IN_TURN},num_revisions=1,strip_answer=false", model)
    assert begun(backend)[1] == "So.\n\\boxed{1}.\nWait"


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Add.\nSo \\boxed{1}.\n", "Add.\n"),
        ("Add.\n\\boxed{1}, or\n\\boxed{2}", "Add.\n\\boxed{1}, or\n"),
        ("One\n#### 4", "One\n"),
        ("One\nThe answer is 4.", "One\n"),
        ("One\n<answer>4</answer>", "One\n"),
        ("\\boxed{1}", "\\boxed{1}"),
        ("\n \n\\boxed{1}", "\n \n\\boxed{1}"),
        ("no answer", "no answer"),
        ("", ""),
    ],
)
def test_the_answer_is_taken_off_where_its_line_begins_unless_nothing_is_left(text: str, kept: str) -> None:
    assert without_answer(text) == kept


def leaning(**chances: float) -> Reply:
    """Return one token with the chances that each letter comes next."""
    return Reply("x", top_logprobs=[{letter: math.log(chance) for letter, chance in chances.items()}])


@virtual_clock
async def test_the_likelier_word_is_put_there() -> None:
    replies: list[Reply | str] = [
        "a\n\\boxed{1}",
        leaning(W=0.2, A=0.5),
        "b\n\\boxed{2}",
        leaning(W=0.4, A=0.1),
        "c\n\\boxed{3}",
    ]
    outcome, backend = await ask("self_revision:num_revisions=2", in_order(*replies))
    assert begun(backend)[1:] == ["a\n", "a\nAlternatively", "a\nAlternativelyb\n", "a\nAlternativelyb\nWait"]
    assert [request.sampling.max_tokens for request in backend.requests][1::2] == [1, 1]
    assert [request.sampling.logprobs for request in backend.requests][::2] == [None] * 3
    assert (outcome.answer, outcome.usage.calls, len(outcome.candidates)) == ("3", 5, 3)


@pytest.mark.parametrize("probe", [leaning(x=1.0), Reply("x", error="lost", fail_after=0)])
@virtual_clock
async def test_where_none_is_likely_they_take_turns(probe: Reply) -> None:
    replies: list[Reply | str] = ["a\n\\boxed{1}", probe, "b\n\\boxed{2}", probe, "c\n\\boxed{3}"]
    _, backend = await ask("self_revision:num_revisions=2", in_order(*replies))
    assert begun(backend)[2::2] == ["a\nWait", "a\nWaitb\nAlternatively"]


@pytest.mark.parametrize("last", ["", Reply("so on", finish_reason="length")])
@virtual_clock
async def test_an_empty_revision_and_one_that_was_cut_off_are_the_last(last: Reply | str) -> None:
    outcome, _ = await ask(f"{IN_TURN},num_revisions=9", in_order("a\n\\boxed{1}", last))
    assert (outcome.answer, outcome.stop_reason, outcome.usage.calls) == ("1", "finished", 2)


@virtual_clock
async def test_a_failed_revision_is_tried_again_from_where_it_began() -> None:
    model = in_order(LOST, "a\n\\boxed{1}", LOST, "\\boxed{2}")
    outcome, backend = await ask(f"{IN_TURN},num_revisions=3,extensions=[Wait]", model)
    assert begun(backend) == ["", "", "a\nWait", "a\nWait"]
    assert outcome.answer == "2"


@virtual_clock
async def test_all_answers_vote_and_a_model_that_repeats_itself_may_be_stopped() -> None:
    replies = [f"a\n\\boxed{{{answer}}}" for answer in (1, 2, 2, 3)]
    outcome, _ = await ask(f"{IN_TURN},num_revisions=3,choose=majority", in_order(*replies))
    assert (outcome.answer, outcome.confidence) == ("2", 0.5)
    same = in_order(*[replies[0]] * 20)
    outcome, _ = await ask(f"{IN_TURN},num_revisions=19,stop=consistent", same)
    assert (outcome.answer, outcome.stop_reason, outcome.usage.calls) == ("1", "decided", 4)


@pytest.mark.parametrize(("samples", "answer"), [(1, "1"), (2, "1"), (3, "2"), (5, "3")])
@virtual_clock
async def test_a_budget_that_ends_on_the_way_leaves_the_last_answer(samples: int, answer: str) -> None:
    replies: list[Reply | str] = [
        "a\n\\boxed{1}",
        leaning(W=1.0),
        "b\n\\boxed{2}",
        leaning(W=1.0),
        "c\n\\boxed{3}",
    ]
    outcome, _ = await ask("self_revision:num_revisions=2", in_order(*replies), budget=Budget(samples=samples))
    assert outcome.answer == answer
    assert outcome.stop_reason == ("finished" if samples == 5 else "budget")


@virtual_clock
async def test_what_it_needs_of_the_model_depends_on_how_it_picks() -> None:
    plain = Capabilities(token_ids=True, seeds=True)
    async with Engine(FakeBackend("a\n\\boxed{1}", capabilities=plain)) as engine:
        with pytest.raises(CapabilityError):
            await engine.solve("Q", strategy=registry.create_strategy("self_revision"))
        for spec in (IN_TURN, "self_revision:extensions=[Hmm]"):
            assert (await engine.solve("Q", strategy=registry.create_strategy(spec))).answer == "1"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("num_revisions=-1", "num_revisions must be >= 0"),
        ("extensions=[]", "extensions must be one or more texts"),
        ('extensions=["Wait", ""]', "extensions must be one or more texts, none empty"),
        ("threshold=2", r"threshold must lie in \[0, 1\]"),
        ("pick=best", "pick='best' is wrong"),
    ],
)
def test_options_out_of_range_are_named(options: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        registry.create_strategy(f"self_revision:{options}")
