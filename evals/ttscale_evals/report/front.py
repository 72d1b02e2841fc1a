"""Which rows are worth their cost: the Pareto front of accuracy against one cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

Point: TypeAlias = tuple[float | None, float | None]
"""Cost and accuracy; ``None`` is unknown."""


def front(points: Sequence[Point]) -> list[bool]:
    """Return of each point whether no other one is at least as good in both, and better in one.

    Points of unknown cost or accuracy are not on the front. Equal points are on it, or off it, together.
    """
    on_front = [False] * len(points)
    known = sorted(
        (cost, -accuracy, place)
        for place, (cost, accuracy) in enumerate(points)
        if cost is not None and accuracy is not None
    )
    best: tuple[float, float] | None = None  # of the front so far: its last, most accurate point
    for cost, minus, place in known:
        if best is None or minus < best[1] or (cost, minus) == best:
            on_front[place] = True
            best = (cost, minus)
    return on_front


def dominated(points: Sequence[Point]) -> list[bool]:
    """Return of each point whether another is at least as good in both and better in one; unknown: no."""
    return [
        cost is not None and accuracy is not None and not kept
        for (cost, accuracy), kept in zip(points, front(points), strict=True)
    ]
