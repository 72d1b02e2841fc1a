"""Limits on the calls of one tool: how many at once, for how long, how often, at what price."""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Final
from weakref import WeakKeyDictionary

from ttscale.tools.stopping import stoppable
from ttscale.tools.tool import Tool, ToolResult, ToolServer
from ttscale.tools.wrapped import WrappedTool, most_usd
from ttscale.types import JSON

_FIRST_PAUSE_SECONDS: Final = 0.5
"""Pause before the first repetition, doubled with each one after it."""
_LONGEST_PAUSE_SECONDS: Final = 30.0
_MOST_KEPT: Final = 1024
"""Results that are kept of one tool, the ones used last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What holds for every call of a tool.

    Raises:
        ValueError: a value is out of range.
    """

    concurrency: int | None = None
    """Most calls at once, >= 1; the others wait, first come, first served. ``None``: any number."""
    timeout_seconds: float | None = None
    """Longest time of one try, > 0, waiting left out; ``None``: what the tool itself allows. A tool that does
    not stop then has `ttscale.tools.stopping.STOP_SECONDS` more, and is closed."""
    retries: int = 0
    """How often a call is repeated that failed for a reason which may pass, >= 0."""
    is_cached: bool = False
    """Whether identical calls are made once, whoever makes them: whoever asks while one is under way waits for
    its result, later ones have it at once. Errors are not kept."""
    usd_per_call: float = 0.0
    """US dollars for each try, >= 0, beside what the tool says itself; nothing for a result that was there."""

    def __post_init__(self) -> None:
        if self.concurrency is not None and self.concurrency < 1:
            raise ValueError(f"concurrency must be >= 1, got {self.concurrency!r}")
        if self.timeout_seconds is not None and not self.timeout_seconds > 0:
            raise ValueError(f"timeout_seconds must be > 0, got {self.timeout_seconds!r}")
        if self.retries < 0:
            raise ValueError(f"retries must be >= 0, got {self.retries!r}")
        if not 0 <= self.usd_per_call < float("inf"):
            raise ValueError(f"usd_per_call must be >= 0 and finite, got {self.usd_per_call!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitedTool(WrappedTool, Limits):
    """A tool under limits, which hold for all that call this object on one event loop.

    As a parameter of a strategy it limits the calls of all questions together: so many requests at once to a
    server, say. One that is made for each question limits that question's calls.
    """

    tool: Tool
    _rooms: WeakKeyDictionary[asyncio.AbstractEventLoop, _Room] = field(
        default_factory=WeakKeyDictionary, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        Limits.__post_init__(self)
        if isinstance(self.tool, ToolServer):
            raise ValueError("these limits are of one tool; those of a server's tools are its own parameter")

    @property
    def most_usd(self) -> float:
        """The most that one call may cost, in US dollars, all its tries together."""
        return (1 + self.retries) * (self.usd_per_call + most_usd(self.tool))

    async def call(self, arguments: Mapping[str, JSON], /) -> ToolResult:
        """Call the tool within the limits, or take the result of an identical call."""
        loop = asyncio.get_running_loop()
        room = self._rooms.get(loop)
        if room is None:
            room = self._rooms[loop] = _Room(self.concurrency)
        if not self.is_cached:
            return await self._tries(arguments, room)
        key = json.dumps(arguments, sort_keys=True)
        if (kept := room.look_up(key)) is not None:
            return _reused(kept)
        return await self._shared(key, arguments, room)

    async def _shared(self, key: str, arguments: Mapping[str, JSON], room: _Room) -> ToolResult:
        """Make a call that others may wait for, or wait for theirs; one takes over where its maker stops."""
        while (under_way := room.under_way.get(key)) is not None:
            result = await asyncio.shield(under_way)  # whoever stops waiting must not cancel it for the others
            if result is not None:
                return _reused(result)
        done = room.under_way[key] = asyncio.get_running_loop().create_future()
        result = None
        try:
            result = await self._tries(arguments, room)
            if result.error is None:
                room.keep(key, result)
            return result
        finally:
            del room.under_way[key]
            done.set_result(result)

    async def _tries(self, arguments: Mapping[str, JSON], room: _Room) -> ToolResult:
        from tenacity import AsyncRetrying, retry_if_result, stop_after_attempt, wait_exponential

        usd = waited = 0.0

        async def once() -> ToolResult:
            nonlocal usd, waited
            result, began = await self._once(arguments, room)
            usd += result.usd + self.usd_per_call
            waited += result.waited_seconds + began
            return result

        tries = AsyncRetrying(
            retry=retry_if_result(lambda result: result.is_transient),
            stop=stop_after_attempt(1 + self.retries),
            wait=wait_exponential(multiplier=_FIRST_PAUSE_SECONDS, max=_LONGEST_PAUSE_SECONDS),
            retry_error_callback=lambda state: state.outcome.result() if state.outcome else None,
        )
        result: ToolResult = await tries(once)
        return replace(result, usd=usd, waited_seconds=waited)

    async def _once(self, arguments: Mapping[str, JSON], room: _Room) -> tuple[ToolResult, float]:
        """Return the result of one try, and how long it waited for its turn."""
        loop = asyncio.get_running_loop()
        asked = loop.time()
        async with room.turns:
            waited = loop.time() - asked
            deadline = asyncio.timeout(self.timeout_seconds)
            try:
                async with deadline:
                    return await stoppable(self.tool.call(arguments)), waited
            except TimeoutError:
                if not deadline.expired():
                    raise
                error = f"{self.name} took longer than {self.timeout_seconds:g} s"
                # What the tool would have said of its price is not known: it is what it may cost at most.
                return ToolResult(error=error, is_transient=True, usd=most_usd(self.tool)), waited


class _Room:
    """What the calls of one tool on one event loop have in common."""

    def __init__(self, concurrency: int | None) -> None:
        self.turns = asyncio.Semaphore(concurrency or 2**31)
        self.under_way: dict[str, asyncio.Future[ToolResult | None]] = {}
        self._kept = OrderedDict[str, ToolResult]()

    def look_up(self, key: str) -> ToolResult | None:
        if key in self._kept:
            self._kept.move_to_end(key)
        return self._kept.get(key)

    def keep(self, key: str, result: ToolResult) -> None:
        self._kept[key] = result
        if len(self._kept) > _MOST_KEPT:
            self._kept.popitem(last=False)


def _reused(result: ToolResult) -> ToolResult:
    return replace(result, usd=0.0, waited_seconds=0.0, is_reused=True)


def with_limits(tool: Tool, limits: Limits) -> LimitedTool:
    """Return a tool under limits."""
    return LimitedTool(tool=tool, **{f.name: getattr(limits, f.name) for f in fields(Limits)})
