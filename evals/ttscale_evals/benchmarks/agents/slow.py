"""Tools that take their time, as those behind a network do."""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

from ttscale.tools import Tool, ToolResult, WrappedTool
from ttscale.types import JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowTool(WrappedTool):
    """A tool that answers after a while, as one behind a network does."""

    tool: Tool
    seconds: float
    """Median, >= 0."""
    spread: float = 0.0
    """Standard deviation of the logarithm, >= 0."""

    def __post_init__(self) -> None:
        _check(self.seconds, self.spread)

    async def call(self, arguments: Mapping[str, JSON], /) -> ToolResult:
        """Wait, on the clock of the event loop, then call the tool."""
        await asyncio.sleep(self.delay_seconds(arguments))
        return await self.tool.call(arguments)

    def delay_seconds(self, arguments: Mapping[str, JSON]) -> float:
        """Return how long a call waits: log-normal, drawn from the tool's name and the arguments."""
        if not self.spread:
            return self.seconds
        text = json.dumps([self.name, dict(arguments)], sort_keys=True)
        digest = int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:6], "big")
        share = (digest + 0.5) / 2**48
        return self.seconds * math.exp(NormalDist(sigma=self.spread).inv_cdf(share))


def slowed(tools: Iterable[Tool], *, seconds: float, spread: float = 0.0) -> Sequence[Tool]:
    """Return tools that wait before they answer; as they are where the time is 0.

    Args:
        tools: of any kind.
        seconds: median time of a call, >= 0.
        spread: standard deviation of its logarithm, >= 0; the same call takes the same time everywhere.

    Raises:
        ValueError: a number is out of range.
    """
    _check(seconds, spread)
    return [SlowTool(tool=tool, seconds=seconds, spread=spread) if seconds else tool for tool in tools]


def _check(seconds: float, spread: float) -> None:
    for name, value in (("tool_seconds", seconds), ("tool_spread", spread)):
        if not 0 <= value < math.inf:
            raise ValueError(f"{name} must be >= 0, got {value!r}")
