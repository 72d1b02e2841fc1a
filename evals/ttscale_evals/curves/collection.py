"""What was recorded, whoever recorded it: a model's samples of a benchmark's problems."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ttscale.types import Problem
from ttscale_evals.benchmarks import Benchmark


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """One recorded sample."""

    answer: str | None
    """``None``: it has none, or nobody wrote it down."""
    grades: Mapping[str, float | None] = field(default_factory=dict[str, float | None])
    """What the pool's graders gave, in [0, 1], by name; empty name: the only one. ``None``: it errored, or was
    not graded. Empty: the pool has no grades."""
    reward: float | None = None
    """What a verifier gave, greater is better."""
    has_failed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A problem and its samples in the order they were drawn."""

    problem: Problem
    samples: Sequence[Drawn]


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """The samples of one model on one benchmark."""

    model: str
    benchmark: str
    """Empty: nobody named it."""
    problems: Sequence[Asked]
    checker: Benchmark | None = None
    """Grades answers where there are no grades; ``None``: equivalence with the target does."""
    notes: Sequence[str] = ()
    """What a reader should know of it."""
