"""Rules for the scores of steps: which tokens are whose, and what a judge's token says."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from ttscale.template import RIGHT, WRONG


def step_numbers(pieces: Iterable[str], delimiter: str) -> list[int]:
    """Return for each token of a solution the number of its step, from 0.

    The steps are those of `ttscale.steps.split_steps`. A token that ends a step and begins the next belongs to
    the next, one between them to the one before.

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
