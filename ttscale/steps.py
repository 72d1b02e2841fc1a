"""Steps of a solution: where one ends, and one score of the scores of several."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, assert_never

Aggregate = Literal["last", "min", "product", "mean"]
"""How the scores of a solution's steps become one."""


def aggregated(scores: Sequence[float], how: Aggregate) -> float:
    """Return one score of the scores of a solution's steps, in [0, 1] if they are.

    The last step's is what Snell et al. 2024 (arXiv:2408.03314) found best for a model that predicts whether
    the solution will come out right; the least or the product (Lightman et al. 2023, arXiv:2305.20050) suit one
    that judges each step by itself.

    Raises:
        ValueError: there is no step.
    """
    if not scores:
        raise ValueError("there are no steps to score; a solution needs at least one")
    match how:
        case "last":
            return scores[-1]
        case "min":
            return min(scores)
        case "product":
            return math.prod(scores)
        case "mean":
            return math.fsum(scores) / len(scores)
        case _:
            assert_never(how)


def split_steps(text: str, delimiter: str) -> tuple[str, ...]:
    """Return the steps of a solution, stripped, without empty ones."""
    return tuple(step for part in text.split(delimiter) if (step := part.strip()))
