"""What the options of several searches have in common."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar

from ttscale.registry import create_verifier
from ttscale.run import Run
from ttscale.verifier import Verifier
from ttscale_strategies.checks import require_positive
from ttscale_strategies.search.choice import Choice
from ttscale_strategies.search.driver import Search
from ttscale_strategies.search.journal import Journal
from ttscale_strategies.search.planner import Planner
from ttscale_strategies.search.steps import Reward, StepWriter


@dataclass(frozen=True, kw_only=True)
class StepOptions:
    """The options of every search that writes solutions step by step and has each step scored."""

    verifier: Verifier = field(default_factory=lambda: create_verifier("confidence"))
    """Scores what was written so far after each step; the default needs no other model. One that is made for
    steps, as ``prm``, is asked about the newest step alone."""
    reward: Reward = "verifier"
    """What a node is worth: the verifier's score of all that was written so far, or ``"last"``, ``"min"``,
    ``"product"`` or ``"mean"`` of its scores of the steps."""
    choice: Choice = "weighted"
    """How solutions elect the answer: by the sum of their rewards, by their number (``"majority"``), or the
    best rewarded one alone (``"best"``)."""
    delimiter: str = "\n"
    """What a step ends with."""
    delimiter_ids: tuple[int, ...] = ()
    """Token ids that end a step too."""
    max_step_tokens: int | None = 256
    """Most tokens of a step, >= 1, whether or not the delimiter came; ``None``: what the context leaves. The
    last step, at the greatest depth, may have all that."""
    max_depth: int = 40
    """Steps of a solution, >= 1; the last of them is written to the end, however many steps that is."""
    temperature: float | None = None
    """``None``: the model's own."""
    journal: str | None = None
    """Folder in which each problem's tree is kept while it grows: a search that was killed goes on from there
    and comes to the same answer. What it takes over is charged again, as reused."""

    needs: ClassVar[frozenset[str]] = frozenset({"stop_strings", "token_ids"})

    def __post_init__(self) -> None:
        if not self.delimiter:
            raise ValueError("delimiter must not be empty")
        if self.max_step_tokens is not None:
            require_positive(self.max_step_tokens, "max_step_tokens")
        require_positive(self.max_depth, "max_depth")
        self.writer()

    def writer(self) -> StepWriter:
        """Return who writes and rates the steps."""
        return StepWriter(
            verifier=self.verifier,
            reward=self.reward,
            delimiter=self.delimiter,
            delimiter_ids=self.delimiter_ids,
            max_step_tokens=self.max_step_tokens,
            max_depth=self.max_depth,
            temperature=self.temperature,
        )

    def search(self, run: Run, planner: Planner) -> Search:
        """Return a search of the run's problem."""
        journal = None if self.journal is None else Journal.of(self.journal, replace(self, journal=None), run)
        return Search(run, planner, self.writer(), choice=self.choice, journal=journal)


@dataclass(frozen=True, kw_only=True)
class WidthOptions(StepOptions):
    """The options of searches that go on with a number of solutions at each depth."""

    width: int = 16
    """Steps drawn at each depth, >= 1; each solution that ends lowers it by one."""
    ahead: bool = False
    """Whether a step is gone on from as soon as its own score is in and it is among the best so far, and not
    only when that is certain. If it is overtaken, what was drawn is aborted and booked as cancelled. The answer
    is the same, and comes sooner where the engine has room, for more tokens."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(self.width, "width")

    def max_samples(self) -> int | None:
        """Return width · max_depth; ahead of what is certain there is no such bound."""
        return None if self.ahead else self.width * self.max_depth
