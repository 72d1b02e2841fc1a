"""Conversations to learn from: turns alternate, something is taught, and prompts become turns."""

from __future__ import annotations

import pytest

from ttscale.reference.conversation import Conversation, Turn, exchange, taught, user
from ttscale.types import Message, Prompt


def test_the_prompt_is_what_stands_before_the_last_turn() -> None:
    turns = (user("q"), Turn("assistant", "+", "-"), user("r"), taught("a"))
    wanted = (Message("user", "q"), Message("assistant", "+"), Message("user", "r"))
    assert Conversation(turns, "key").prompt.messages == wanted


def test_a_turn_that_continues_belongs_to_the_message_before_it() -> None:
    turns = (user("q"), Turn("assistant", "given "), Turn("assistant", "learnt", "learnt", continues=True))
    prompt = Conversation(turns, "key").prompt
    assert prompt.messages == (Message("user", "q"), Message("assistant", "given "))


def test_only_the_answer_of_an_exchange_is_learnt() -> None:
    prompt = Prompt(messages=(Message("user", "q"), Message("assistant", "a"), Message("user", "r")))
    conversation = exchange(prompt, "b", "key")
    assert [turn.target for turn in conversation.turns] == [None, None, None, "b"]
    assert conversation.prompt == prompt
    begun = Prompt(messages=(Message("user", "q"), Message("assistant", "a")))
    assert exchange(begun, "b", "key").prompt == begun


@pytest.mark.parametrize(
    ("turns", "message"),
    [
        ((), "got: none"),
        ((taught("a"),), "got: assistant"),
        ((user("q"),), "got: user"),
        ((user("q"), user("r"), taught("a")), "got: user, user, assistant"),
        ((user("q"), taught("a"), taught("b")), "got: user, assistant, assistant"),
        ((user("q"), Turn("assistant", "a", "a", continues=True)), "must alternate"),
        ((user("q"), Turn("assistant", "a")), "about 'key' teaches nothing"),
    ],
)
def test_turns_out_of_order_or_without_a_target_are_refused(turns: tuple[Turn, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Conversation(turns, "key")


def test_a_user_turn_is_neither_learnt_nor_continued() -> None:
    with pytest.raises(ValueError, match="not learnt, but has the target 'x'"):
        Turn("user", "q", "x")
    with pytest.raises(ValueError, match="cannot continue"):
        Turn("user", "q", continues=True)


def test_a_system_message_is_not_taught() -> None:
    with pytest.raises(ValueError, match="system message cannot be taught, got 'be kind'"):
        exchange(Prompt.user("q", system="be kind"), "a", "key")
