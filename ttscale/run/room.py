"""What all runs of one engine share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ttscale.backends.base import Backend
    from ttscale.budget import CostModel
    from ttscale.scheduling import Scheduler
    from ttscale.tasks import TaskKeeper
    from ttscale.workers import Workers


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """A started backend with its scheduler, worker processes, cost model and the keeper of background tasks."""

    backend: Backend
    scheduler: Scheduler
    workers: Workers
    cost: CostModel
    keeper: TaskKeeper
