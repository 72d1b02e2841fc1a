"""Given texts that wait to be read: the log-probability of each of their tokens is wanted."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from ttscale.errors import BackendError

Logprobs: TypeAlias = tuple[float, ...] | BackendError
"""Of each token but the first, in nats; or what went wrong."""


@dataclass(slots=True, eq=False)
class Reading:
    """One text on its way, and what waits for its log-probabilities on the event loop."""

    token_ids: tuple[int, ...]
    logprobs: asyncio.Future[tuple[float, ...]]

    def settle(self, result: Logprobs) -> None:
        """Hand over the result, unless nobody waits for it any more; on the event loop's thread."""
        if self.logprobs.done():
            return
        if isinstance(result, BackendError):
            self.logprobs.set_exception(result)
        elif not all(map(math.isfinite, result)):
            self.logprobs.set_exception(
                BackendError("the model returned numbers that are not finite; try another dtype")
            )
        else:
            self.logprobs.set_result(result)


def settle_all(results: Sequence[tuple[Reading, Logprobs]]) -> None:
    """Hand over results; on the event loop's thread."""
    for reading, result in results:
        reading.settle(result)
