"""What the formats that are written in several goes need of a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ttscale.types import Message, Prompt


class Complete(Protocol):
    """A model, of any kind, that continues texts."""

    def __call__(self, prompts: Sequence[Prompt], *, stop: str = "") -> Sequence[str]:
        """Continue every prompt to the end of the assistant's turn or up to a stop string.

        Args:
            prompts: Conversations; one that ends in an assistant message is continued from inside it.
            stop: Ends a continuation where it appears, unless empty.

        Returns:
            The continuations, in the order of the prompts; one that reached the stop string ends with it.
        """
        ...


def opened(prompt: Prompt, text: str) -> Prompt:
    """Return a prompt with the assistant's turn begun by a text; an empty text begins nothing."""
    return Prompt(messages=(*prompt.messages, Message("assistant", text))) if text else prompt


def opening(prompt: Prompt) -> str:
    """Return what the assistant's open turn of a prompt already says; empty where none is open."""
    last = prompt.messages[-1]
    return last.content if last.role == "assistant" else ""
