"""What a report shows, as plain data: rows of the leaderboard, every answer, and how each run was made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ttscale.types import JSON, Candidate
from ttscale_evals.rows import Row

Result = Literal["right", "wrong", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one strategy made of one problem."""

    benchmark: str
    strategy: str
    model: str
    problem_id: str
    question: str
    target: str | None
    answer: str | None
    text: str | None
    """What the model wrote to get there."""
    result: Result
    tokens: int
    """Charged tokens: computed prompt, generated, cancelled, verifier."""
    seconds: float | None
    stop_reason: str
    confidence: float | None = None
    error: str | None = None
    reason: str = ""
    """Why it is not plainly right or wrong, see `ttscale_evals.benchmarks.base.Grade`."""
    candidates: tuple[Candidate, ...] = ()
    """The answers the strategy chose among."""
    budget: str = ""
    """Limits of the problem, as in ``--budget``; empty: there is none."""
    spans: Sequence[Mapping[str, JSON]] = ()
    """What was done when, with every sample's text, as in `Outcome.trace`; empty where it was not kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunInfo:
    """How a run was made."""

    directory: str
    config: str
    """The resolved config, as YAML."""
    command: str
    """Runs it again, or goes on where it stopped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportData:
    """Everything the renderers draw from."""

    rows: tuple[Row, ...]
    answers: tuple[Answer, ...] = ()
    runs: tuple[RunInfo, ...] = ()

    @property
    def num_failed(self) -> int:
        """Number of problems that failed, over all rows."""
        return sum(row.errors for row in self.rows)
