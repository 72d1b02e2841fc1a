"""Sums as plans of tool calls in the grammar of LLMCompiler (arXiv 2312.04511).

```
1. subtract(12, 30)
2. subtract(41, 25)
3. add($1, $2)
4. join()<END_OF_PLAN>
```

`$1` is the result of call 1. Calls that do not need each other's results stay independent: terms are combined
pair by pair, then the pairs, and so on, so that the calls of one level can run together. The last call's result
is the answer.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ttscale.grammars.format_error import FormatError
from ttscale.reference.conversation import Conversation, exchange
from ttscale.reference.problems import TRAINING_CONFIGS
from ttscale.reference.roles.chains import parse_chain
from ttscale.registry import load_template

if TYPE_CHECKING:
    from ttscale.reference.problems import Parameters
    from ttscale.reference.roles.questions import Question
    from ttscale.types import Prompt

CONFIGS: Final[Mapping[str, tuple[Parameters, ...]]] = {
    name: TRAINING_CONFIGS[name] for name in ("chain_sum", "leg_counting")
}
"""The reasoning-gym parameters of the questions the role is taught on."""

TOOLS: Final = ("add", "subtract", "multiply")
"""The tools: each takes two whole numbers and gives one."""

JOIN: Final = ". join()<END_OF_PLAN>"
"""What follows the number of the last line."""

PHRASES: Final = (*(f". {tool}(" for tool in TOOLS), JOIN, "$")
"""The fixed texts of the format."""

MAX_CALLS: Final = 64
"""The most calls of a plan."""

MAX_VALUE: Final = 10**18
"""The largest size of a number in a plan or of a result."""

_CALL = re.compile(r"([0-9]{1,3})\. ([a-z]{1,40})\((\$?-?[0-9]{1,18}), (\$?-?[0-9]{1,18})\)", re.ASCII)
_REFERENCE = re.compile(r"\$([1-9][0-9]{0,2})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Reference:
    """The result of a call.

    Attributes:
        call: The call's number, from 1.
    """

    call: int

    def __str__(self) -> str:
        """Return it as a plan writes it, `$1`."""
        return f"${self.call}"


Argument = int | Reference


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a tool.

    Attributes:
        tool: One of `TOOLS`.
        left: Its first argument.
        right: Its second argument.
    """

    tool: str
    left: Argument
    right: Argument

    @property
    def needs(self) -> tuple[int, ...]:
        """The numbers of the calls whose results it takes."""
        return tuple(argument.call for argument in (self.left, self.right) if isinstance(argument, Reference))


def plan_prompt(question: str) -> Prompt:
    """Return what the planner is given."""
    return load_template("plan").render(question=question)


def parse_plan(text: str) -> list[Call]:
    """Read a plan, strictly: one call a line, numbered from 1, then the join.

    Raises:
        FormatError: a line is no call of a known tool with two numbers or results of earlier calls, is numbered
            wrongly, or the join is missing.
    """
    *lines, last = text.strip().split("\n")
    if last != f"{len(lines) + 1}{JOIN}":
        raise FormatError(f"The plan ends with {last!r} instead of '{len(lines) + 1}{JOIN}'.")
    if not 1 <= len(lines) <= MAX_CALLS:
        raise FormatError(f"The plan has {len(lines)} calls; it should have 1 to {MAX_CALLS}.")
    return [_parse_call(line, number) for number, line in enumerate(lines, start=1)]


def _parse_call(line: str, number: int) -> Call:
    found = _CALL.fullmatch(line)
    if found is None or int(found[1]) != number:
        raise FormatError(f"{line!r} is not call {number} of a tool with two arguments.")
    if found[2] not in TOOLS:
        raise FormatError(f"{line!r} calls an unknown tool; there are {', '.join(TOOLS)}.")
    call = Call(found[2], _parse_argument(found[3]), _parse_argument(found[4]))
    if any(needed >= number for needed in call.needs):
        raise FormatError(f"{line!r} takes the result of a call that does not come before it.")
    return call


def _parse_argument(text: str) -> Argument:
    if not text.startswith("$"):
        return int(text)
    found = _REFERENCE.fullmatch(text)
    if found is None:
        raise FormatError(f"{text!r} is no result of a call; write $1 for that of call 1.")
    return Reference(int(found[1]))


def render_plan(calls: Sequence[Call]) -> str:
    """Return the text of a plan."""
    lines = [f"{number}. {call.tool}({call.left}, {call.right})" for number, call in enumerate(calls, start=1)]
    return "\n".join((*lines, f"{len(calls) + 1}{JOIN}"))


def run_plan(calls: Sequence[Call]) -> list[int]:
    """Carry out a plan with exact whole numbers.

    Args:
        calls: The calls of a plan that `parse_plan` accepts.

    Returns:
        The results of the calls; the last is the plan's answer.

    Raises:
        FormatError: a result is larger than `MAX_VALUE`.
    """
    results = list[int]()
    for number, call in enumerate(calls, start=1):
        left, right = (results[a.call - 1] if isinstance(a, Reference) else a for a in (call.left, call.right))
        result = {"add": left + right, "subtract": left - right, "multiply": left * right}[call.tool]
        if abs(result) > MAX_VALUE:
            raise FormatError(f"The result of call {number} has more than 18 digits.")
        results.append(result)
    return results


def plan_levels(calls: Sequence[Call]) -> list[int]:
    """Return how many calls each level has: those of one level need results of earlier levels only."""
    levels = list[int]()
    for call in calls:
        levels.append(1 + max((levels[needed - 1] for needed in call.needs), default=0))
    sizes = Counter(levels)
    return [sizes[level] for level in range(1, len(sizes) + 1)]


def write_plan(question: Question) -> str:
    """Write the plan of a chain sum of two terms or more, or of a leg counting.

    Raises:
        ValueError: the question is neither.
    """
    calls = list[Call]()
    if question.name == "chain_sum":
        terms = [(term >= 0, abs(term)) for term in parse_chain(question.expression)]
        _combine(terms, calls)
    elif question.name == "leg_counting":
        from reasoning_gym.arithmetic.leg_counting import ANIMALS

        calls += [Call("multiply", count, ANIMALS[animal]) for animal, count in question.animals.items()]
        _combine([(True, Reference(number)) for number in range(1, len(calls) + 1)], calls)
    else:
        raise ValueError(f"There are no plans for {question.name!r}; give a chain sum or a leg counting.")
    return render_plan(calls)


def _combine(terms: Sequence[tuple[bool, Argument]], calls: list[Call]) -> None:
    """Add the calls that sum up terms, the first of which is not negative, by halves.

    A pair has the sign of its first term: -25+17 is taken as -(25-17). So a negative pair is subtracted later.

    Args:
        terms: Whether each is added or else subtracted, and its size.
        calls: The calls so far, to which these are added.
    """
    while len(terms) > 1:
        paired = list[tuple[bool, Argument]]()
        for index in range(0, len(terms) - 1, 2):
            (is_added, left), (is_next_added, right) = terms[index : index + 2]
            calls.append(Call("add" if is_added == is_next_added else "subtract", left, right))
            paired.append((is_added, Reference(len(calls))))
        terms = [*paired, *terms[len(paired) * 2 :]]


def conversations(rng: random.Random, questions: Iterable[Question]) -> Iterator[Conversation]:
    """Yield the plan of every question.

    Args:
        rng: Not drawn from: a question has one plan.
        questions: Chain sums of two terms or more, and leg countings.
    """
    del rng
    for question in questions:
        yield exchange(plan_prompt(question.text), write_plan(question), question.key)
