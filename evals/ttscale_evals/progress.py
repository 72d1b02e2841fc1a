"""How far a run is: numbers for whoever draws a progress bar."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ttscale.types import Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """The state of a run at one moment."""

    benchmark: str
    """Of the problem that was begun last."""
    strategy: str
    cell_done: int
    """Problems of this row done, earlier sessions' included."""
    cell_total: int
    done: int
    """Problems of the whole run done, earlier sessions' included."""
    total: int
    correct: int
    errors: int
    tokens: int
    """Spent in this session, as a token budget counts them."""
    usd: float | None
    seconds: float
    """Since the session's first problem was begun."""
    tokens_per_second: float | None
    """Generated tokens, cancelled ones included, over `seconds`; ``None`` before the first."""
    seconds_left: float | None
    """Estimated; ``None`` before the first problem of the session is done."""
    model: str = ""
    """Which of several models is at work; empty: there is one only."""


ProgressListener = Callable[[Progress], None]
"""Called on the event loop's thread after each problem and about once a second; it must return at once."""


@dataclass(slots=True, kw_only=True)
class ProgressTracker:
    """Counts, and estimates the time left.

    A problem weighs as many samples as its strategy may start, so that a run whose cheap strategies come
    first does not promise too early an end.
    """

    weights: Mapping[int, float]
    """Weight of one problem of each cell, by its number; > 0."""
    sizes: Mapping[int, int]
    """Problems of each cell."""
    done_before: Mapping[int, int]
    """Problems of each cell done in earlier sessions."""
    correct: int = 0
    errors: int = 0
    done_now: dict[int, int] = field(default_factory=dict[int, int])

    def add(self, cell: int, *, correct: bool, failed: bool) -> None:
        """Count one problem done."""
        self.done_now[cell] = self.done_now.get(cell, 0) + 1
        self.correct += correct
        self.errors += failed

    def progress(self, cell: int, titles: tuple[str, str, str], usage: Usage, seconds: float) -> Progress:
        """Return the state of the run while `cell` is being worked on.

        Args:
            cell: its number.
            titles: of its benchmark, its strategy, and its model where there are several.
            usage: of this session.
            seconds: since the session began to work.
        """
        before, now = self.done_before.get(cell, 0), self.done_now.get(cell, 0)
        generated = usage.generated + usage.cancelled
        return Progress(
            benchmark=titles[0],
            strategy=titles[1],
            model=titles[2],
            cell_done=before + now,
            cell_total=self.sizes[cell],
            done=sum(self.done_before.values()) + sum(self.done_now.values()),
            total=sum(self.sizes.values()),
            correct=self.correct,
            errors=self.errors,
            tokens=usage.tokens,
            usd=usage.usd,
            seconds=seconds,
            tokens_per_second=generated / seconds if generated and seconds > 0 else None,
            seconds_left=self._seconds_left(seconds),
        )

    def _seconds_left(self, seconds: float) -> float | None:
        done = sum(self.weights[cell] * count for cell, count in self.done_now.items())
        if done == 0:
            return None
        left = 0.0
        for cell, size in self.sizes.items():
            left += self.weights[cell] * (size - self.done_before.get(cell, 0) - self.done_now.get(cell, 0))
        return seconds * left / done
