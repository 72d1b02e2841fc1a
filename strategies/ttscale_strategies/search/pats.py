"""PATS: one solution, step by step, with more candidates where it is hard."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from ttscale.run import Run
from ttscale.types import Outcome, Problem
from ttscale_strategies.checks import require_positive
from ttscale_strategies.search._options import StepOptions
from ttscale_strategies.search._rollout_writer import ROLLOUT, RolloutWriter
from ttscale_strategies.search.choice import Choice
from ttscale_strategies.search.planner import Plan
from ttscale_strategies.search.rules import (
    NUM_CANDIDATES,
    Mode,
    ModeSwitching,
    judged_step,
    usable_candidates,
)
from ttscale_strategies.search.steps import StepWriter
from ttscale_strategies.search.tree import ROOT, Draw, Node, Site, Tree, worths


class Rounds:
    """A planner of one chain of steps: rounds of candidates, the best of which is the next step or is
    rejected.

    A round is judged when it is complete. One that is drawn again has the next numbers at the same site. The
    candidates of the last round are written to the end.
    """

    def __init__(self, switching: ModeSwitching, *, start: Mode, max_rounds: int) -> None:
        """Begin before the first step.

        Args:
            switching: thresholds.
            start: mode of the first step.
            max_rounds: rounds in all, >= 1.
        """
        self._switching = switching
        self._max_rounds = max_rounds
        self._state = switching.start(start)
        self._steps = list[Node]()
        self._num_before = 0
        self._settled: dict[Site, int] = {}

    def plan(self, tree: Tree) -> Plan:
        """Return the rounds so far, and the next."""
        while not self._is_over and (candidates := self._candidates(tree)) is not None:
            self._judge(candidates)
        if not self._is_over:
            return Plan(wanted=self._settled | {self._site: self._num_drawn})
        ends = {node.key for node in self._steps[-1:] if node.is_end}
        return Plan(wanted=dict(self._settled), solutions=ends or None)

    def line(self, tree: Tree, site: Site) -> Hashable:
        """Return the same for all sites: each round depends on all before it."""
        return ROOT

    @property
    def _site(self) -> Site:
        is_last = self._state.num_rounds == self._max_rounds - 1
        return Site(self._steps[-1].key if self._steps else ROOT, ROLLOUT if is_last else "")

    @property
    def _num_drawn(self) -> int:
        """Draws at the site, those of the round included."""
        return self._num_before + self._state.num_candidates

    @property
    def _is_over(self) -> bool:
        has_ended = bool(self._steps) and self._steps[-1].is_end
        return has_ended or self._state.num_rounds >= self._max_rounds

    def _candidates(self, tree: Tree) -> list[Node] | None:
        """Return what the round brought, by number, or ``None`` where it is not complete."""
        numbers = range(self._num_before, self._num_drawn)
        draws = [Draw(self._site, number) for number in numbers]
        if any(draw not in tree.draws for draw in draws):
            return None
        keys = [tree.draws[draw] for draw in draws]
        return [tree.nodes[key] for key in keys if key is not None]

    def _judge(self, candidates: Sequence[Node]) -> None:
        """Accept the best candidate or reject it."""
        steps = [_marked(step) for step in self._steps]
        usable = usable_candidates([_marked(candidate) for candidate in candidates], steps)
        rewards = worths(candidates)
        best = max(usable, key=rewards.__getitem__, default=None)
        verdict = judged_step(self._state, None if best is None else rewards[best], self._switching)
        self._settled[self._site] = self._num_drawn
        self._state = verdict.state
        if best is not None and verdict.is_accepted:
            self._steps.append(candidates[best])
        self._num_before = self._settled.get(self._site, 0)


def _marked(node: Node) -> str:
    """Return a step's words; those that end the solution are other ones, and more than nothing."""
    return f"{node.text.strip()}\0" if node.is_end else node.text


@dataclass(frozen=True, kw_only=True)
class PATS(StepOptions):
    """Process-level adaptive thinking-mode switching (Wang et al. 2025, arXiv:2505.19250).

    One solution is written step by step. Each round draws candidates of the next step, 8 in complex mode, 4
    in medium and 2 in simple, and the one with the greatest reward is the next step. A reward from
    `simpler_from` on makes the mode one simpler for the next step, one below `complex_below` makes it
    complex. Below `bad_below` the step is rejected and drawn again in complex mode, `penalty_times` in a row
    at most. Candidates that equal each other or a step before are left out. `confidence` is the reward of the
    last step.

    Cost: 2 to 8 calls and verifications a round, of at most `max_rounds` rounds; with r rounds of steps of s
    tokens at most 8 · r · s generated tokens, and 2 · r · s where all is easy. No round begins before the one
    before is complete: the chain waits for the slowest candidate of each.

    Departures: a solution also ends with an answer in a box or at `max_depth`, not with the end token alone.
    The candidates of the last round are written to the end, and where none is accepted, or the budget is spent
    before that, the candidates that ended a solution elect the answer; the original has none then. A step that
    the verifier gave no value for has the reward 0, as in the original. The filter for letters that are not
    mathematics is left out. The temperature is the model's own, where the paper has 0.6, and the delimiter a
    line break, where it has an empty line.
    """

    choice: Choice = "best"
    """How candidates that ended a solution elect the answer where none was accepted."""
    simpler_from: float = 0.85
    """A reward of so much or more makes the next step one mode simpler; in [0, 1]."""
    complex_below: float = 0.75
    """A reward below makes the next step complex; in [0, simpler_from]."""
    bad_below: float = 0.40
    """A step with a reward below is rejected; in [0, complex_below]."""
    penalty_times: int | None = 1
    """Rejections in a row before a bad step is accepted, >= 0; 0: none is rejected; ``None``: without
    limit."""
    start: Mode = "complex"
    """Mode of the first step."""
    only: Mode | None = None
    """A mode never left: ``"simple"`` is the paper's ablation all-fast, ``"complex"`` all-slow."""
    max_rounds: int = 35
    """Rounds of candidates, rejected ones included, >= 1."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(self.max_rounds, "max_rounds")
        self._switching.start(self.start)

    def writer(self) -> StepWriter:
        """Return who writes and rates the steps, and the rest of the solution in the last round."""
        return RolloutWriter.of(super().writer(), rates_steps=True)

    def max_samples(self) -> int | None:
        """Return candidates · max_rounds if there is `only` one mode and max_depth allows; else it varies."""
        if self.only is None or self.max_depth < self.max_rounds:
            return None
        return NUM_CANDIDATES[self.only] * self.max_rounds

    @property
    def _switching(self) -> ModeSwitching:
        return ModeSwitching(
            simpler_from=self.simpler_from,
            complex_below=self.complex_below,
            bad_below=self.bad_below,
            penalty_times=self.penalty_times,
            only=self.only,
        )

    async def solve(self, problem: Problem, run: Run) -> Outcome:
        """Write one solution to its end, or until the rounds or the budget are over."""
        rounds = Rounds(self._switching, start=self.start, max_rounds=self.max_rounds)
        return await self.search(run, rounds).outcome()
