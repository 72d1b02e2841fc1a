"""Prompt templates: chat messages with named fields.

Built-in templates stand beside those that use them, in `ttscale_strategies.templates` and
`ttscale_verifiers.templates`; `ttscale.registry.load_template` finds one by name.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

from ttscale.errors import ConfigError
from ttscale.types import Message, Prompt

RIGHT: Final = "+"
"""What a judge says of a step or solution that is right."""

WRONG: Final = "-"
"""What a judge says of a step or solution that is wrong."""

CHOICES: Final = ("A", "B")
"""What a judge says of two solutions: the label of the one that is right."""

_FIELD: Final = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")


@dataclass(frozen=True, slots=True)
class Template:
    r"""Chat messages in which ``{name}`` stands for a value; other braces, as in ``\boxed{}``, are text.

    Attributes:
        messages: At least one; their roles are kept as they are.
    """

    messages: tuple[Message, ...]

    def __post_init__(self) -> None:
        if not self.messages:
            raise ValueError("a template needs at least one message")

    @classmethod
    def user(cls, content: str) -> Self:
        """Return a template of one user turn."""
        return cls((Message("user", content),))

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of the fields, each once, in the order in which they first occur."""
        found = (name for message in self.messages for name in _FIELD.findall(message.content))
        return tuple(dict.fromkeys(found))

    @property
    def phrases(self) -> tuple[str, ...]:
        """The fixed texts between the fields, each once; those of white space only are left out."""
        pieces = (piece for message in self.messages for piece in _FIELD.split(message.content)[::2])
        return tuple(dict.fromkeys(piece for piece in pieces if piece.strip()))

    def render(self, **values: str) -> Prompt:
        """Return the prompt with every field replaced by its value.

        The text is gone through once: a value that contains ``{name}`` itself stays as it is.

        Raises:
            ConfigError: a field has no value, or a value has no field.
        """
        known = self.fields
        missing = [name for name in known if name not in values]
        if missing:
            raise ConfigError(f"The template needs the field {missing[0]!r}; give {missing[0]}=TEXT.")
        unknown = [name for name in values if name not in known]
        if unknown:
            have = ", ".join(known) or "none"
            raise ConfigError(f"The template has no field {unknown[0]!r}; it has: {have}.")
        return Prompt(
            messages=tuple(
                Message(message.role, _FIELD.sub(lambda found: values[found[1]], message.content))
                for message in self.messages
            )
        )


def numbered(label: str, texts: Sequence[str]) -> str:
    """Return texts under the headings ``label 1:``, ``label 2:``, …, with an empty line between them."""
    return "\n\n".join(f"{label} {number}:\n{text.strip()}" for number, text in enumerate(texts, start=1))


def steps_prompt(template: Template, question: str, steps: Sequence[str]) -> Prompt:
    """Return the conversation in which a solution's last step is to be judged.

    The first user turn holds question and first step, every later one a step. The judge's earlier turns
    always say `RIGHT`, so that the conversation of a longer solution begins with that of a shorter one; the
    score of the step is the probability of `RIGHT` against `WRONG` where the next turn begins (generative
    process reward models: Math-Shepherd, arXiv 2312.08935; RLHFlow).

    Args:
        template: The first user turn, with the fields `question` and `step`.
        question: The question.
        steps: The steps so far, one or more.

    Raises:
        ConfigError: there is no step, or the template has other fields.
    """
    if not steps:
        raise ConfigError("There is no step to judge in an empty solution; give one step or more.")
    messages = list(template.render(question=question, step=steps[0]).messages)
    for step in steps[1:]:
        messages += [Message("assistant", RIGHT), Message("user", step)]
    return Prompt(messages=tuple(messages))
