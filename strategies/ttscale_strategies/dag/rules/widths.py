"""How many calls an agent makes at once, step by step: the schedules of W&D (arXiv:2602.07359)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal, TypeAlias

ScheduleName: TypeAlias = Literal["constant3", "descending", "ascending", "automatic"]

MAX_AUTOMATIC: Final = 4
"""Most calls that a model chooses to make at once by itself."""


@dataclass(frozen=True, slots=True)
class Width:
    """How many calls are wanted at once."""

    least: int
    most: int

    def __str__(self) -> str:
        """Return the number as a prompt says it."""
        return str(self.most) if self.least == self.most else f"{self.least} to {self.most}"


SCHEDULES: Final[Mapping[ScheduleName, Sequence[tuple[int, int]]]] = {
    "constant3": ((100, 3),),
    "descending": ((25, 3), (50, 2), (100, 1)),
    "ascending": ((25, 1), (50, 2), (100, 3)),
    "automatic": ((100, 0),),
}
"""Iteration up to which, and calls in each; 0: as the model chooses."""


def bounds_of(schedule: ScheduleName | Sequence[tuple[int, int]]) -> Sequence[tuple[int, int]]:
    """Return the bounds of a schedule by its name, or those given.

    Raises:
        ValueError: there are none, their iterations do not grow from 1 on, or a number of calls is negative.
    """
    bounds = SCHEDULES[schedule] if isinstance(schedule, str) else schedule
    ends = [0, *(end for end, _ in bounds)]
    if not bounds or any(end <= before for before, end in pairwise(ends)):
        raise ValueError(f"the iterations of a schedule must grow from 1 on, got {list(bounds)!r}")
    if any(calls < 0 for _, calls in bounds):
        raise ValueError(f"calls must be >= 0, got {list(bounds)!r}")
    return bounds


def width_at(bounds: Sequence[tuple[int, int]], iteration: int) -> Width | None:
    """Return how many calls an iteration makes, by the first bound that is not below it; ``None``: it is over.

    Args:
        bounds: see `SCHEDULES`.
        iteration: from 1.
    """
    for end, calls in bounds:
        if iteration <= end:
            return Width(calls, calls) if calls else Width(1, MAX_AUTOMATIC)
    return None
