"""What a reader calls a row: its strategy, and of model and budget what tells it from the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Named(Protocol):
    """A row, an answer, a failure."""

    @property
    def strategy(self) -> str:
        """Its title."""
        ...

    @property
    def model(self) -> str:
        """Its title."""
        ...

    @property
    def budget(self) -> str:
        """As in ``--budget``; empty: none."""
        ...


class Naming:
    """Names for the members of a list."""

    def __init__(self, items: Sequence[Named]) -> None:
        """Look at what they have several of."""
        self._has_models = len({item.model for item in items}) > 1
        self._has_budgets = len({item.budget for item in items}) > 1

    def model(self, item: Named) -> list[str]:
        """Return the model, where there are several."""
        return [item.model] if self._has_models else []

    def budget(self, item: Named) -> list[str]:
        """Return the budget, where there are several."""
        return [item.budget or "no budget"] if self._has_budgets else []

    def name(self, item: Named) -> str:
        """Return the whole name: ``single · abacus · tokens=400``."""
        return " · ".join([item.strategy, *self.model(item), *self.budget(item)])
