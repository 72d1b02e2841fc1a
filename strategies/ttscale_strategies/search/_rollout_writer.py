"""Rollouts: what a step leads to, written to the end and rated as a whole."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Final, Self

from ttscale.errors import VerifierError
from ttscale.run import Run
from ttscale.steps import aggregated
from ttscale.types import Score
from ttscale.verifier import ScoresSteps, Verifier
from ttscale_strategies.search.steps import StepWriter, read_score, solution_of
from ttscale_strategies.search.tree import Draw, Node, Tree

ROLLOUT: Final = "rollout"
"""The action of the sites at which rollouts are drawn."""


@dataclass(frozen=True, kw_only=True)
class RolloutWriter(StepWriter):
    """Writes steps, and solutions to their end behind them, which are rated as a whole."""

    rates_steps: bool
    """Whether steps are rated too; if not, those that end a solution are rated as a whole, and no others."""

    @classmethod
    def of(cls, steps: StepWriter, *, rates_steps: bool) -> Self:
        """Return the one that writes such steps."""
        own = {field.name: getattr(steps, field.name) for field in fields(steps)}
        return cls(**own, rates_steps=rates_steps)

    async def write(self, tree: Tree, draw: Draw, run: Run) -> Node | str:
        """Draw one step, or at a rollout's site all that is left.

        Returns:
            The step, not yet scored; or why there is none.

        Raises:
            BudgetExhausted: it does not fit the budget.
        """
        writer = replace(self, max_depth=1) if draw.site.action == ROLLOUT else self
        return await StepWriter.write(writer, tree, draw, run)

    async def rate(self, tree: Tree, node: Node, run: Run) -> Node:
        """Return a solution with what the verifier makes of it; a step likewise, or as it is.

        Raises:
            BudgetExhausted: the verifier's work does not fit the budget.
        """
        if self.rates_steps and node.action != ROLLOUT:
            return await super().rate(tree, node, run)
        if not node.is_end:
            return replace(node, reason="its rollouts are rated")
        try:
            (score,) = await run.score([solution_of([*tree.path(node.parent), node], run)], self._rater)
        except VerifierError as error:
            return replace(node, reason=str(error))
        value, step, reason = read_score(score, max(1, len(score.steps)))
        if value is not None and self.reward != "verifier":
            value, reason = self._of_steps(score)
        return replace(node, reward=value, step_reward=step, reason=reason)

    @property
    def _rater(self) -> Verifier:
        """The verifier of all steps, unless the last is all that counts."""
        if self.reward == "last" and isinstance(self.verifier, ScoresSteps):
            return self.verifier.for_newest_step()
        return self.verifier

    def _of_steps(self, score: Score) -> tuple[float | None, str]:
        """Return the aggregate of a solution's steps, or why there is none."""
        assert self.reward != "verifier"
        rewards = list[float]()
        for value in score.steps or (score.value,):
            _, reward, reason = read_score(replace(score, steps=() if value is None else (value,)), 1)
            if reward is None:
                return None, reason
            rewards.append(reward)
        return aggregated(rewards, self.reward), ""
