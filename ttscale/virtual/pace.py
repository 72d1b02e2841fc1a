"""When the tokens of a sample come, where that is known beforehand."""

from __future__ import annotations

import bisect
from dataclasses import dataclass
from typing import Final

_EARLY: Final = 1e-7
"""Seconds by which a timer may fire before its token: the event loop's resolution and rounding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How quickly a sample's tokens come once it has started, in seconds."""

    first: float
    """Before the first token's own time."""
    per_token: float

    def seconds_at(self, num_tokens: int) -> float:
        """Return when so many tokens are there, in seconds since the start."""
        return self.first + self.per_token * num_tokens

    def tokens_at(self, seconds: float, most: int) -> int:
        """Return how many of `most` tokens are there so many seconds after the start."""
        return bisect.bisect_right(range(1, most + 1), seconds + _EARLY, key=self.seconds_at)
