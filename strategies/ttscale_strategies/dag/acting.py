"""Agents that act step by step: what a model's reply means, what a step looks like, who calls the tools.

A reply is one action: a call, written as a JSON object ``{"tool": NAME, "arguments": {…}}`` (the last one in
the text counts), or, without one, a final answer, in a box say. Anything else is an action that nothing can
be made of; the model is told so in place of a result, and goes on. Model text is only ever read as JSON.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, cast

from ttscale.answers import extract_answer
from ttscale.run import Run
from ttscale.tools import Toolbox, ToolResult
from ttscale.types import JSON, Prompt, Sample
from ttscale_strategies.dag._calls import tools_text
from ttscale_strategies.refine.rules.json_objects import objects_in, placed_objects_in
from ttscale_strategies.revision import asked_again, without_thoughts

STEP_FIELDS: Final = ("question", "tools", "steps")
"""Of a template that asks for the next step."""

MAX_ACTION_CHARACTERS: Final = 4_000
"""A longer call is none: it would be shown again in every prompt that follows."""

_NONE: Final = "none"
_NO_CALL: Final = 'that is no call; write {"tool": NAME, "arguments": {...}}'


@dataclass(frozen=True, slots=True)
class Action:
    """What a model wants done. Two are the same if kind and text are."""

    kind: Literal["call", "finish", "unreadable"]
    text: str
    """In one canonical form: the call as JSON with sorted names, the answer, or what could not be read."""
    tool: str = field(default="", compare=False)
    arguments: Mapping[str, JSON] = field(default_factory=dict[str, JSON], compare=False)


@dataclass(frozen=True, slots=True)
class Step:
    """An action that was taken, and what came of it."""

    action: Action
    observation: str


def read_action(text: str) -> Action:
    """Return what a model's reply means; hostile texts cost bounded time.

    Args:
        text: the reply; what stands before the end of its thoughts is not read.
    """
    said = without_thoughts(text)
    call: Mapping[str, object] | None = None
    for found in objects_in(said):
        if isinstance(found.get("tool"), str):
            call = found
    if call is None:
        answer = extract_answer(said)
        if answer is not None:
            return Action("finish", answer)
        return Action("unreadable", said[-MAX_ACTION_CHARACTERS:])
    arguments, name = call.get("arguments", {}), cast("str", call["tool"])
    written = _written(name, arguments) if isinstance(arguments, dict) else None
    if written is None or len(written) > MAX_ACTION_CHARACTERS:
        return Action("unreadable", said[-MAX_ACTION_CHARACTERS:])
    return Action("call", written, name, cast("Mapping[str, JSON]", arguments))


def _written(name: str, arguments: object) -> str | None:
    """Return a call in its canonical form; ``None``: it is too deep, or JSON for nobody but Python."""
    try:
        return json.dumps({"tool": name, "arguments": arguments}, sort_keys=True, allow_nan=False)
    except (ValueError, RecursionError):
        return None


def stated_answer(sample: Sample) -> str | None:
    """Return the answer that a reply states, for good or beside a call; ``None`` for a reply cut short."""
    return None if sample.finish_reason in ("error", "abort") else extract_answer(without_thoughts(sample.text))


def call_begins(text: str) -> int | None:
    """Return where the last call of a reply begins, in characters; ``None``: it has none."""
    calls = [start for start, found in placed_objects_in(text) if isinstance(found.get("tool"), str)]
    return calls[-1] if calls else None


async def taken(action: Action, run: Run, box: Toolbox) -> Step:
    """Do what an action says, and return it with what the model is shown of it; failures are shown too.

    Raises:
        BudgetExhausted: no tool call is left in the budget.
    """
    if action.kind == "call":
        result = await box.call(run, action.tool, action.arguments)
        return Step(action, result.text)
    told = "" if action.kind == "finish" else ToolResult(error=_NO_CALL).text
    return Step(action, told)


def shown_steps(steps: Sequence[Step]) -> str:
    """Return steps for a prompt, numbered from 1."""
    lines = [
        f"Step {number}: {step.action.text}\nResult {number}: {step.observation}"
        for number, step in enumerate(steps, start=1)
    ]
    return "\n".join(lines) or _NONE


def step_prompt(template: str, run: Run, box: Toolbox, steps: Sequence[Step]) -> Prompt:
    """Return the prompt that asks for the next step; what does not change stands first in it.

    Args:
        template: its name, with the fields `STEP_FIELDS`.
        run: of the problem.
        box: the tools.
        steps: taken so far.
    """
    return asked_again(template, run, tools=tools_text(box), steps=shown_steps(steps))
