"""Which samples run when: admission, priority and joining of equal requests."""

from __future__ import annotations

from ttscale.scheduling.scheduler import Job, Scheduler, Statistics

__all__ = ["Job", "Scheduler", "Statistics"]
