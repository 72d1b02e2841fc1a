"""What the conformance kits share: a clause of a contract, and how one is held against something."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause(Generic[T]):
    """One promise of a contract, with the check of it."""

    promise: str
    check: Callable[[T], Awaitable[None]]
    """Raises AssertionError where the promise is broken."""
    needs: frozenset[str] = frozenset()
    """Names of the `Capabilities` fields without which the promise is not made."""


def expect(holds: bool, message: str) -> None:
    """Raise an AssertionError with this message unless it holds."""
    if not holds:
        raise AssertionError(message)


async def hold_to(clauses: Sequence[Clause[T]], subject: T, *, seconds: float) -> None:
    """Check clauses one after the other.

    Args:
        clauses: the contract.
        subject: what the checks are handed.
        seconds: most time for each, on the event loop's clock.

    Raises:
        AssertionError: the first that is broken, named by its promise.
    """
    for clause in clauses:
        deadline = asyncio.timeout(seconds)
        try:
            async with deadline:
                await clause.check(subject)
        except TimeoutError as error:
            if not deadline.expired():
                raise
            raise AssertionError(f"{clause.promise}: not done within {seconds:g} s") from error
        except AssertionError as error:
            raise AssertionError(f"{clause.promise}: {error}") from error
        except ExceptionGroup as group:
            if (broken := _first_assertion(group)) is None:
                raise
            raise AssertionError(f"{clause.promise}: {broken}") from group


def _first_assertion(group: ExceptionGroup[Exception]) -> AssertionError | None:
    """Return the first failed assertion of a task group."""
    for error in group.exceptions:
        found = _first_assertion(error) if isinstance(error, ExceptionGroup) else error
        if isinstance(found, AssertionError):
            return found
    return None
