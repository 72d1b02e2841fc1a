"""A strategy made of one coroutine, to try out what a run does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import ClassVar

from ttscale.run import Run
from ttscale.types import Outcome, Problem


@dataclass(frozen=True, kw_only=True)
class FunctionStrategy:
    """Answers with what `body` returns. Cost: whatever `body` spends; no bound is declared."""

    body: Callable[[Run], Awaitable[str | None]]
    needs: ClassVar[frozenset[str]] = frozenset()

    def max_samples(self) -> None:
        """Return ``None``: nothing is known of the body."""
        return

    async def solve(self, problem: Problem, run: Run) -> Outcome:
        """Run the body."""
        return Outcome(answer=await self.body(run))
