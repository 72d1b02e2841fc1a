"""UCT: which child of a node a Monte-Carlo tree search looks at next."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from ttscale_strategies.checks import require_at_least, require_one_each

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Visits:
    """What is known of a node: the values that reached it, and how many are on their way.

    Raises:
        ValueError: a number is negative or not finite, or there is a sum of no values.
    """

    value_sum: float = 0.0
    """Σ of the values that reached the node, each its own or of a node below it."""
    num_visits: int = 0
    """How many values those are."""
    num_pending: int = 0
    """Values begun and not out yet; the virtual visits."""

    def __post_init__(self) -> None:
        require_at_least(self.num_visits, 0, "num_visits")
        require_at_least(self.num_pending, 0, "num_pending")
        if not math.isfinite(self.value_sum):
            raise ValueError(f"value_sum must be finite, got {self.value_sum!r}")
        if self.num_visits == 0 and self.value_sum != 0.0:
            raise ValueError(f"value_sum of no visits must be 0, got {self.value_sum!r}")

    @property
    def mean(self) -> float:
        """The mean value; 0 where none has reached the node."""
        return self.value_sum / self.num_visits if self.num_visits else 0.0

    @property
    def num_begun(self) -> int:
        """Values that reached the node and those still on their way."""
        return self.num_visits + self.num_pending


def uct(
    visits: Visits, num_parent_visits: int, *, exploration: float = math.sqrt(2.0), prior: float = 1.0
) -> float:
    """Return mean + c · prior · √(ln N / n), the upper confidence bound of a child.

    Kocsis and Szepesvári 2006. N counts the parent's visits and n the child's. With c = 1 and no prior it is
    the baseline of REBASE (Wu et al. 2024, arXiv:2408.00724); with c = √2 and a prior that of TreeQuest's
    standard search (Inoue et al. 2025, arXiv:2503.04412), whose code counts a new node's own value twice and
    this does not. Values still on their way count in N and n, not in the mean, as in WU-UCT (Liu et al. 2018,
    arXiv:1810.11755), so that several looks at once do not all go to the same child.

    Args:
        visits: the child's.
        num_parent_visits: N, those on their way included, >= 1 unless nothing of the child was begun.
        exploration: c, >= 0.
        prior: >= 0; `sibling_priors`.

    Returns:
        Infinity for a child of which nothing was begun. One of which all is still on its way has the mean 0.

    Raises:
        ValueError: a number is out of its range.
    """
    require_at_least(exploration, 0.0, "exploration")
    require_at_least(prior, 0.0, "prior")
    if visits.num_begun == 0:
        return math.inf
    require_at_least(num_parent_visits, 1, "num_parent_visits")
    return visits.mean + exploration * prior * math.sqrt(math.log(num_parent_visits) / visits.num_begun)


def best_by_uct(
    children: Sequence[Visits],
    num_parent_visits: int,
    *,
    exploration: float = math.sqrt(2.0),
    priors: Sequence[float] | None = None,
) -> int:
    """Return the index of the child with the greatest `uct`; ties go to the first.

    Args:
        children: their visits, shape [num_children], at least one.
        num_parent_visits: see `uct`.
        exploration: see `uct`.
        priors: one a child; without, all are 1.

    Raises:
        ValueError: there are no children, there is not one prior a child, or a number is out of its range.
    """
    if len(children) == 0:
        raise ValueError("there is no best of no children")
    weights = [1.0] * len(children) if priors is None else priors
    require_one_each(children, weights, "priors")
    bounds = [
        uct(child, num_parent_visits, exploration=exploration, prior=prior)
        for child, prior in zip(children, weights, strict=True)
    ]
    return max(range(len(bounds)), key=bounds.__getitem__)


def sibling_priors(scores: Sequence[float]) -> list[float]:
    """Return the softmax of the siblings' scores, the priors of TreeQuest's standard search.

    arXiv:2503.04412. An only child has the prior 1.

    Args:
        scores: finite, shape [num_children].

    Returns:
        Shares that sum to 1.

    Raises:
        ValueError: a score is not finite.
    """
    for index, score in enumerate(scores):
        if not math.isfinite(score):
            raise ValueError(f"scores[{index}] must be finite, got {score!r}")
    if len(scores) == 0:
        return []
    greatest = max(scores)
    weights = [math.exp(score - greatest) for score in scores]
    total = math.fsum(weights)
    return [weight / total for weight in weights]


def backed_up(parents: Mapping[Key, Key | None], values: Mapping[Key, float | None]) -> dict[Key, Visits]:
    """Return the visits of every node when each value counts at its node and at all above it.

    Exactly the same whatever the order in which the values came.

    Args:
        parents: the parent of every node, ``None`` for a root.
        values: of the nodes that were looked at; ``None`` where the value is not out yet. A node without an
            entry was not looked at.

    Raises:
        ValueError: a node's parent is not in the tree, the tree has a cycle, or a value is not finite.
    """
    reached: dict[Key, list[float]] = {node: [] for node in parents}
    pending = dict.fromkeys(parents, 0)
    for node, value in values.items():
        if value is not None and not math.isfinite(value):
            raise ValueError(f"the value of node {node!r} must be finite, got {value!r}")
        for ancestor in _path(parents, node):
            if value is None:
                pending[ancestor] += 1
            else:
                reached[ancestor].append(value)
    return {node: Visits(math.fsum(found), len(found), pending[node]) for node, found in reached.items()}


def _path(parents: Mapping[Key, Key | None], node: Key) -> list[Key]:
    path: list[Key] = []
    current: Key | None = node
    while current is not None:
        if current not in parents:
            raise ValueError(f"node {current!r} is not in the tree")
        path.append(current)
        if len(path) > len(parents):
            raise ValueError(f"node {node!r} is below itself")
        current = parents[current]
    return path
