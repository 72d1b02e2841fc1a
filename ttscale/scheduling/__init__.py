"""Which samples run when: admission, priority, urgency, joining of equals, shared budgets, groups by prefix."""

from __future__ import annotations

from ttscale.scheduling.allocation import Auction, Bidder, Purse
from ttscale.scheduling.prefix_groups import PrefixGroup, prefix_groups
from ttscale.scheduling.scheduler import Job, Scheduler, Statistics
from ttscale.scheduling.urgency import Workflow, dispatch_score, stage_objective, urgency

__all__ = [
    "Auction",
    "Bidder",
    "Job",
    "PrefixGroup",
    "Purse",
    "Scheduler",
    "Statistics",
    "Workflow",
    "dispatch_score",
    "prefix_groups",
    "stage_objective",
    "urgency",
]
