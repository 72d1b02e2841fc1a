"""Lookahead search: beam search that scores a step by where it leads."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Final, Self

from ttscale.run import Run
from ttscale_strategies.checks import require_at_least
from ttscale_strategies.search.beam_search import BeamSearch
from ttscale_strategies.search.steps import StepWriter
from ttscale_strategies.search.tree import Draw, Node, Site, Tree

LOOKAHEAD: Final = "lookahead"
"""The action by which a rollout goes on from a step; it is in no tree that is searched."""


@dataclass(frozen=True, kw_only=True)
class LookaheadWriter(StepWriter):
    """Writes steps, and rates each by what the verifier says some greedy steps later."""

    num_ahead: int
    """Greedy steps, >= 0."""

    @classmethod
    def of(cls, steps: StepWriter, *, num_ahead: int) -> Self:
        """Return the one that writes such steps."""
        own = {field.name: getattr(steps, field.name) for field in fields(steps)}
        return cls(**own, num_ahead=num_ahead)

    async def rate(self, tree: Tree, node: Node, run: Run) -> Node:
        """Return a node with what the verifier makes of the end of its rollout; the rollout itself is let go.

        Where a step of the rollout fails, what was written before it is scored, and the reason says so.

        Raises:
            BudgetExhausted: the rollout or the verifier's work does not fit the budget.
        """
        rollout = Tree()  # a tree of its own, of one branch
        for step in [*tree.path(node.parent), node]:
            rollout.add(Draw(Site(step.parent, step.action), step.draw), step)
        end, failure = node, ""
        greedy = replace(self, temperature=0.0)
        for _ in range(self.num_ahead):
            if end.is_end:
                break
            draw = Draw(Site(end.key, LOOKAHEAD), 0)
            written = await greedy.write(rollout, draw, run)
            if isinstance(written, str):
                failure = f"the lookahead ended early: {written}"
                break
            rollout.add(draw, written)
            end = written
        rated = await super().rate(rollout, end, run)
        reason = "; ".join(part for part in (failure, rated.reason) if part)
        return replace(node, reward=rated.reward, step_reward=rated.step_reward, reason=reason)


@dataclass(frozen=True, kw_only=True)
class Lookahead(BeamSearch):
    """Beam search in which a step is scored by where it leads (Snell et al. 2024, arXiv:2408.03314).

    From each candidate step `num_ahead` further steps are written greedily, at temperature 0, or up to the end
    of the solution; the verifier's score there is the candidate's. Then only the candidate is kept: the steps
    after it are drawn anew, as in `BeamSearch`, which this is with `num_ahead` 0. `confidence` is the answer's
    share of the votes.

    Cost: at most width · (num_ahead + 1) calls at each depth, width · max_depth verifications; with steps of s
    tokens and solutions of d steps, about width · d · s · (num_ahead + 1) generated tokens. Rollouts continue
    token ids; a prefix cache computes their prompts once.

    Departures: as `BeamSearch`. A rollout that ends a solution is no solution of the search, as in the paper:
    its answer does not vote. `reward` is of the scores that steps got by their rollouts. A step that is drawn
    several times below the same parent has one rollout.
    """

    num_ahead: int = 1
    """k, greedy steps after each candidate, >= 0; the paper has 1 to 3."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_at_least(self.num_ahead, 0, "num_ahead")

    def writer(self) -> StepWriter:
        """Return who writes the steps, and rates them by their rollouts."""
        return LookaheadWriter.of(super().writer(), num_ahead=self.num_ahead)

    def max_samples(self) -> int | None:
        """Return width · (num_ahead + 1) at each depth, less what the greatest depth cuts off the rollouts.

        Ahead of what is certain there is no such bound.
        """
        if self.ahead:
            return None
        rollouts = sum(min(self.num_ahead, self.max_depth - depth) for depth in range(1, self.max_depth + 1))
        return self.width * (self.max_depth + rollouts)
