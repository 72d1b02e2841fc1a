"""Asking again: prompts about a problem that show a model more than the question."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from ttscale.registry import load_template
from ttscale.run import Run, question_of, worded
from ttscale.template import numbered
from ttscale.types import Prompt

_END_OF_THINKING: Final = "</think>"
REVISION_FIELDS: Final = ("question", "attempts")
"""Of a template that shows attempts."""


def require_fields(name: str, fields: Collection[str], *, optional: Collection[str] = ()) -> None:
    """Refuse a template with other fields.

    Args:
        name: of the template.
        fields: all that it must have.
        optional: what it may have beside.

    Raises:
        ConfigError: there is no such template.
        ValueError: it has other fields.
    """
    found = load_template(name).fields
    if not set(fields) <= set(found) <= {*fields, *optional}:
        raise ValueError(f"the template {name!r} needs the fields {' and '.join(fields)}, it has {found}")


def without_thoughts(text: str) -> str:
    """Return what a model says after it has thought, stripped; all of it, where it does not say so."""
    return text.rpartition(_END_OF_THINKING)[2].strip()


def revision_prompt(template: str, run: Run, attempts: Sequence[str]) -> Prompt:
    """Return the prompt of a run's problem with earlier attempts shown.

    Args:
        template: its name; with the fields question and attempts.
        run: of the model that is asked.
        attempts: the texts shown, none of them empty; none: the problem's own prompt.

    Raises:
        ConfigError: there is no such template, or it has other fields.
    """
    if not attempts:
        return run.problem.prompt
    return asked_again(template, run, attempts=numbered("Attempt", attempts))


def asked_again(template: str, run: Run, **values: str) -> Prompt:
    """Return the prompt of a run's problem with its last user turn put into a template; earlier turns stay.

    Of a problem in token ids it is that which it was in words before, if it was: its end may not be the user's.

    Args:
        template: its name; with the field question, and one for each value.
        run: of the model that is asked.
        **values: of its other fields.

    Raises:
        ConfigError: there is no such template, or it has other fields.
    """
    asked = worded(run)
    turns = [place for place, message in enumerate(asked.messages) if message.role == "user"]
    again = load_template(template).render(question=question_of(run.problem.prompt, run), **values)
    before = asked.messages[: turns[-1]] if turns else ()
    return Prompt(messages=(*before, *again.messages))
