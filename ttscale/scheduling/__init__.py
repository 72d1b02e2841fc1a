"""Which samples run when: admission, priority, joining of equal requests, allocation across questions."""

from __future__ import annotations

from ttscale.scheduling.allocation import Auction, Bidder, Purse
from ttscale.scheduling.scheduler import Job, Scheduler, Statistics

__all__ = ["Auction", "Bidder", "Job", "Purse", "Scheduler", "Statistics"]
