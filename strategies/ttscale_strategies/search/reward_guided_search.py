"""Reward-guided search: the best leaf of the whole tree, and its value by rollouts that agree."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ttscale.answers import answer_key
from ttscale.run import Run
from ttscale.types import Outcome, Problem
from ttscale_strategies.checks import require_at_least, require_positive, require_share
from ttscale_strategies.search._monte_carlo import Expansions, Known, MonteCarlo
from ttscale_strategies.search._options import StepOptions
from ttscale_strategies.search._rollout_writer import RolloutWriter
from ttscale_strategies.search.choice import Choice
from ttscale_strategies.search.rules import best_leaf, mixed_value
from ttscale_strategies.search.steps import StepWriter
from ttscale_strategies.search.tree import ROOT, Node, worths


@dataclass(frozen=True, slots=True, kw_only=True)
class AmongAll:
    """Compares all open leaves of the tree by `leaf_ucb`."""

    exploration: float

    def __call__(self, known: Known) -> str:
        """Return the leaf to expand."""
        if ROOT in known.leaves:
            return ROOT
        leaves = list(known.leaves)
        best = best_leaf(
            [known.visits(leaf) for leaf in leaves],
            [known.visits(known.parent(leaf)).num_begun for leaf in leaves],
            exploration=self.exploration,
        )
        return leaves[best]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixture:
    """The value of a node by the rewards of its rollouts and by how far their answers agree."""

    alpha: float

    def __call__(self, ends: Sequence[Node]) -> float:
        """See `mixed_value`; 0 of nothing. Answers agree if their keys are equal."""
        keys = [answer_key(node.answer) for node in ends]
        return mixed_value(worths(ends), keys, alpha=self.alpha) if ends else 0.0


@dataclass(frozen=True, kw_only=True)
class RewardGuidedSearch(StepOptions):
    """Reward-guided tree search with a global choice of leaves (STILL-1, Jiang et al. 2024,
    arXiv:2411.11694).

    The root gets `root_children` first steps. Then the leaf with the greatest v / n + c · √(ln N / (1 + n))
    of all leaves in the tree, v the sum of the values that reached it, n their number, N that of its parent,
    gets `children` next steps. From each new step `num_rollouts` solutions are written to the end and scored
    as a whole; its value is the mean of alpha · reward + (1 - alpha) · share of the rollouts with the same
    answer, and counts at the step and at all above it. The answer is that of the solution with the greatest
    reward, rollouts included, and `confidence` that reward; other `choice` has them vote.

    Cost: at most (root_children + (num_expansions - 1) · children) · (1 + num_rollouts) calls, the rollouts
    of them verified; with steps of s tokens and solutions of d steps up to d · s generated tokens a rollout.
    Prompts are computed once by a prefix cache.

    What is the paper's and what is not: the choice among all leaves, the root expanded before, rollouts, the
    mixture with self-consistency and the answer by reward are from the paper as others tell of it. We have
    not read its numbers: all defaults, the form of the bound, that the share is one among the rollouts of one
    node, and that a node's value is its own rollouts' mean, are ours. The models that the paper trains, and
    its calculator, are not part of this.

    Departures: as `MCTS`: ended solutions are not leaves, and `parallel` expansions are under way at once. A
    step that ends a solution is its own only rollout.
    """

    choice: Choice = "best"
    """How solutions elect the answer: see the other searches."""
    num_expansions: int = 8
    """Leaves that get children, the root included, >= 1."""
    root_children: int = 8
    """First steps, >= 1."""
    children: int = 2
    """Next steps of each leaf, >= 1."""
    num_rollouts: int = 2
    """Solutions written to the end from each step, >= 1."""
    alpha: float = 0.5
    """Weight of the reward against the rollouts' agreement, in [0, 1]."""
    exploration: float = math.sqrt(2.0)
    """c, >= 0."""
    parallel: int = 4
    """Expansions under way at once, >= 1; 1: each choice knows all values before it."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("num_expansions", "root_children", "children", "num_rollouts", "parallel"):
            require_positive(getattr(self, name), name)
        require_share(self.alpha, "alpha")
        require_at_least(self.exploration, 0.0, "exploration")

    def writer(self) -> StepWriter:
        """Return who writes the steps, and writes and rates the rollouts."""
        return RolloutWriter.of(super().writer(), rates_steps=False)

    def max_samples(self) -> int | None:
        """Return (root_children + (num_expansions - 1) · children) · (1 + num_rollouts), or that of the whole
        tree.

        It is not known where the tree may reach `max_depth` and is not whole then.
        """
        return self._expansions.max_draws(self.max_depth)

    @property
    def _expansions(self) -> Expansions:
        return Expansions(
            num_expansions=self.num_expansions,
            root_children=self.root_children,
            children=self.children,
            num_rollouts=self.num_rollouts,
            parallel=self.parallel,
        )

    async def solve(self, problem: Problem, run: Run) -> Outcome:
        """Search until all expansions have been made, no leaf is left, or the budget is spent."""
        select, value = AmongAll(exploration=self.exploration), Mixture(alpha=self.alpha)
        planner = MonteCarlo(select, value, self._expansions)
        return await self.search(run, planner).outcome()
