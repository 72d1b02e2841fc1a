"""What a set of graded outcomes amounts to: accuracy with its interval, cost, latency; pure functions."""

from __future__ import annotations

from ttscale_evals.metrics.accuracy import Accuracy, accuracy_of
from ttscale_evals.metrics.cost import Latency, latency_of, total_usage

__all__ = ["Accuracy", "Latency", "accuracy_of", "latency_of", "total_usage"]
