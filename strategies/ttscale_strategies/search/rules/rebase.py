"""REBASE: share the budget of a level out by a softmax of the rewards."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate
from typing import Literal, TypeAlias

Rounding: TypeAlias = Literal["ceil", "nearest"]
"""How shares become whole children: greedily rounded up, as in the released code, or each to the nearest."""

_GUARD = 1e-9
"""A share that is so little above a whole number is that number: it is rounding noise of the softmax."""


def rebase_widths(
    rewards: Sequence[float], budget: int, *, temperature: float = 0.2, rounding: Rounding = "ceil"
) -> tuple[int, ...]:
    """Return how many children each node of a level gets.

    Wu et al. 2024, arXiv:2408.00724. Node j's share of the budget B is B e^{R_j/T} / Σ_k e^{R_k/T}.

    ``ceil``, the released code: best first (ties in the order given), a node gets its share of what is left
    among those that are left, rounded up; the children sum to B exactly. ``nearest``, the paper: each share is
    rounded by itself, halves up; the sum may exceed B or fall short of it, and be 0 where many are alike.

    Departures: the code's ceiling is guarded (x - 1e-9), since equal rewards [.5, .5, .5] with B = 4 give
    [2, 2, 0] by rounding noise where [2, 1, 1] is meant; the greatest reward is subtracted before the
    exponential; the paper has T = 0.1, the released configuration 0.2.

    Args:
        rewards: of the nodes that live, finite, in any range, shape [num_nodes].
        budget: B, children to give in all, >= 0; take the completed leaves off before.
        temperature: T > 0; lower is greedier.
        rounding: which of the two rules.

    Returns:
        Children in the order of the rewards, shape [num_nodes]; a node with 0 is dropped.

    Raises:
        ValueError: a reward is not finite, or a number is out of its range.
    """
    _check(rewards, budget, temperature)
    order, weights, tails = _ranked(rewards, temperature)
    widths = [0] * len(rewards)
    left = budget
    for index, weight, tail in zip(order, weights, tails, strict=True):
        if left == 0:
            break
        if rounding == "ceil":
            widths[index] = math.ceil(left * weight / tail - _GUARD)
            left -= widths[index]
        else:
            widths[index] = math.floor(budget * weight / tails[0] + 0.5 + _GUARD)
    return tuple(widths)


def least_rebase_widths(
    rewards: Sequence[float],
    budget: int,
    *,
    num_pending: int,
    temperature: float = 0.2,
    highest: float = 1.0,
) -> tuple[int, ...]:
    """Return how many children each known node gets at least by the ``ceil`` rule, whatever is still out.

    Each node still out either enters with a reward of at most `highest`, anywhere in the order, or is a
    completed leaf and lowers the budget by one. The bound is safe, not always attained.

    Proof. With e the weights, S_i the sum from rank i on and W_i what is left there, rounding up leaves
    W_{i+1} = floor(W_i S_{i+1} / S_i), which rises with W_i; so one that completes costs nobody more than one
    that enters first, with weight h = e^{highest/T}: let all k enter, a of them ahead of j. As a floor loses
    less than one, W_j / S_j > B / S_1 - Σ_{1<i<=j} 1 / S_i over all nodes up to j. With T_i the sums over the
    known nodes, S_1 <= T_1 + a h + (k - a) e_j, and the losses are greatest if the a come just ahead of j, with
    j's weight: L(a) = Σ_{1<i<=j} 1 / (T_i + a e_j) + Σ_{t<a} 1 / (T_j + t e_j) over the known i, which rises
    with a (it telescopes). So the worst are a = k, where S_j = T_j and W_j is whole, and a = k - 1.

    Args:
        rewards: of the nodes that live and are known, finite, at most `highest`, shape [num_known].
        budget: B, before the nodes still out are known, >= 0.
        num_pending: k, nodes still out, >= 0; with 0 the result is that of `rebase_widths`.
        temperature: T > 0.
        highest: the greatest reward that a node can have.

    Returns:
        Children in the order of the rewards, shape [num_known].

    Raises:
        ValueError: a reward is not finite or above `highest`, or a number is out of its range.
    """
    if num_pending == 0:
        return rebase_widths(rewards, budget, temperature=temperature)
    _check(rewards, budget, temperature)
    if num_pending < 0:
        raise ValueError(f"num_pending must be >= 0, got {num_pending!r}")
    if not rewards:
        return ()
    if not max(rewards) <= highest < math.inf:
        raise ValueError(f"highest must be finite and no reward above it, got {highest!r} and {max(rewards)!r}")
    order, weights, tails = _ranked(rewards, temperature)
    first = math.exp(min((highest - max(rewards)) / temperature, 700.0))
    widths = [0] * len(rewards)
    for rank, (index, weight) in enumerate(zip(order, weights, strict=True)):
        if weight == 0.0:
            break
        tail = tails[rank]
        ratio = budget / (tails[0] + num_pending * first)
        left = math.floor(tail * (ratio - _lost(tails, rank, weight, num_pending)) + 1.0 + _GUARD / 2)
        none_behind = math.ceil(left * weight / tail - 2 * _GUARD)
        ratio = budget / (tails[0] + (num_pending - 1) * first + weight)
        more_than = weight * (ratio - _lost(tails, rank, weight, num_pending - 1))
        some_behind = math.floor(more_than - 10 * _GUARD) + 1
        widths[index] = max(0, min(none_behind, some_behind))
    return tuple(widths)


def _lost(tails: Sequence[float], rank: int, weight: float, num_ahead: int) -> float:
    """Return the most that rounding up takes off what is left for each unit of weight: L(a) of the proof."""
    known = math.fsum(1.0 / (tail + num_ahead * weight) for tail in tails[1 : rank + 1])
    return known + math.fsum(1.0 / (tails[rank] + turn * weight) for turn in range(num_ahead))


def _ranked(rewards: Sequence[float], temperature: float) -> tuple[list[int], list[float], list[float]]:
    """Return the indices best first, their weights relative to the best, and the sums from each to the last."""
    order = sorted(range(len(rewards)), key=lambda index: -rewards[index])
    weights = [math.exp((rewards[index] - rewards[order[0]]) / temperature) for index in order]
    tails = list(accumulate(reversed(weights)))[::-1]
    return order, weights, tails


def _check(rewards: Sequence[float], budget: int, temperature: float) -> None:
    for index, reward in enumerate(rewards):
        if not math.isfinite(reward):
            raise ValueError(f"rewards[{index}] must be finite, got {reward!r}")
    if budget < 0:
        raise ValueError(f"budget must be >= 0, got {budget!r}")
    if not (math.isfinite(temperature) and temperature > 0.0):
        raise ValueError(f"temperature must be > 0 and finite, got {temperature!r}")
