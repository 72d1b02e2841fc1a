"""ETS: keep the leaves whose reward and variety are worth the key-value cache of the branches they hold."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ttscale.errors import MissingExtra

if TYPE_CHECKING:
    from scipy.optimize import LinearConstraint

EQUAL_WITHIN = 1e-9
"""Objectives that differ by less are equal: more leaves win, then the lowest indices."""
_NO_COST_BONUS = 1e-4
_SCALE = 1e3
"""HiGHS works to absolute tolerances of 1e-6: so much larger, objectives are told apart to `EQUAL_WITHIN`."""
_BLOCK = 16
"""Leaves whose order of preference is settled in one solve, by weights of 1, 2, 4, ... that stay exact."""

_Mask: TypeAlias = NDArray[np.bool_]


@dataclass(frozen=True)
class LeafProgram:
    """The integer program of ETS over the newest leaves of a tree.

    Hooper et al. 2025, arXiv:2502.13575. With x_i: leaf i is kept, y_j: branch node j is an ancestor of a kept
    leaf, c_k: cluster k has a kept leaf, N leaves, M branch nodes and K clusters, what is maximised is
    ``Σ_i O_i x_i - λ_c (Σ_j y_j + Σ_i x_i) / (M + N) + (λ_s / K) Σ_k c_k`` with at least one x_i. As in the
    released code, λ_c = 0 stands for -1e-4, a bonus, so that nodes are kept that cost nothing. With sizes
    (not in the paper) each x_i and y_j in the cost counts as much as its node's size, and M + N is all sizes.

    Attributes:
        shares: O_i, each leaf's share of the REBASE allocation, finite, >= 0, shape [num_leaves].
        ancestors: each leaf's branch nodes up to the root, by any numbers, shape [num_leaves][depth].
        clusters: each leaf's semantic cluster, by any numbers, shape [num_leaves].
        lambda_cost: λ_c, what the cache of all nodes would cost, finite, >= 0; 1.0 in the paper.
        lambda_diversity: λ_s, what a leaf in each cluster is worth, finite, >= 0; the paper has 1.5, 1.4, 1.45
            at widths 16, 64, 256.
        leaf_sizes: of the leaves, finite, > 0, shape [num_leaves]; ``None``: 1 each.
        branch_sizes: of the branch nodes by their numbers, finite, > 0; ``None``: 1 each.

    Raises:
        KeyError: a branch node has no size, where there are sizes.
        ValueError: there is no leaf, the shapes differ, or a number is out of its range.
    """

    shares: tuple[float, ...]
    ancestors: tuple[tuple[int, ...], ...]
    clusters: tuple[int, ...]
    lambda_cost: float = 1.0
    lambda_diversity: float = 1.5
    leaf_sizes: tuple[float, ...] | None = None
    branch_sizes: Mapping[int, float] | None = None

    def __post_init__(self) -> None:
        if not self.shares:
            raise ValueError("a program needs at least one leaf")
        if not len(self.shares) == len(self.ancestors) == len(self.clusters):
            raise ValueError(
                f"shares, ancestors and clusters need one entry a leaf, got {len(self.shares)}, "
                f"{len(self.ancestors)} and {len(self.clusters)}"
            )
        for name, value in [("lambda_cost", self.lambda_cost), ("lambda_diversity", self.lambda_diversity)]:
            _require_weight(value, name)
        for index, share in enumerate(self.shares):
            _require_weight(share, f"shares[{index}]")
        if self.leaf_sizes is not None and len(self.leaf_sizes) != len(self.shares):
            raise ValueError(f"leaf_sizes need one entry a leaf, got {len(self.leaf_sizes)}")
        for size in (*(self.leaf_sizes or ()), *(self.branch_sizes or {}).values()):
            if not 0.0 < size < math.inf:
                raise ValueError(f"sizes must be > 0 and finite, got {size!r}")

    @property
    def num_leaves(self) -> int:
        """N."""
        return len(self.shares)

    @cached_property
    def holds(self) -> _Mask:
        """Whether a leaf holds a branch node, shape [num_leaves, num_branches]."""
        return _membership(self.ancestors)

    @cached_property
    def belongs(self) -> _Mask:
        """Whether a leaf belongs to a cluster, shape [num_leaves, num_clusters]."""
        return _membership([(cluster,) for cluster in self.clusters])

    @cached_property
    def costs(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """What each kept leaf and each branch node takes off the objective; negative where λ_c = 0.

        Shapes [num_leaves] and [num_branches].
        """
        branches = sorted({number for group in self.ancestors for number in group})
        leaf_sizes = np.ones(self.num_leaves) if self.leaf_sizes is None else np.array(self.leaf_sizes)
        branch_sizes = np.ones(len(branches))
        if self.branch_sizes is not None:
            branch_sizes = np.array([self.branch_sizes[number] for number in branches], dtype=np.float64)
        weight = self.lambda_cost if self.lambda_cost > 0.0 else -_NO_COST_BONUS
        unit = weight / math.fsum([*leaf_sizes, *branch_sizes])
        return unit * leaf_sizes, unit * branch_sizes

    @property
    def cluster_worth(self) -> float:
        """What a cluster with a kept leaf adds to the objective."""
        return self.lambda_diversity / float(self.belongs.shape[1])


@dataclass(frozen=True)
class LeafSelection:
    """Leaves that are kept.

    Attributes:
        kept: their indices, rising, at least one.
        exact: whether this is the optimum; else it is what `select_greedy` found.
    """

    kept: tuple[int, ...]
    exact: bool


def objective(problem: LeafProgram, kept: Iterable[int]) -> float:
    """Return what keeping these leaves is worth.

    Raises:
        ValueError: no leaf is kept, or an index is none of a leaf.
    """
    chosen = sorted(set(kept))
    if not chosen or not 0 <= chosen[0] <= chosen[-1] < problem.num_leaves:
        raise ValueError(
            f"kept must be indices of the {problem.num_leaves} leaves, at least one, got {chosen!r}"
        )
    leaf_costs, branch_costs = problem.costs
    num_clusters = int(problem.belongs[chosen].any(axis=0).sum())
    return math.fsum(
        [
            *(problem.shares[index] for index in chosen),
            *(-leaf_costs[chosen]),
            *(-branch_costs[problem.holds[chosen].any(axis=0)]),
            problem.cluster_worth * num_clusters,
        ]
    )


def select_leaves(problem: LeafProgram, *, time_limit_seconds: float = 10.0) -> LeafSelection:
    """Return the optimum if scipy is installed and HiGHS finds it in time, else what `select_greedy` finds.

    Args:
        problem: the program.
        time_limit_seconds: of each of HiGHS's solves, > 0; past it the result depends on the machine's speed.
    """
    try:
        kept = select_exact(problem, time_limit_seconds=time_limit_seconds)
    except MissingExtra:
        kept = None
    if kept is None:
        return LeafSelection(select_greedy(problem), exact=False)
    return LeafSelection(kept, exact=True)


def select_exact(problem: LeafProgram, *, time_limit_seconds: float = 10.0) -> tuple[int, ...] | None:
    """Return the leaves of the greatest objective, by HiGHS's branch and bound through scipy.

    Of objectives that are equal within 1e-9 the one with more leaves wins, then the lexicographically lowest
    indices. That is not left to the solver: after the first solve the objective becomes a constraint and the
    number of leaves is maximised, then that too is fixed and the leaves are preferred in order of index.

    Args:
        problem: the program.
        time_limit_seconds: of each solve, > 0.

    Returns:
        Indices, rising, at least one; ``None`` if HiGHS failed or ran out of time in any of the solves.

    Raises:
        MissingExtra: scipy is not installed.
    """
    try:
        from scipy.optimize import LinearConstraint
    except ImportError as error:
        raise MissingExtra("scipy", "search") from error

    num_leaves = problem.num_leaves
    leaf_costs, branch_costs = problem.costs
    worth = _SCALE * np.concatenate(
        [
            np.array(problem.shares) - leaf_costs,
            -branch_costs,
            np.full(problem.belongs.shape[1], problem.cluster_worth),
        ]
    )
    leaves = np.zeros(worth.size)
    leaves[:num_leaves] = 1.0
    rows = [_structure(problem), LinearConstraint(leaves, lb=1)]
    kept = _solved(worth, rows, num_leaves, time_limit_seconds)
    if kept is None:
        return None
    rows.append(LinearConstraint(worth, lb=_SCALE * (objective(problem, kept) - EQUAL_WITHIN)))
    kept = _solved(leaves, rows, num_leaves, time_limit_seconds)
    if kept is None:
        return None
    rows.append(LinearConstraint(leaves, lb=len(kept)))
    for start in range(0, num_leaves, _BLOCK):
        block = range(start, min(start + _BLOCK, num_leaves))
        preference = np.zeros(worth.size)
        preference[block] = 2.0 ** np.arange(len(block))[::-1]
        kept = _solved(preference, rows, num_leaves, time_limit_seconds)
        if kept is None:
            return None
        chosen = np.zeros(num_leaves)
        chosen[list(kept)] = 1.0
        settled = np.eye(worth.size)[block]
        rows.append(LinearConstraint(settled, lb=chosen[block], ub=chosen[block]))
    return kept


def select_greedy(problem: LeafProgram) -> tuple[int, ...]:
    """Return leaves that no single step improves, found by steepest ascent.

    A step adds or drops one leaf, or adds or drops all leaves under one branch node, the second since the
    cache of a branch is only freed with the last of its leaves. It starts from all leaves and from the best
    leaf alone and returns the better end (ties as in `select_exact`). So the result is worth at least as much
    as keeping all and as any one leaf; there is no further guarantee of how near to the optimum it comes.

    Args:
        problem: the program.

    Returns:
        Indices, rising, at least one.
    """
    alone = np.eye(problem.num_leaves, dtype=np.bool_)
    flips = np.concatenate([alone, problem.holds.T])
    starts = [np.ones(problem.num_leaves, dtype=np.bool_), alone[_best_row(problem, alone)]]
    ends = np.array([_climbed(problem, start, flips) for start in starts])
    return tuple(np.flatnonzero(ends[_best_row(problem, ends)]).tolist())


def _climbed(problem: LeafProgram, kept: _Mask, flips: _Mask) -> _Mask:
    while True:
        moves = np.concatenate([kept[np.newaxis], kept | flips, kept & ~flips])
        moves = moves[moves.any(axis=1)]
        best = moves[_best_row(problem, moves)]
        if (
            _objectives(problem, best[np.newaxis])[0]
            <= _objectives(problem, kept[np.newaxis])[0] + EQUAL_WITHIN
        ):
            return kept
        kept = best


def _best_row(problem: LeafProgram, selections: _Mask) -> int:
    """Return the row of the greatest objective; of equal ones more leaves win, then the lowest indices."""
    values = _objectives(problem, selections)
    equal = np.flatnonzero(values >= values.max() - EQUAL_WITHIN)
    return int(max(equal, key=lambda row: (int(selections[row].sum()), selections[row].tolist())))


def _objectives(problem: LeafProgram, selections: _Mask) -> NDArray[np.float64]:
    """Return the objective of each row; shapes [num_selections, num_leaves] -> [num_selections]."""
    chosen = selections.astype(np.float64)
    leaf_costs, branch_costs = problem.costs
    leaves = chosen @ (np.array(problem.shares) - leaf_costs)
    branches = (chosen @ problem.holds.astype(np.float64) > 0.0) @ branch_costs
    clusters = (chosen @ problem.belongs.astype(np.float64) > 0.0).sum(axis=1)
    return np.asarray(leaves - branches + problem.cluster_worth * clusters, dtype=np.float64)


def _structure(problem: LeafProgram) -> LinearConstraint:
    """Return y_j >= x_i for the ancestors, y_j <= Σ x below j, c_k <= Σ x in k; columns are x, y, c."""
    from scipy.optimize import LinearConstraint
    from scipy.sparse import csr_array, vstack

    num_leaves, num_branches = problem.holds.shape
    num_clusters = problem.belongs.shape[1]
    leaf, branch = np.nonzero(problem.holds)
    rows = np.arange(leaf.size)
    width = num_leaves + num_branches + num_clusters
    held = csr_array(
        (
            np.repeat([-1.0, 1.0], leaf.size),
            (np.concatenate([rows, rows]), np.concatenate([leaf, num_leaves + branch])),
        ),
        shape=(leaf.size, width),
    )
    below = csr_array(
        np.hstack([problem.holds.T.astype(np.float64), -np.eye(num_branches, width - num_leaves)])
    )
    inside = csr_array(
        np.hstack(
            [problem.belongs.T.astype(np.float64), -np.eye(num_clusters, width - num_leaves, k=num_branches)]
        )
    )
    return LinearConstraint(vstack([held, below, inside]), lb=0.0)


def _solved(
    worth: NDArray[np.float64],
    constraints: Sequence[LinearConstraint],
    num_leaves: int,
    time_limit_seconds: float,
) -> tuple[int, ...] | None:
    from scipy.optimize import Bounds, milp

    result = milp(
        -worth,
        integrality=np.ones(worth.size, dtype=np.int64),
        bounds=Bounds(0.0, 1.0),
        constraints=constraints,
        options={"mip_rel_gap": 0.0, "time_limit": time_limit_seconds},
    )
    if not result.success or result.x is None:
        return None
    return tuple(index for index in range(num_leaves) if result.x[index] > 0.5)


def _membership(groups: Sequence[Sequence[int]]) -> _Mask:
    numbers = sorted({number for group in groups for number in group})
    column = {number: index for index, number in enumerate(numbers)}
    member = np.zeros((len(groups), len(numbers)), dtype=np.bool_)
    for row, group in enumerate(groups):
        for number in group:
            member[row, column[number]] = True
    return member


def _require_weight(value: float, name: str) -> None:
    if not (math.isfinite(value) and value >= 0.0):
        raise ValueError(f"{name} must be >= 0 and finite, got {value!r}")
