"""STILL-1's reward-guided search: a choice among all leaves at once, and the value of a leaf by rollouts."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from ttscale_strategies.checks import require_at_least, require_one_each, require_share
from ttscale_strategies.search.rules.uct import Visits


def leaf_ucb(visits: Visits, num_parent_visits: int, *, exploration: float = math.sqrt(2.0)) -> float:
    """Return Q/N + c · √(ln N_parent / (1 + n)), by which leaves of the whole tree are compared.

    Jiang et al. 2024, arXiv:2411.11694; the form is from second hand and c is not known to us. Values still on
    their way count in n, not in the mean (see `uct`).

    Args:
        visits: the leaf's.
        num_parent_visits: N_parent, of the leaf's own parent, those on their way included; >= 1 unless
            nothing of the leaf was begun.
        exploration: c, >= 0.

    Returns:
        Infinity for a leaf of which nothing was begun.

    Raises:
        ValueError: a number is out of its range.
    """
    require_at_least(exploration, 0.0, "exploration")
    if visits.num_begun == 0:
        return math.inf
    require_at_least(num_parent_visits, 1, "num_parent_visits")
    return visits.mean + exploration * math.sqrt(math.log(num_parent_visits) / (1 + visits.num_begun))


def best_leaf(
    leaves: Sequence[Visits], parent_visits: Sequence[int], *, exploration: float = math.sqrt(2.0)
) -> int:
    """Return the index of the leaf with the greatest `leaf_ucb`, of all in the tree; ties go to the first.

    arXiv:2411.11694 chooses so in place of descending from the root child by child.

    Args:
        leaves: shape [num_leaves], at least one.
        parent_visits: of each leaf's parent, shape [num_leaves].
        exploration: see `leaf_ucb`.

    Raises:
        ValueError: there are no leaves, there is not one number a leaf, or a number is out of its range.
    """
    if len(leaves) == 0:
        raise ValueError("there is no best of no leaves")
    require_one_each(leaves, parent_visits, "parent_visits")
    bounds = [
        leaf_ucb(leaf, num_visits, exploration=exploration)
        for leaf, num_visits in zip(leaves, parent_visits, strict=True)
    ]
    return max(range(len(bounds)), key=bounds.__getitem__)


def rollout_values(rewards: Sequence[float], keys: Sequence[str | None], *, alpha: float = 0.5) -> list[float]:
    """Return alpha · reward + (1 − alpha) · share of the rollout's answer, of every rollout from one node.

    arXiv:2411.11694. The share is that of all rollouts from the node; one without an answer agrees with none,
    so its share is 0.

    Args:
        rewards: of the finished rollouts, in [0, 1], shape [num_rollouts].
        keys: their answer keys, shape [num_rollouts].
        alpha: weight of the reward, in [0, 1].

    Returns:
        In [0, 1], shape [num_rollouts].

    Raises:
        ValueError: there is not one key a reward, or a number lies outside [0, 1].
    """
    require_share(alpha, "alpha")
    require_one_each(keys, rewards, "rewards")
    for index, reward in enumerate(rewards):
        require_share(reward, f"rewards[{index}]")
    counts = Counter(key for key in keys if key is not None)
    shares = [0.0 if key is None else counts[key] / len(keys) for key in keys]
    return [alpha * reward + (1.0 - alpha) * share for reward, share in zip(rewards, shares, strict=True)]


def mixed_value(rewards: Sequence[float], keys: Sequence[str | None], *, alpha: float = 0.5) -> float:
    """Return the mean of the `rollout_values`: the one value that a node's rollouts send up the tree.

    arXiv:2411.11694; `backed_up` takes it from there. The order of the rollouts does not matter.

    Args:
        rewards: see `rollout_values`; at least one.
        keys: see `rollout_values`.
        alpha: see `rollout_values`.

    Returns:
        In [0, 1].

    Raises:
        ValueError: there are no rollouts, or as `rollout_values`.
    """
    values = rollout_values(rewards, keys, alpha=alpha)
    if not values:
        raise ValueError("there is no value of no rollouts")
    return math.fsum(values) / len(values)
