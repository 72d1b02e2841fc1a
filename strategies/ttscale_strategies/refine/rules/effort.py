"""Spending thought where it is needed: a problem in steps, each rated, and only the hard ones thought about."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from ttscale_strategies.checks import require_at_least, require_positive, require_share
from ttscale_strategies.refine.rules.json_objects import objects_in
from ttscale_strategies.revision import without_thoughts

LAST_STEP_DIFFICULTY: Final = 0.9
"""The rating that the last step has, whatever the model says (arXiv 2512.00466)."""

MAX_RATING_CHARACTERS: Final = 2_000
"""Of a longer rating or choice only the beginning, or end, is read."""

_NUMBER: Final = re.compile(
    r"(?<![\w.])[-+−]?(?:[0-9]{1,20}(?:\.[0-9]{0,20})?|\.[0-9]{1,20})(?:e[-+]?[0-9]{1,2})?", re.IGNORECASE
)
_VERSION: Final = re.compile(r"version[\s_-]{0,3}([0-9]{1,6})(?![0-9])", re.IGNORECASE)
_STEP: Final = re.compile(r"step[\s_-]{0,3}([0-9]{1,4})", re.IGNORECASE)


def difficulty(text: str) -> float:
    """Return how hard a model says a step is, in [0, 1]; 1 where it says nothing of the kind.

    SCALE, arXiv:2512.00466: the first number, brought into [0, 1]. Ours: without a number the step counts as
    hard, since thinking too much loses tokens and thinking too little the answer.

    Args:
        text: the model's rating; what it thinks before ``</think>`` is not read.
    """
    found = _NUMBER.search(without_thoughts(text)[:MAX_RATING_CHARACTERS])
    if found is None:
        return 1.0
    return min(1.0, max(0.0, float(found.group().replace("−", "-"))))


def thinking_steps(
    difficulties: Sequence[float], *, threshold: float = 0.5, last_difficulty: float = LAST_STEP_DIFFICULTY
) -> tuple[bool, ...]:
    """Return for each step whether it is thought about: whether it is harder than the threshold.

    arXiv:2512.00466: strictly harder; the last step, which asks the whole question, counts as .9 hard.

    Args:
        difficulties: in [0, 1], shape [num_steps]; the last one is not looked at.
        threshold: τ, in [0, 1]; the code's default is .5, the best of the paper's sweep .2. From .9 on, nothing
            is thought about but steps rated higher.
        last_difficulty: of the last step, in [0, 1].

    Raises:
        ValueError: a number is out of its range.
    """
    require_share(threshold, "threshold")
    require_share(last_difficulty, "last_difficulty")
    for index, rating in enumerate(difficulties):
        require_share(rating, f"difficulties[{index}]")
    rated = [*difficulties[:-1], last_difficulty] if difficulties else []
    return tuple(rating > threshold for rating in rated)


def parse_outline(text: str, *, max_steps: int = 20) -> tuple[str, ...] | None:
    """Return the steps of ``{"step1": …, "step2": …}``, or ``None`` where there is no such outline.

    arXiv:2512.00466. The last object counts that is one. Its keys must be step 1 to step n, each once, in any
    order, and its values texts.

    Args:
        text: what the model wrote; hostile texts cost bounded time.
        max_steps: an outline of more is none, >= 1.

    Raises:
        ValueError: max_steps is less than 1.
    """
    require_positive(max_steps, "max_steps")
    outline = None
    for found in objects_in(without_thoughts(text)):
        outline = _outline(found, max_steps) or outline
    return outline


def _outline(found: Mapping[str, object], max_steps: int) -> tuple[str, ...] | None:
    if not 1 <= len(found) <= max_steps:
        return None
    steps: dict[int, str] = {}
    for key, value in found.items():
        named = _STEP.fullmatch(key.strip())
        if named is None or not isinstance(value, str) or not value.strip():
            return None
        steps[int(named.group(1))] = value.strip()
    numbers = range(1, len(found) + 1)
    return tuple(steps[number] for number in numbers) if steps.keys() == set(numbers) else None


def plan_of(outline: Sequence[str] | None, question: str) -> tuple[str, ...]:
    """Return the steps to carry out: those of the outline, the last one replaced by the question itself.

    arXiv:2512.00466. Without an outline the question is the only step.

    Args:
        outline: see `parse_outline`.
        question: the problem as it was asked.
    """
    return (*(outline or ())[:-1], question)


def parse_version(text: str, num_versions: int) -> int | None:
    """Return the index of the outline that a model chose with "versionN", from 0; ``None`` where it chose none.

    arXiv:2512.00466. Ours: of several the last counts, as reasons stand before a choice.

    Args:
        text: what the model wrote.
        num_versions: outlines it saw, numbered from 1, >= 1.

    Raises:
        ValueError: there are no versions.
    """
    require_at_least(num_versions, 1, "num_versions")
    named = [int(number) for number in _VERSION.findall(without_thoughts(text)[-MAX_RATING_CHARACTERS:])]
    return named[-1] - 1 if named and 1 <= named[-1] <= num_versions else None
