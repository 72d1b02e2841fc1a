"""Conversations to learn from: what every role's data generator yields, in plain text."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

from ttscale.types import Message, Prompt


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of a conversation.

    Attributes:
        role: Who speaks.
        text: What stands in the context, where later turns see it.
        target: What is to be learnt in an assistant turn: normally `text` itself, another text where the
            context shows what should not be taught (a judge sees `+` in an earlier turn but learns `-`
            there), or None where the turn carries no loss. Always None in a user turn.
        continues: Whether an assistant turn goes on, without a break, in the message of the assistant turn
            before it: so a message can be given in part and learnt in part.
        grades: What else is learnt in a user turn: after the token that holds the character at a place, what
            a judge would say there. No reader is asked for it; it teaches where to look.
        copied: Spans of a user turn, from a place up to another, that are learnt as if the assistant said them:
            whoever is to find mistakes must know what would have been right.
    """

    role: Literal["user", "assistant"]
    text: str
    target: str | None = None
    continues: bool = False
    grades: tuple[tuple[int, str], ...] = ()
    copied: tuple[tuple[int, int], ...] = ()

    def __post_init__(self) -> None:
        if self.role == "user" and self.target is not None:
            raise ValueError(f"A user turn is not learnt, but has the target {self.target!r}; leave it out.")
        if self.role == "user" and self.continues:
            raise ValueError("A user turn cannot continue the turn before it; join the two texts.")
        places = (*(place for place, _ in self.grades), *(first for first, _ in self.copied))
        if places and (self.role != "user" or not all(0 <= place < len(self.text) for place in places)):
            raise ValueError("Grades and spans stand at places of a user turn's text; leave out the others.")


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation of one role.

    Attributes:
        turns: The turns: user and assistant alternate, but for assistant turns that continue the one before;
            the first is a user's and the last an assistant's.
        key: What the conversation is about, as `problem_key` gives it: no held-out key may be taught.
    """

    turns: tuple[Turn, ...]
    key: str

    def __post_init__(self) -> None:
        broken = any(turn.continues and before.role == "user" for before, turn in pairwise(self.turns))
        opening = [turn.role for turn in self.turns if not turn.continues]
        broken = broken or any(turn.continues for turn in self.turns[:1])
        if not opening or broken or opening != ["user", "assistant"] * (len(opening) // 2):
            roles = ", ".join(turn.role for turn in self.turns) or "none"
            raise ValueError(
                f"User and assistant turns must alternate and end with an assistant's; got: {roles}."
            )
        if all(turn.target is None for turn in self.turns):
            raise ValueError(f"The conversation about {self.key!r} teaches nothing: no turn has a target.")

    @property
    def prompt(self) -> Prompt:
        """What is given before the last turn; it ends in an open assistant message if that continues it."""
        messages = list[Message]()
        for turn in self.turns[:-1]:
            before = messages.pop().content if turn.continues else ""
            messages.append(Message(turn.role, before + turn.text))
        return Prompt(messages=tuple(messages))


def user(text: str) -> Turn:
    """Return a user's turn."""
    return Turn("user", text)


def taught(text: str) -> Turn:
    """Return an assistant's turn that is learnt as it stands."""
    return Turn("assistant", text, text)


def exchange(
    prompt: Prompt,
    answer: str,
    key: str,
    *,
    grades: tuple[tuple[int, str], ...] = (),
    copied: tuple[tuple[int, int], ...] = (),
) -> Conversation:
    """Return the conversation in which a prompt of chat messages is given and an answer learnt.

    Only the answer and, in the last message, `grades` and `copied` (see `Turn`) carry loss, not what the
    assistant may have said before. The answer continues the last message if that is an assistant's.

    Raises:
        ValueError: the prompt's messages are not user and assistant turns that alternate, a user's first.
    """
    turns = list[Turn]()
    for message in prompt.messages:
        if message.role == "system":
            raise ValueError(f"A system message cannot be taught, got {message.content!r}; give user turns.")
        turns.append(Turn(message.role, message.content))
    if grades or copied:
        turns[-1] = replace(turns[-1], grades=grades, copied=copied)
    continues = bool(turns) and turns[-1].role == "assistant"
    return Conversation((*turns, Turn("assistant", answer, answer, continues)), key)
