"""What a set of graded outcomes amounts to: accuracy with its interval, cost, latency; pure functions."""

from __future__ import annotations

from ttscale_evals.metrics.accuracy import Accuracy, accuracy_of
from ttscale_evals.metrics.basis import Basis, how_known
from ttscale_evals.metrics.cost import EngineWork, Latency, engine_work_of, latency_of, total_usage
from ttscale_evals.metrics.measures import mean_measures
from ttscale_evals.metrics.sharing import PromptSharing, nodes_of, sharing_by_model, sharing_of

__all__ = [
    "Accuracy",
    "Basis",
    "EngineWork",
    "Latency",
    "PromptSharing",
    "accuracy_of",
    "engine_work_of",
    "how_known",
    "latency_of",
    "mean_measures",
    "nodes_of",
    "sharing_by_model",
    "sharing_of",
    "total_usage",
]
