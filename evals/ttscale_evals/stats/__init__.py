"""Estimates with their uncertainty: pure functions on numpy arrays, seeded where they draw."""

from __future__ import annotations

from ttscale_evals.stats.clusters import clustered_bootstrap_interval, clustered_stderr
from ttscale_evals.stats.denominators import HonestAccuracy, honest_accuracy, problem_means
from ttscale_evals.stats.estimators import mean_and_stderr, percentile
from ttscale_evals.stats.holm import holm_adjusted
from ttscale_evals.stats.intervals import Interval, bootstrap_interval, percentile_interval, wilson_interval
from ttscale_evals.stats.mcnemar import McNemar, mcnemar_test
from ttscale_evals.stats.paired import PairedDifference, paired_difference, problems_needed
from ttscale_evals.stats.pass_rates import pass_at_k, pass_at_k_by_problem, pass_hat_k, pass_hat_k_by_problem
from ttscale_evals.stats.resampling import resampled_means
from ttscale_evals.stats.selection import best_at_k, rule_at_k
from ttscale_evals.stats.sign_flips import sign_flip_p_value
from ttscale_evals.stats.subsets import sample_subsets
from ttscale_evals.stats.votes import maj_at_k, maj_curve, weighted_maj_at_k

__all__ = [
    "HonestAccuracy",
    "Interval",
    "McNemar",
    "PairedDifference",
    "best_at_k",
    "bootstrap_interval",
    "clustered_bootstrap_interval",
    "clustered_stderr",
    "holm_adjusted",
    "honest_accuracy",
    "maj_at_k",
    "maj_curve",
    "mcnemar_test",
    "mean_and_stderr",
    "paired_difference",
    "pass_at_k",
    "pass_at_k_by_problem",
    "pass_hat_k",
    "pass_hat_k_by_problem",
    "percentile",
    "percentile_interval",
    "problem_means",
    "problems_needed",
    "resampled_means",
    "rule_at_k",
    "sample_subsets",
    "sign_flip_p_value",
    "weighted_maj_at_k",
    "wilson_interval",
]
