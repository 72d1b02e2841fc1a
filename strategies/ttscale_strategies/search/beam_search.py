"""Beam search over steps, and DVTS: beam searches side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ttscale.run import Run
from ttscale.types import Outcome, Problem
from ttscale_strategies.search._options import WidthOptions
from ttscale_strategies.search.levels import Levels, SideBySide
from ttscale_strategies.search.rules import beam_widths, least_beam_widths, num_beams_kept


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepBest:
    """The rule of beam search: the best nodes share the children of a depth, `beam_width` each."""

    width: int
    beam_width: int

    def widths(self, rewards: Sequence[float], budget: int) -> Sequence[int]:
        """See `beam_widths`; what is missing of the width has completed."""
        completed = self.width - budget
        return beam_widths(rewards, width=self.width, beam_width=self.beam_width, num_completed=completed)

    def least(self, rewards: Sequence[float], budget: int, num_pending: int) -> Sequence[int]:
        """See `least_beam_widths`."""
        return least_beam_widths(
            rewards,
            width=self.width,
            beam_width=self.beam_width,
            num_pending=num_pending,
            num_completed=self.width - budget,
        )


@dataclass(frozen=True, kw_only=True)
class BeamSearch(WidthOptions):
    """Beam search over steps (Snell et al. 2024, arXiv:2408.03314; Beeching et al. 2024, search-and-learn).

    At each depth `width` steps are drawn and scored, and the best ``width // beam_width`` are gone on from,
    with `beam_width` next steps each. `confidence` is the answer's share of the votes.

    Cost: at most width · max_depth calls and as many verifications; with steps of s tokens and solutions of d
    steps, about width · d · s generated tokens. Prompts are continued by token ids: a prefix cache computes
    them once.

    Departures: there is no barrier at each depth, and the result is that of one: a step is gone on from as soon
    as it is certain to be among the best, whatever the scores still out will be. A solution that ends keeps
    its place, and the width goes down by one, where the reference fills it with copies that are written again.
    Equal steps below the same parent are one.
    """

    beam_width: int = 4
    """Next steps of each beam, in [1, width]."""

    def __post_init__(self) -> None:
        super().__post_init__()
        num_beams_kept(self.width, self.beam_width)

    async def solve(self, problem: Problem, run: Run) -> Outcome:
        """Search until all beams have ended, or the budget is spent."""
        rule = KeepBest(width=self.width, beam_width=self.beam_width)
        return await self.search(run, Levels(rule, width=self.width, ahead=self.ahead)).outcome()


@dataclass(frozen=True, kw_only=True)
class DVTS(WidthOptions):
    """Diverse verifier tree search: beam searches side by side (Beeching et al. 2024, search-and-learn).

    ``width // beam_width`` trees that know nothing of each other draw `beam_width` steps at each depth and go
    on from the best one. `confidence` is the answer's share of the votes of all trees.

    Cost: as `BeamSearch`.

    Departures: no tree waits for another, and none for its own scores where they cannot change what it does. A
    tree goes on when one of its steps has ended a solution, with its best other step and one step fewer.
    """

    beam_width: int = 4
    """Steps at each depth of one tree, in [1, width]."""

    def __post_init__(self) -> None:
        super().__post_init__()
        num_beams_kept(self.width, self.beam_width)

    def max_samples(self) -> int | None:
        """Return (width // beam_width) · beam_width · max_depth; ahead of what is certain there is no bound."""
        return None if self.ahead else self._num_trees * self.beam_width * self.max_depth

    @property
    def _num_trees(self) -> int:
        return num_beams_kept(self.width, self.beam_width)

    async def solve(self, problem: Problem, run: Run) -> Outcome:
        """Search until all trees have ended, or the budget is spent."""
        rule = KeepBest(width=self.beam_width, beam_width=self.beam_width)
        names = [f"tree {number}" for number in range(self._num_trees)]
        trees = {name: Levels(rule, width=self.beam_width, action=name, ahead=self.ahead) for name in names}
        return await self.search(run, SideBySide(trees)).outcome()
