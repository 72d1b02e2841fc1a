"""The verifier contract: something that scores samples of a problem."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol, runtime_checkable

from ttscale.types import Problem, Sample, Score

if TYPE_CHECKING:
    from ttscale.run import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A sample text that a verifier must accept or reject; run by `ttscale.testing.check_verifier`."""

    problem: Problem
    text: str
    accepted: bool
    """Whether its score must lie above the middle of the scale."""
    logprobs: tuple[float, ...] | None = None


@runtime_checkable
class Verifier(Protocol):
    """Scores samples. A frozen keyword-only dataclass, like a strategy.

    One that asks a model to judge says so in a property `models`, see `ttscale.strategy.UsesModels`.
    """

    needs: ClassVar[frozenset[str]]
    """Names of the `Capabilities` fields it needs of the model whose samples it scores."""
    needs_target: ClassVar[bool]
    """Whether it reads the problem's reference answer or checker: an oracle, not a usable reward."""

    async def score(self, problem: Problem, samples: Sequence[Sample], run: Run) -> list[Score]:
        """Return one score a sample, in order. Tokens it spends go through `run` and count as verifier's."""
        ...

    def examples(self) -> Sequence[Example]:
        """Return samples it must accept and reject."""
        ...


@runtime_checkable
class ScoresSteps(Protocol):
    """A verifier of steps that can score the newest one alone, as a search wants that has scored the others."""

    def for_newest_step(self) -> Verifier:
        """Return the verifier that scores the last of the steps it is shown, and no other."""
        ...
