"""Who of several questions that share a budget may draw next: the one to which it is worth most.

The ledger sees to it that a budget is not overrun, whoever asks first. Where many questions live on one budget
the order in which they ask decides what is bought with it. So each of them bids what its next samples are
worth, and `Auction` lets few of them at a time have a turn, the highest bid first. A turn lasts until its
holder bids again, against all others, or leaves: nobody is passed over because a bid came a moment late. Those
who wait cost nothing. What a turn spends is the ledger's business, and so is its refusal once nothing is left.

All methods belong to one event loop's thread; there is nothing to lock.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import math
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from ttscale.budget import Scope


class Auction:
    """Turns for those who share a budget, `max_turns` of them at once, by value."""

    def __init__(self, max_turns: int | None = None) -> None:
        """Begin without bidders.

        Args:
            max_turns: >= 1; ``None``: every bid has its turn at once.

        Raises:
            ValueError: it is less than 1.
        """
        if max_turns is not None and max_turns < 1:
            raise ValueError(f"max_turns must be >= 1, got {max_turns!r}")
        self.max_turns = max_turns
        self.num_turns = 0
        """Turns being had now."""
        self._waiting: list[tuple[float, int, int, asyncio.Future[None]]] = []
        self._numbers = itertools.count()
        self._is_due = False

    @property
    def num_waiting(self) -> int:
        """How many bids wait for their turn."""
        return sum(not turn.done() for *_, turn in self._waiting)

    def bidder(self, order: int = 0) -> Bidder:
        """Return one who may bid; `order` says who is first of equal bids, the lower one."""
        return Bidder(self, order)

    def enter(self, value: float, order: int) -> asyncio.Future[None]:
        """Take a bid in, and return a future that is done when its turn comes; called by `Bidder`."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (-value, order, next(self._numbers), turn))
        self._serve_soon()
        return turn

    def end_turn(self) -> None:
        """Take a turn back; called by `Bidder`."""
        self.num_turns -= 1
        self._serve_soon()

    def _serve_soon(self) -> None:
        """Serve bids when the event loop comes round: those made until then are held against each other."""
        if not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_soon(self._serve)

    def _serve(self) -> None:
        self._is_due = False
        while self._waiting and (self.max_turns is None or self.num_turns < self.max_turns):
            *_, turn = heapq.heappop(self._waiting)
            if not turn.done():  # else its bidder was cancelled
                turn.set_result(None)
                self.num_turns += 1


class Bidder:
    """One run at an auction: an async context manager, whose end gives back the turn that it has, if any."""

    def __init__(self, auction: Auction, order: int) -> None:
        """Made by `Auction.bidder`."""
        self._auction = auction
        self._order = order
        self._turn: asyncio.Future[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    @property
    def has_turn(self) -> bool:
        """Whether it may draw now."""
        return self._turn is not None and self._turn.done() and not self._turn.cancelled()

    async def claim(self, value: float) -> None:
        """End the turn that it has, if any, and wait for the next one.

        Whoever holds a turn must not wait for another bidder's: with one turn at a time that would be for ever.

        Args:
            value: of what it would draw, in whatever unit all bidders use; greater first, ``math.inf`` before
                all others.

        Raises:
            ValueError: the value is not a number.
        """
        if math.isnan(value):
            raise ValueError("the value of a turn must be a number, got nan")
        self._end()
        if self._auction.max_turns is None:
            return
        self._turn = self._auction.enter(value, self._order)
        await self._turn

    def _end(self) -> None:
        if self.has_turn:
            self._auction.end_turn()
        self._turn = None


@dataclass(frozen=True, slots=True)
class Purse:
    """A budget that several questions live on, and their turns at it."""

    scope: Scope
    auction: Auction
