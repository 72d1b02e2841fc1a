"""Prefer short samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from ttscale.run import Run
from ttscale.types import Problem, Sample, Score
from ttscale.verifier import Example


@dataclass(frozen=True, kw_only=True)
class Brevity:
    """Scores a sample by how far its text stays below a limit: 1 is empty, 0 is at the limit or above."""

    max_characters: int = 200

    needs: ClassVar[frozenset[str]] = frozenset()
    needs_target: ClassVar[bool] = False

    async def score(self, problem: Problem, samples: Sequence[Sample], run: Run) -> list[Score]:
        """Score by length."""
        return [Score(value=max(0.0, 1 - len(sample.text) / self.max_characters)) for sample in samples]

    def examples(self) -> Sequence[Example]:
        """Return a short text and a long one."""
        question = Problem.ask("How much is 3 + 4?")
        return [
            Example(problem=question, text="7", accepted=True),
            Example(problem=question, text="7" * self.max_characters, accepted=False),
        ]
