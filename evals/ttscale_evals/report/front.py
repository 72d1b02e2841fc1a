"""Which rows are worth their cost: the Pareto front of accuracy against one cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

Point: TypeAlias = tuple[float | None, float | None]
"""Cost and accuracy; ``None`` is unknown."""


def dominators(points: Sequence[Point]) -> list[int | None]:
    """Return for each point the place of one that dominates it; ``None``: none does, or it is unknown.

    One dominates another if it costs no more and is no less accurate, and is better in one of the two; equals
    do not dominate each other, and what is unknown dominates nothing. Of several the most accurate is named,
    then the cheapest, then the first.
    """
    known = sorted(
        (cost, -accuracy, place)
        for place, (cost, accuracy) in enumerate(points)
        if cost is not None and accuracy is not None
    )
    found: list[int | None] = [None] * len(points)
    best: tuple[float, float, int] | None = None  # the most accurate so far, and the cheapest of those
    for cost, minus, place in known:
        if best is None or minus < best[1]:
            best = (cost, minus, place)
        elif (cost, minus) != best[:2]:
            found[place] = best[2]
    return found


def front(points: Sequence[Point]) -> list[bool]:
    """Return of each point whether it is known, and no other one dominates it."""
    return [
        None not in point and dominator is None
        for point, dominator in zip(points, dominators(points), strict=True)
    ]
