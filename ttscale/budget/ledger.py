"""The ledger: nested scopes of a budget, with reserve, commit and release.

Whoever wants to spend reserves the worst case first, spends, and settles: `Reservation.commit` books what was
really used and frees the rest, `Reservation.release` frees all of it. Each scope's reservation also counts in
every scope above it, so that at every instant and in every scope

    committed + reserved <= limit.

A request that does not fit now but may fit once others settle waits its turn (first come, first served). One
that can never fit is granted what is left, down to its stated least, or refused with `BudgetExhausted`.

All methods belong to one event loop's thread; there is nothing to lock.
"""

from __future__ import annotations

import asyncio
import bisect
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields

from ttscale.budget.budget import Budget
from ttscale.errors import BudgetExhausted
from ttscale.types import Usage

_SLACK = 1e-9
"""Relative tolerance of floating-point limits; whole quantities are exact."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """A quantity of everything a budget limits, time excepted. Unknown FLOPs and dollars count as 0."""

    samples: int = 0
    tokens: int = 0
    flops: float = 0.0
    usd: float = 0.0
    tool_calls: int = 0

    # Both are written out: they are called for every sample, once in each scope.
    def __add__(self, other: Amount) -> Amount:
        return Amount(
            samples=self.samples + other.samples,
            tokens=self.tokens + other.tokens,
            flops=self.flops + other.flops,
            usd=self.usd + other.usd,
            tool_calls=self.tool_calls + other.tool_calls,
        )

    def __sub__(self, other: Amount) -> Amount:
        return Amount(
            samples=self.samples - other.samples,
            tokens=self.tokens - other.tokens,
            flops=self.flops - other.flops,
            usd=self.usd - other.usd,
            tool_calls=self.tool_calls - other.tool_calls,
        )


QUANTITIES = tuple(f.name for f in fields(Amount))
"""Names of the limited quantities."""

Price = Callable[[int], Amount]
"""Worst-case cost of granting so many units (tokens to generate, mostly); never falls as units grow."""


class Reservation:
    """A granted claim on a scope and all above it; settled once, by `commit` or `release`."""

    def __init__(self, scope: Scope, amount: Amount, units: int) -> None:
        self.amount = amount
        self.units = units
        """How many units were granted."""
        self._scope: Scope | None = scope

    @property
    def is_open(self) -> bool:
        """Whether it has not been settled yet."""
        return self._scope is not None

    def commit(self, usage: Usage) -> None:
        """Book what was used and free the rest. The samples and tool calls reserved count as used.

        Raises:
            RuntimeError: it was settled before.
        """
        spent = Amount(
            samples=self.amount.samples,
            tokens=usage.tokens,
            flops=usage.flops or 0.0,
            usd=usage.usd or 0.0,
            tool_calls=self.amount.tool_calls,
        )
        self._settle(spent, usage)

    def release(self) -> None:
        """Free all of it: nothing was spent.

        Raises:
            RuntimeError: it was settled before.
        """
        self._settle(Amount(), Usage())

    def _settle(self, spent: Amount, usage: Usage) -> None:
        scope, self._scope = self._scope, None
        if scope is None:
            raise RuntimeError("this reservation has been settled already")
        chain = list(scope.chain())
        for link in chain:
            link.settle(self.amount, spent, usage)
        for link in chain:
            link.serve_waiters()


@dataclass(slots=True)
class _Waiter:
    scope: Scope
    price: Price
    most: int
    least: int
    granted: asyncio.Future[Reservation]


class Scope:
    """One level of the ledger: the whole run, a question, a child of its strategy."""

    def __init__(
        self,
        budget: Budget | None = None,
        *,
        label: str = "run",
        parent: Scope | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.budget = budget or Budget()
        self.label = label
        self.parent = parent
        self.committed = Amount()
        self.reserved = Amount()
        self.usage = Usage()
        """Everything committed here and below, in buckets."""
        self._clock = clock
        self._started = clock()
        self._outstanding = 0
        self._waiters: deque[_Waiter] = deque()

    def child(self, budget: Budget | None = None, *, label: str) -> Scope:
        """Open a scope below this one; what it spends counts here too."""
        return Scope(budget, label=label, parent=self, clock=self._clock)

    def chain(self) -> Iterator[Scope]:
        """Yield this scope and those above it, innermost first."""
        scope: Scope | None = self
        while scope is not None:
            yield scope
            scope = scope.parent

    @property
    def remaining(self) -> Budget:
        """What may still be reserved here, the limits above taken into account; ``None``: no limit."""
        lefts = {name: self._left(name) for name in QUANTITIES}
        return Budget(**lefts, seconds=self.seconds_left())  # type: ignore[arg-type]  # whole stays whole

    def _left(self, name: str) -> float | None:
        lefts = [left for scope in self.chain() if (left := scope.own_left(name)) is not None]
        return max(0, min(lefts)) if lefts else None

    def own_left(self, name: str) -> float | None:
        """Return this scope's limit of a quantity less what is committed and reserved, or ``None``."""
        limit: float | None = getattr(self.budget, name)
        if limit is None:
            return None
        used: float = getattr(self.committed, name) + getattr(self.reserved, name)
        return limit - used

    def seconds_left(self) -> float | None:
        """Return the seconds until the nearest deadline of this scope and those above, never negative."""
        lefts = [
            scope.budget.seconds - (self._clock() - scope._started)
            for scope in self.chain()
            if scope.budget.seconds is not None
        ]
        return max(0.0, min(lefts)) if lefts else None

    def try_reserve(self, price: Price, most: int, least: int | None = None) -> Reservation | None:
        """Reserve `most` units, or down to `least` if more can never fit; ``None``: not now.

        Args:
            price: worst-case cost of so many units.
            most: units wanted, >= 1.
            least: fewest units worth having; default `most`.

        Raises:
            BudgetExhausted: not even `least` units can ever fit.
        """
        found = self._decide(price, most, most if least is None else least)
        return found if isinstance(found, Reservation) else None

    async def reserve(self, price: Price, most: int, least: int | None = None) -> Reservation:
        """As `try_reserve`, but wait for others to settle where that may help.

        Raises:
            BudgetExhausted: not even `least` units can ever fit.
        """
        at_least = most if least is None else least
        found = self._decide(price, most, at_least)
        if isinstance(found, Reservation):
            return found
        waiter = _Waiter(self, price, most, at_least, asyncio.get_running_loop().create_future())
        found._waiters.append(waiter)
        try:
            return await waiter.granted
        except asyncio.CancelledError:
            if waiter.granted.done() and not waiter.granted.cancelled() and not waiter.granted.exception():
                waiter.granted.result().release()
            raise

    def _decide(self, price: Price, most: int, least: int, *, first: bool = False) -> Reservation | Scope:
        """Grant a reservation, or return the scope whose outstanding reservations are worth waiting for.

        Args:
            price: worst-case cost.
            most: units wanted.
            least: fewest units acceptable.
            first: whether the asker is first in line, so that earlier waiters need not be respected.
        """
        short: list[Scope] = []
        wanted = price(most)
        for scope in self.chain():
            if scope._waiters and not first:
                return scope
            if scope.lacking(wanted) is not None:
                if scope._outstanding:
                    return scope
                short.append(scope)
        units = most
        if short:
            units = self._most_that_fits(price, most, least, short)
        return self._grant(price(units), units)

    @staticmethod
    def _most_that_fits(price: Price, most: int, least: int, short: list[Scope]) -> int:
        for scope in short:
            if (name := scope.lacking(price(least))) is not None:
                raise scope.exhausted(name, price(least))

        def refused(units: int) -> bool:
            return any(scope.lacking(price(units)) is not None for scope in short)

        return least + bisect.bisect_left(range(least + 1, most + 1), True, key=refused)

    def _grant(self, amount: Amount, units: int) -> Reservation:
        for scope in self.chain():
            scope.reserved += amount
            scope._outstanding += 1
        return Reservation(self, amount, units)

    def lacking(self, amount: Amount) -> str | None:
        """Return the first quantity of which this scope has too little left, or ``None`` if all fits."""
        for name in QUANTITIES:
            limit: float | None = getattr(self.budget, name)
            wanted: float = getattr(amount, name)
            if limit is None or not wanted:
                continue
            slack = limit * _SLACK if isinstance(limit, float) else 0
            used: float = getattr(self.committed, name) + getattr(self.reserved, name)
            if used + wanted > limit + slack:
                return name
        return None

    def exhausted(self, name: str, amount: Amount) -> BudgetExhausted:
        """Return the error that says this quantity is spent."""
        limit: float = getattr(self.budget, name)
        return BudgetExhausted(name, limit, getattr(amount, name), self.own_left(name) or 0.0, self.label)

    def settle(self, reserved: Amount, spent: Amount, usage: Usage) -> None:
        """Move a reservation's amount from reserved to committed; called by `Reservation`."""
        self._outstanding -= 1
        # with nothing outstanding the sum is zero: no rounding error may stay behind
        self.reserved = self.reserved - reserved if self._outstanding else Amount()
        self.committed += spent
        self.usage += usage

    def serve_waiters(self) -> None:
        """Grant, move on or refuse those who wait here, in order, until one must go on waiting."""
        while self._waiters:
            waiter = self._waiters[0]
            if waiter.granted.done():  # its task was cancelled
                self._waiters.popleft()
                continue
            try:
                found = waiter.scope._decide(waiter.price, waiter.most, waiter.least, first=True)
            except BudgetExhausted as error:
                self._waiters.popleft()
                waiter.granted.set_exception(error)
                continue
            if found is self:
                return
            self._waiters.popleft()
            if isinstance(found, Reservation):
                waiter.granted.set_result(found)
            else:
                found._waiters.append(waiter)
