"""Monte-Carlo tree search over steps, by upper confidence bounds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ttscale.run import Run
from ttscale.types import Outcome, Problem
from ttscale_strategies.checks import require_at_least, require_positive
from ttscale_strategies.search._monte_carlo import Expansions, Known, MonteCarlo
from ttscale_strategies.search._options import StepOptions
from ttscale_strategies.search._rollout_writer import RolloutWriter
from ttscale_strategies.search.rules import best_by_uct, sibling_priors
from ttscale_strategies.search.steps import StepWriter
from ttscale_strategies.search.tree import ROOT, Node, worths


@dataclass(frozen=True, slots=True, kw_only=True)
class Descent:
    """Goes down from the root to an open leaf, at each node to the child with the greatest `uct`."""

    exploration: float
    priors: bool

    def __call__(self, known: Known) -> str:
        """Return the leaf to expand."""
        node = ROOT
        while node not in known.leaves:
            node = self._child(known, node)
        return node

    def _child(self, known: Known, node: str) -> str:
        siblings = known.children[node]
        shares = [1.0] * len(siblings)
        if self.priors:
            shares = sibling_priors([known.values[key] for key in siblings])
        ways = [(key, share) for key, share in zip(siblings, shares, strict=True) if known.is_open(key)]
        best = best_by_uct(
            [known.visits(key) for key, _ in ways],
            known.visits(node).num_begun,
            exploration=self.exploration,
            priors=[share for _, share in ways],
        )
        return ways[best][0]


def mean_reward(ends: Sequence[Node]) -> float:
    """Return the mean reward of what a node's value follows from; 0 of nothing."""
    return math.fsum(worths(ends)) / len(ends) if ends else 0.0


@dataclass(frozen=True, kw_only=True)
class MCTS(StepOptions):
    """Monte-Carlo tree search over steps, guided by a verifier (UCT, Kocsis and Szepesvári 2006).

    Each expansion goes down from the root to a leaf, at each node to the child with the greatest
    Q + c · √(ln N / n): Q the mean of the values that reached the child, n their number, N that of its
    parent. The leaf gets `children` next steps; each one's value is its reward, or with `num_rollouts` the
    mean reward of solutions that are written to the end from it, and counts at the step and at all above it.
    Solutions, rollouts included, elect the answer; `confidence` is its share of the votes. Where none has an
    answer when all expansions have been made, the `children` best leaves are written to the end.

    With c = 1 it is the baseline of REBASE (Wu et al. 2024, arXiv:2408.00724); with ``priors=true``,
    ``exploration=1.4142`` and ``children=2`` the standard search of TreeQuest (Inoue et al. 2025,
    arXiv:2503.04412), over steps.

    Cost: num_expansions · children · (1 + num_rollouts) calls at most, without rollouts `children` more where
    no solution ends; as many verifications, of steps, or with rollouts of whole solutions alone. With steps of
    s tokens and solutions of d steps, up to num_expansions · children · (1 + d · num_rollouts) · s generated
    tokens. Prompts are computed once by a prefix cache.

    Departures: solutions that have ended and subtrees without a leaf to expand are not gone down to, where
    the originals look at an ended solution again. `parallel` expansions are under way at once; a choice looks
    at the values of those alone that are due, however quick the others are, so the tree does not depend on
    the order in which draws end. Values on their way count as visits (WU-UCT, Liu et al. 2018,
    arXiv:1810.11755). TreeQuest's code counts a new node's own value twice, this does not. Equal steps below
    the same parent are one, and so is their value.
    """

    num_expansions: int = 16
    """Leaves that get children, the root included, >= 1."""
    children: int = 4
    """Next steps of each, >= 1."""
    exploration: float = 1.0
    """c, >= 0."""
    priors: bool = False
    """Whether c is multiplied by a child's share in the softmax of its siblings' values."""
    num_rollouts: int = 0
    """Solutions written to the end from each step, >= 0; 0: a step's value is its own reward. With some,
    steps themselves are not scored; solutions are scored as a whole, with ``reward=last`` by their last step
    alone."""
    parallel: int = 4
    """Expansions under way at once, >= 1; 1: each choice knows all values before it, as in the originals."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("num_expansions", "children", "parallel"):
            require_positive(getattr(self, name), name)
        require_at_least(self.num_rollouts, 0, "num_rollouts")
        require_at_least(self.exploration, 0.0, "exploration")

    def writer(self) -> StepWriter:
        """Return who writes and rates the steps and the rollouts."""
        return RolloutWriter.of(super().writer(), rates_steps=not self.num_rollouts)

    def max_samples(self) -> int | None:
        """Return num_expansions · children · (1 + num_rollouts), without rollouts `children` more.

        It is the size of the whole tree if that is less, and not known where the tree may reach `max_depth` and
        is not whole then.
        """
        return self._expansions.max_draws(self.max_depth)

    @property
    def _expansions(self) -> Expansions:
        return Expansions(
            num_expansions=self.num_expansions,
            root_children=self.children,
            children=self.children,
            num_rollouts=self.num_rollouts,
            parallel=self.parallel,
        )

    async def solve(self, problem: Problem, run: Run) -> Outcome:
        """Search until all expansions have been made, no leaf is left, or the budget is spent."""
        select = Descent(exploration=self.exploration, priors=self.priors)
        planner = MonteCarlo(select, mean_reward, self._expansions)
        return await self.search(run, planner).outcome()
