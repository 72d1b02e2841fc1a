"""Rules for the scores of steps: where steps are, what a judge's token says, one score of several."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, assert_never

from ttscale.template import RIGHT, WRONG

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


def step_numbers(pieces: Iterable[str], delimiter: str) -> list[int]:
    """Return for each token of a solution the number of its step, from 0; the steps are those of `split_steps`.

    A token that ends a step and begins the next belongs to the next, one between them to the one before.

    Args:
        pieces: the tokens' texts; those of special tokens are empty.
        delimiter: what stands between steps.
    """
    numbers, ended, rest = list[int](), 0, ""
    for piece in pieces:
        *parts, rest = (rest + piece).split(delimiter)
        ended += sum(bool(part.strip()) for part in parts)
        numbers.append(max(0, ended - (not rest.strip())))
    return numbers


def right_probability(said: Mapping[str, float]) -> float | None:
    """Return the probability that a judge says `RIGHT` if it says that or `WRONG`, in [0, 1].

    That is P(+) / (P(+) + P(-)) (Math-Shepherd, arXiv:2312.08935). A sign that is not among the most likely
    tokens counts with the most it can have: no more than the least likely of them, nor than they leave.

    Args:
        said: probabilities of the most likely tokens by their text, white space left out.

    Returns:
        ``None`` if neither sign is among them.
    """
    if not said.get(RIGHT) and not said.get(WRONG):
        return None
    unlisted = max(0.0, min(*said.values(), 1.0 - math.fsum(said.values())))
    right, wrong = said.get(RIGHT, unlisted), said.get(WRONG, unlisted)
    return right / (right + wrong)
