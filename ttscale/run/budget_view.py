"""A strategy's view of its budget."""

from __future__ import annotations

from dataclasses import dataclass

from ttscale.budget import Budget, Scope
from ttscale.types import Usage


@dataclass(frozen=True, slots=True)
class BudgetView:
    """What a strategy may know of its budget."""

    _scope: Scope

    @property
    def remaining(self) -> Budget:
        """What is left, by quantity; ``None``: no limit."""
        return self._scope.remaining

    @property
    def usage(self) -> Usage:
        """What this run and its children have used so far."""
        return self._scope.usage

    @property
    def samples(self) -> int:
        """How many samples count against the budgets of this run so far, its children's included."""
        return self._scope.committed.samples
