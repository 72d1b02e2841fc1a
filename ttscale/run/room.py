"""What all runs on one model share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ttscale.backends.base import Backend
    from ttscale.budget import CostModel
    from ttscale.run.rooms import Rooms
    from ttscale.scheduling import Scheduler
    from ttscale.tasks import TaskKeeper
    from ttscale.workers import Workers


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """A started backend with its scheduler and cost model, and what the rooms of an engine have in common."""

    backend: Backend
    scheduler: Scheduler
    cost: CostModel
    workers: Workers
    keeper: TaskKeeper
    rooms: Rooms
    """The engine's other models."""
