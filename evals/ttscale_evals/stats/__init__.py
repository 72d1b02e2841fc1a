"""Estimates with their uncertainty: pure functions on numpy arrays, seeded where they draw."""

from __future__ import annotations

from ttscale_evals.stats.estimators import mean_and_stderr, pass_at_k, pass_hat_k, percentile
from ttscale_evals.stats.intervals import Interval, bootstrap_interval, wilson_interval
from ttscale_evals.stats.resampling import resampled_means

__all__ = [
    "Interval",
    "bootstrap_interval",
    "mean_and_stderr",
    "pass_at_k",
    "pass_hat_k",
    "percentile",
    "resampled_means",
    "wilson_interval",
]
