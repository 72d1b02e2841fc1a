"""Given texts that wait to be read, for the log-probabilities of their tokens or for rewards."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from ttscale.errors import BackendError

Result: TypeAlias = tuple[float, ...] | BackendError
"""What was read off a text, or what went wrong."""

NOT_FINITE: Final = "the model returned numbers that are not finite; try another dtype"


@dataclass(slots=True, eq=False)
class Reading:
    """One text on its way, and what waits for its values on the event loop."""

    token_ids: tuple[int, ...]
    """At least one."""
    values: asyncio.Future[tuple[float, ...]]
    positions: Sequence[int] = ()
    """Where rewards are read off."""

    def settle(self, result: Result) -> None:
        """Hand over the result, unless nobody waits for it any more; on the event loop's thread."""
        if self.values.done():
            return
        if isinstance(result, BackendError):
            self.values.set_exception(result)
        elif not all(map(math.isfinite, result)):
            self.values.set_exception(BackendError(NOT_FINITE))
        else:
            self.values.set_result(result)


def settle_all(results: Sequence[tuple[Reading, Result]]) -> None:
    """Hand over results; on the event loop's thread."""
    for reading, result in results:
        reading.settle(result)


def batch_length(lengths: Sequence[int], most: int, max_tokens: int) -> int:
    """Return how many texts, from the first on, make a batch: at least one.

    Args:
        lengths: of the texts, in tokens.
        most: texts in a batch.
        max_tokens: in a batch, texts filled up to the longest.
    """
    longest = 0
    for count, length in enumerate(lengths[:most]):
        longest = max(longest, length)
        if count and (count + 1) * longest > max_tokens:
            return count
    return min(len(lengths), most)


def describe(error: Exception, what: str) -> str:
    """Return what to say where the model failed on something, a sample say."""
    lines = str(error).strip().splitlines() or ["no message"]
    return f"the model failed on this {what}: {type(error).__name__}: {lines[0]}"
