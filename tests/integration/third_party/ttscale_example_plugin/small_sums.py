"""Sums of two small numbers."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from ttscale.answers import answer_key
from ttscale.types import Problem, Prompt
from ttscale.workers import Workers
from ttscale_evals.benchmarks import Grade


@dataclass(frozen=True, kw_only=True)
class SmallSums:
    """Sums of two numbers below `most`."""

    size: int = 20
    most: int = 50
    seed: int = 0

    def problems(self, *, limit: int | None = None, seed: int | None = None) -> Iterator[Problem]:
        """Yield the problems."""
        draw = random.Random(self.seed if seed is None else seed)
        for number in range(self.size if limit is None else min(limit, self.size)):
            left, right = draw.randrange(self.most), draw.randrange(self.most)
            question = f"How much is {left} + {right}?"
            yield Problem(id=f"sum-{number}", prompt=Prompt.user(question), target=str(left + right))

    async def grade(self, problem: Problem, answer: str | None, workers: Workers) -> Grade:
        """Compare with the sum."""
        right = answer is not None and answer_key(answer) == problem.target
        return Grade(correct=right, value=float(right))
