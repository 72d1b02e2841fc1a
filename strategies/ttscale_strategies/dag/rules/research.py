"""Research step by step: what a model's replies on the way mean, and how many calls it takes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, cast

from ttscale_strategies.checks import require_positive
from ttscale_strategies.refine.rules import objects_in

MAX_QUERY_CHARACTERS: Final = 500
"""A longer query is cut."""

_NUMBER: Final = re.compile(r"(?<![\w.])([0-9]{1,3}(?:\.[0-9]{1,6})?)(?![\w.]*[0-9])")


@dataclass(frozen=True, slots=True)
class Reflection:
    """Whether a plan is to change, and how."""

    should_update: bool
    updates: str = ""


def query_in(text: str) -> str:
    """Return the query in a reply: its first line that is not empty, without quotes, cut if too long."""
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return line.strip("\"'`").strip()[:MAX_QUERY_CHARACTERS]


def reflection_in(text: str) -> Reflection:
    """Return what the last ``{"should_update": …, "updates": …}`` in a reply says; without one nothing
    changes.

    Deep Researcher, arXiv:2601.20843. Updates may be a text or a list of them. Ours: an update without a word
    is none.

    Args:
        text: hostile texts cost bounded time.
    """
    found = [each for each in objects_in(text) if "should_update" in each]
    if not found or found[-1]["should_update"] is not True:
        return Reflection(should_update=False)
    said = found[-1].get("updates")
    items = cast("Sequence[object]", said) if isinstance(said, list) else [said]
    updates = "\n".join(item.strip() for item in items if isinstance(item, str) and item.strip())
    return Reflection(should_update=bool(updates), updates=updates)


def progress_in(text: str) -> float | None:
    """Return the first number in a reply that lies in [0, 100], as a percentage; ``None``: there is none."""
    numbers = (float(found) for found in _NUMBER.findall(text))
    return next((number for number in numbers if number <= 100.0), None)


def num_research_calls(max_iterations: int, num_candidates: int, progress_every: int) -> int:
    """Return the most calls of a model: a plan, iterations, and a report.

    An iteration takes a query, its candidates and their crossover, and, but for the last one, a reflection
    and a new plan; every few of them a look at the progress comes with it.

    Args:
        max_iterations: >= 1.
        num_candidates: >= 1; a single one is not crossed over.
        progress_every: >= 1.

    Raises:
        ValueError: a number is less than 1.
    """
    for name, value in (
        ("max_iterations", max_iterations),
        ("num_candidates", num_candidates),
        ("progress_every", progress_every),
    ):
        require_positive(value, name)
    each = 1 + num_candidates + (num_candidates > 1)
    return 2 + max_iterations * each + (max_iterations - 1) * 2 + (max_iterations - 1) // progress_every
