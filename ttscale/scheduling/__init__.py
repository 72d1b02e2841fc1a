"""Which samples run when: admission, priority, urgency, joining of equal requests, allocation of budgets."""

from __future__ import annotations

from ttscale.scheduling.allocation import Auction, Bidder, Purse
from ttscale.scheduling.scheduler import Job, Scheduler, Statistics
from ttscale.scheduling.urgency import Workflow, dispatch_score, stage_objective, urgency

__all__ = [
    "Auction",
    "Bidder",
    "Job",
    "Purse",
    "Scheduler",
    "Statistics",
    "Workflow",
    "dispatch_score",
    "stage_objective",
    "urgency",
]
