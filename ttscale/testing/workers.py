"""An engine on a virtual clock that shares its worker processes with others."""

from __future__ import annotations

from collections.abc import Mapping

from ttscale.backends.base import Backend
from ttscale.budget import Budget
from ttscale.engine import Engine
from ttscale.virtual import BlockingWorkers
from ttscale.workers import Workers


class VirtualEngine(Engine):
    """An engine on a virtual clock, with `BlockingWorkers`."""

    def __init__(
        self,
        backend: Backend,
        workers: BlockingWorkers,
        *,
        budget: Budget | None = None,
        models: Mapping[str, Backend] | None = None,
    ) -> None:
        super().__init__(backend, budget=budget, models=models)
        self._blocking = workers

    def _new_workers(self) -> Workers:
        return self._blocking
