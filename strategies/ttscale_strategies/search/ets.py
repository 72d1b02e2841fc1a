"""ETS: REBASE over those steps that are worth the key-value cache they hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Final, Literal, get_args

from ttscale.errors import MissingExtra
from ttscale.run import Run
from ttscale.types import Outcome, Problem
from ttscale_strategies.checks import require_at_least
from ttscale_strategies.search._options import WidthOptions
from ttscale_strategies.search.levels import Levels
from ttscale_strategies.search.rebase import Balance
from ttscale_strategies.search.rules import (
    LeafProgram,
    least_rebase_widths,
    rebase_widths,
    select_exact,
    select_greedy,
    step_clusters,
)
from ttscale_strategies.search.tree import ROOT, Node, Tree, worths

Cost = Literal["nodes", "tokens"]
"""What the cache of a node counts for: 1, or the tokens of its step."""

MAX_EXACT_LEAVES: Final = 32
"""Leaves of a depth up to which the program is solved exactly, in some 0.05 s on one core; from there on the
time grows, and meanwhile no other search goes on."""

_SOLVE_SECONDS: Final = 1e6
"""No limit: a program's result must not depend on how fast the machine is."""

_PACKAGES: Final = (("scipy.optimize", "scipy"), ("sklearn.cluster", "scikit-learn"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruning:
    """Which steps of a depth are kept: those that share what they hold, and those that say something else."""

    lambda_cost: float
    lambda_diversity: float
    threshold: float
    cost: Cost
    temperature: float

    def program(self, tree: Tree, leaves: Sequence[Node], budget: int) -> LeafProgram:
        """Return the integer program over the steps of a depth.

        Args:
            tree: in which they are.
            leaves: that can go on, at least one, in order of their draws.
            budget: children in all, >= 1.
        """
        widths = rebase_widths(worths(leaves), budget, temperature=self.temperature)
        above = [tree.lineage(leaf.parent) for leaf in leaves]
        numbers = {ROOT: 0}
        for node in (node for lineage in above for node in lineage):
            numbers.setdefault(node.key, len(numbers))
        sizes = {numbers[key]: _size(tree.nodes[key]) for key in numbers if key != ROOT}
        by_tokens = self.cost == "tokens"
        return LeafProgram(
            shares=tuple(width / budget for width in widths),
            ancestors=tuple((0, *(numbers[node.key] for node in lineage)) for lineage in above),
            clusters=step_clusters([leaf.text for leaf in leaves], threshold=self.threshold),
            lambda_cost=self.lambda_cost,
            lambda_diversity=self.lambda_diversity,
            leaf_sizes=tuple(_size(leaf) for leaf in leaves) if by_tokens else None,
            branch_sizes={0: 1.0, **sizes} if by_tokens else None,
        )

    def kept(self, tree: Tree, leaves: Sequence[Node], budget: int, *, exactly: bool) -> tuple[int, ...]:
        """Return the indices of the steps that are kept, the best by the program, or what is found quickly."""
        program = self.program(tree, leaves, budget)
        best = select_exact(program, time_limit_seconds=_SOLVE_SECONDS) if exactly else None
        return select_greedy(program) if best is None else best


def _size(node: Node) -> float:
    return float(max(1, len(node.token_ids)))


class PrunedLevels(Levels):
    """Depths whose steps are pruned before the rest share the children.

    Which steps a depth keeps hangs on all of them, so none gets children for certain before the depth is
    complete. What a depth has decided is remembered: its program is solved once.
    """

    def __init__(self, pruning: Pruning, *, width: int, ahead: bool = False) -> None:
        """Begin with so many draws at the root.

        Args:
            pruning: which steps are kept.
            width: draws at each depth, >= 1.
            ahead: whether children are drawn before they are certain.
        """
        rule = Balance(temperature=pruning.temperature, rounding="ceil")
        super().__init__(rule, width=width, ahead=ahead)
        self._pruning = pruning

    def _widths(self, tree: Tree, nodes: Sequence[Node], budget: int) -> Sequence[int]:
        return self._shared_out(tree, nodes, budget, exactly=len(nodes) <= MAX_EXACT_LEAVES)

    def _least(self, tree: Tree, nodes: Sequence[Node], budget: int, num_pending: int) -> Sequence[int]:
        if self._pruning.lambda_cost == 0.0:
            temperature = self._pruning.temperature
            return least_rebase_widths(worths(nodes), budget, num_pending=num_pending, temperature=temperature)
        return [0] * len(nodes) if num_pending else self._widths(tree, nodes, budget)

    def _likely(self, tree: Tree, nodes: Sequence[Node], budget: int) -> Sequence[int]:
        return self._shared_out(tree, nodes, budget, exactly=False)

    def _shared_out(self, tree: Tree, nodes: Sequence[Node], budget: int, *, exactly: bool) -> Sequence[int]:
        """Return the children of each node: none for those that are dropped."""
        counts = [0] * len(nodes)
        if not nodes or budget == 0:
            return counts
        kept: Sequence[int] = range(len(nodes))
        if self._pruning.lambda_cost > 0.0:
            kept = self._pruning.kept(tree, nodes, budget, exactly=exactly)
        rewards = worths([nodes[index] for index in kept])
        widths = rebase_widths(rewards, budget, temperature=self._pruning.temperature)
        for index, count in zip(kept, widths, strict=True):
            counts[index] = count
        return counts


@dataclass(frozen=True, kw_only=True)
class ETS(WidthOptions):
    """Efficient tree search: REBASE over the steps that are worth the cache they hold (Hooper et al. 2025,
    arXiv:2502.13575).

    At each depth an integer program chooses which of the new steps are kept: it maximises the sum of their
    shares of the REBASE allocation, less `lambda_cost` times the share of the nodes, new ones and their
    ancestors, that they hold in the cache, plus `lambda_diversity` times the share of the clusters of like
    steps that have one among them; see `LeafProgram`. The kept steps share the children as in `Rebase`.
    `confidence` is the answer's share of the votes.

    Cost: at most width · max_depth calls and as many verifications, as `Rebase`; one program a depth, solved
    by HiGHS exactly up to 32 steps (some 0.05 s of one core) and greedily above; no other search goes on
    meanwhile. Which of the two follows from the number of steps alone, and neither is ever cut short, so the
    result does not depend on the machine. scipy and scikit-learn are needed: ``pip install 'ttscale[search]'``.

    Departures: steps are alike by TF-IDF of their letters instead of a sentence encoder, and the threshold is
    one for that. Where depth by depth nothing can be certain, there is the barrier that REBASE does not have:
    which steps are kept hangs on all of a depth. Only with `lambda_cost` 0, where every step is kept and it is
    REBASE, children are drawn before, or with `ahead`, which goes by the steps known so far, kept greedily.
    Equal steps below the same parent are one.

    Raises:
        MissingExtra: scipy or scikit-learn is not installed.
    """

    lambda_cost: float = 1.0
    """λ_c, what the cache of all nodes would cost, >= 0; 0 drops nothing."""
    lambda_diversity: float | None = None
    """λ_s, what a step in each cluster is worth, >= 0; ``None``: the paper's 1.5 up to a width of 31, 1.4 up to
    127, 1.45 above."""
    threshold: float = 0.6
    """The mean cosine distance of TF-IDF vectors from which on clusters of steps stay apart, in (0, 2]. The
    paper has 0.05 for its sentence encoder, which here joins equal steps of different parents and no others. A
    changed word makes 0.2 to 0.4, another result of the same short calculation 0.55, and steps that share an
    operand at most 0.7 and more. The larger it is, the more is pruned."""
    cost: Cost = "nodes"
    """Whether each node costs the same, as in the paper, or as many tokens as its step has."""
    balance: float = 0.2
    """T of the softmax of rewards, > 0."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_at_least(self.lambda_cost, 0.0, "lambda_cost")
        if self.lambda_diversity is not None:
            require_at_least(self.lambda_diversity, 0.0, "lambda_diversity")
        if self.cost not in get_args(Cost):
            raise ValueError(f"cost must be one of {', '.join(get_args(Cost))}, got {self.cost!r}")
        rebase_widths((), 0, temperature=self.balance)
        step_clusters((), threshold=self.threshold)
        for module, package in _PACKAGES:
            try:
                import_module(module)
            except ImportError as error:
                raise MissingExtra(package, "search") from error

    def planner(self) -> PrunedLevels:
        """Return who decides, for one search."""
        pruning = Pruning(
            lambda_cost=self.lambda_cost,
            lambda_diversity=self.diversity,
            threshold=self.threshold,
            cost=self.cost,
            temperature=self.balance,
        )
        return PrunedLevels(pruning, width=self.width, ahead=self.ahead)

    @property
    def diversity(self) -> float:
        """λ_s: by default that of the paper's width which is nearest, as powers of two."""
        if self.lambda_diversity is not None:
            return self.lambda_diversity
        return 1.5 if self.width < 32 else 1.4 if self.width < 128 else 1.45

    async def solve(self, problem: Problem, run: Run) -> Outcome:
        """Search until all paths have ended, or the budget is spent."""
        return await self.search(run, self.planner()).outcome()
