"""Where an agent was least certain: perplexities of steps, and which steps are tried again."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ttscale_strategies.checks import require_at_least, require_one_each, require_positive
from ttscale_strategies.voting.rules import token_entropies
from ttscale_strategies.voting.rules.top_logprobs import checked_logprobs

MISSING: Final = -1.0
"""Perplexity of a region that a step does not have; all others are 1 or more."""

EntropyForm: TypeAlias = Literal["exact", "paper"]
"""``exact``: −Σ p̂ ln p̂ of the most likely tokens, whose probabilities sum to 1. ``paper``: −Σ p̂ ln p, as
the
paper's code has it, with the probabilities as they were: greater by what the tokens not looked at have."""


def entropies_of(top_logprobs: ArrayLike, form: EntropyForm = "exact") -> NDArray[np.float64]:
    """Return the entropy of each token by its most likely alternatives, in nats.

    ParallelMuse, arXiv:2510.24698. Probabilities of 0.6 and 0.2 have 0.562335, in the form of the paper's
    code 0.785479; 0.5 and 0.5 have 0.693147 in both.

    Args:
        top_logprobs: nats, shape [num_tokens, k]; NaN where an entry is missing. The paper looks at 16.
        form: see `EntropyForm`.

    Returns:
        Nats, >= 0, shape [num_tokens]; NaN where a position has no entry.

    Raises:
        ValueError: there are not two dimensions, or a logprob is above 0.
    """
    exact: NDArray[np.float64] = token_entropies(top_logprobs) * math.log(2)
    if form == "exact":
        return exact
    sums = np.nansum(np.exp(checked_logprobs(top_logprobs)), axis=1)
    missed = -np.log(sums, out=np.zeros_like(sums), where=sums > 0)
    entropies: NDArray[np.float64] = exact + np.maximum(missed, 0.0)
    return entropies


def perplexity(entropies: ArrayLike) -> float:
    """Return exp of the mean entropy of a region; `MISSING` for one of no tokens.

    Args:
        entropies: nats, shape [num_tokens]; NaN is left out.
    """
    values = np.asarray(entropies, dtype=np.float64)
    known = values[~np.isnan(values)]
    return math.exp(float(known.mean())) if known.size else MISSING


def least_certain(perplexities: Sequence[float], k: int, *, without: Sequence[int] = ()) -> tuple[int, ...]:
    """Return the places of the k steps of the greatest perplexity, in their order; of equals the earlier
    ones.

    arXiv:2510.24698: of [1.2, 2.5, 1.9] two are the second and the third. Ours: steps without the region are
    none, so that there may be fewer.

    Args:
        perplexities: of the steps in order; `MISSING` where a step has no such region.
        k: >= 0.
        without: places that are taken already.

    Raises:
        ValueError: k is negative.
    """
    require_at_least(k, 0, "k")
    able = [place for place, value in enumerate(perplexities) if value != MISSING and place not in without]
    return tuple(sorted(sorted(able, key=lambda place: (-perplexities[place], place))[:k]))


def least_certain_mixed(calls: Sequence[float], thoughts: Sequence[float], k: int) -> tuple[int, ...]:
    """Return the places of ⌈k/2⌉ steps by their calls and ⌊k/2⌋ by their thoughts, in their order.

    arXiv:2510.24698. Ours: a step that both name counts for its call, and the next by thoughts takes its
    place.

    Args:
        calls: perplexity of each step's tool call, shape [num_steps].
        thoughts: of each step's thought, shape [num_steps].
        k: >= 0.

    Raises:
        ValueError: the shapes differ, or k is negative.
    """
    require_one_each(calls, thoughts, "thoughts")
    by_call = least_certain(calls, (k + 1) // 2)
    by_thought = least_certain(thoughts, k // 2, without=by_call)
    return tuple(sorted((*by_call, *by_thought)))


def num_fresh(n: int, num_initial: int, k: int, branches: int) -> int:
    """Return how many of n rollouts start afresh beside the initial ones and their branches: n − M·(1 + k·r).

    arXiv:2510.24698: of 8, with one initial one and three branches from each of two steps, one.

    Args:
        n: >= 1.
        num_initial: M, >= 1.
        k: steps of each that are tried again, >= 0.
        branches: r, from each of these, >= 1.

    Raises:
        ValueError: a number is out of its range, or they are more than n.
    """
    for name, value in (("n", n), ("num_initial", num_initial), ("branches", branches)):
        require_positive(value, name)
    require_at_least(k, 0, "k")
    left = n - num_initial * (1 + k * branches)
    if left < 0:
        raise ValueError(
            f"{num_initial} initial rollouts with {branches} branches from {k} steps each are more than n={n!r}"
        )
    return left
