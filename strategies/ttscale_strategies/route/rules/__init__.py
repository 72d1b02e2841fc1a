"""The routing family's rules: what a model is expected to get wrong, whom to ask, and what that is worth."""

from __future__ import annotations

from ttscale_strategies.route.rules.clusters import (
    PromptClusters,
    cluster_errors,
    fit_clusters,
    predicted_losses,
)
from ttscale_strategies.route.rules.objective import (
    CurvePoint,
    RoutedPoint,
    Ties,
    chosen_models,
    cost_quality_curve,
    decisive_weights,
    mean_quality,
    mixing_hull,
    quality_at,
    query_normalized_cost,
    single_models,
)

__all__ = [
    "CurvePoint",
    "PromptClusters",
    "RoutedPoint",
    "Ties",
    "chosen_models",
    "cluster_errors",
    "cost_quality_curve",
    "decisive_weights",
    "fit_clusters",
    "mean_quality",
    "mixing_hull",
    "predicted_losses",
    "quality_at",
    "query_normalized_cost",
    "single_models",
]
