"""The cells of a run: what it consists of, and what becomes of their numbers when others join them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from ttscale.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCell:
    """One strategy on one benchmark, with one model and budget, as planned."""

    number: int
    benchmark: str
    strategy: str
    num_problems: int
    fingerprint: str
    """Of its problems and of everything else that determines their results."""
    model: str = ""
    """What reports call it; empty in the store of a version that knew only one a run, see `named`."""
    budget: str = ""
    """Of a problem, as in ``--budget``; empty: none."""

    @property
    def identity(self) -> tuple[str, str, str, str]:
        """What it is, whatever its number."""
        return self.benchmark, self.strategy, self.model, self.budget


Begins: TypeAlias = Callable[[StoredCell, int], str]
"""Returns the fingerprint of the first so many problems of a cell."""


def named(cells: Sequence[StoredCell], *, model: str, budget: str) -> list[StoredCell]:
    """Return cells with the run's one model and budget filled in where an older version did not say them."""
    return [cell if cell.model else replace(cell, model=model, budget=budget) for cell in cells]


def renumbering(
    before: Sequence[StoredCell], now: Sequence[StoredCell], begins: Begins | None, *, where: str
) -> Mapping[int, int]:
    """Return the new number of each cell by its old one.

    Args:
        before: the run's cells so far.
        now: all that it is to have.
        begins: see `Begins`; ``None``: no cell has more problems than before.
        where: the run's directory, for messages.

    Raises:
        ConfigError: a cell is gone, or its problems are not those that it had, with others after them perhaps.
    """
    places = {cell.identity: cell for cell in now}
    numbers = dict[int, int]()
    for old in before:
        new = places.get(old.identity)
        if new is None:
            raise ConfigError(
                f"the run in {where!r} has {old.strategy!r} on {old.benchmark!r}, which is gone; "
                f"choose another --out, or put it back."
            )
        is_raised = begins is not None and new.num_problems > old.num_problems
        found = begins(new, old.num_problems) if begins is not None and is_raised else new.fingerprint
        if found != old.fingerprint:
            raise ConfigError(
                f"the problems of {old.benchmark!r} have changed since the run in {where!r} began; "
                f"choose another --out, or restore the data."
            )
        numbers[old.number] = new.number
    return numbers
