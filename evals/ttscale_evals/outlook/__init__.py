"""What a run would take, before it is started: ``ttscale eval --dry-run``."""

from __future__ import annotations

from ttscale_evals.outlook.estimate import CellEstimate, Estimate, estimate
from ttscale_evals.outlook.table import render_estimate

__all__ = ["CellEstimate", "Estimate", "estimate", "render_estimate"]
