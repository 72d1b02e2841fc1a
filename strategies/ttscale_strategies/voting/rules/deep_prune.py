"""DeepPrune: group partial traces that will end in the same answer, finish those of the largest group."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import TypeAlias

from ttscale_strategies.checks import require_at_least, require_share

Clusters: TypeAlias = tuple[tuple[int, ...], ...]
"""Indices of traces, in the order in which they joined their cluster; clusters in the order of creation."""


def compared_members(clusters: Clusters, max_members: int, rng: random.Random) -> Clusters:
    """Return the members of each cluster that a new trace is compared with: all, or so many drawn at random.

    Tu et al. 2025, arXiv:2510.08483.

    Args:
        clusters: of the traces so far.
        max_members: K1, >= 1.
        rng: draws them; the same state draws the same.

    Raises:
        ValueError: max_members is less than 1.
    """
    require_at_least(max_members, 1, "max_members")
    return tuple(
        cluster if len(cluster) <= max_members else tuple(sorted(rng.sample(cluster, max_members)))
        for cluster in clusters
    )


def placed(
    clusters: Clusters,
    trace: int,
    similarities: Sequence[Sequence[float]],
    *,
    threshold: float = 0.5,
    max_clusters: int = 32,
) -> Clusters:
    """Return the clusters with one more trace in them: one step of the greedy clustering.

    arXiv:2510.08483. The trace joins the cluster it is most similar to on average, if that is above the
    threshold; else it founds one of its own. Once there are `max_clusters` (K; the paper's number is not known
    to us) it joins the most similar in any case. Ties go to the cluster created first.

    Args:
        clusters: of the traces so far.
        trace: index of the new one.
        similarities: the judge's probabilities, in [0, 1], that the trace ends in the same answer as the
            members it was compared with, shape [num_clusters][num_compared]; an empty list counts as 0.
        threshold: τ, in [0, 1]; exactly so similar is not similar enough.
        max_clusters: >= 1.

    Raises:
        ValueError: the trace is in a cluster already, there is not one list a cluster, or a number is out of
            its range.
    """
    require_share(threshold, "threshold")
    require_at_least(max_clusters, 1, "max_clusters")
    if any(trace in cluster for cluster in clusters):
        raise ValueError(f"trace {trace!r} is in a cluster already")
    if len(similarities) != len(clusters):
        raise ValueError(
            f"similarities need one list a cluster, got {len(similarities)} for {len(clusters)} clusters"
        )
    means = [_mean(compared) for compared in similarities]
    best = max(range(len(means)), key=means.__getitem__) if means else None
    if best is None or (means[best] <= threshold and len(clusters) < max_clusters):
        return (*clusters, (trace,))
    return (*clusters[:best], (*clusters[best], trace), *clusters[best + 1 :])


def _mean(similarities: Sequence[float]) -> float:
    for similarity in similarities:
        require_share(similarity, "a similarity")
    return math.fsum(similarities) / len(similarities) if similarities else 0.0


def traces_to_finish(clusters: Clusters, *, max_members: int = 10, max_singletons: int = 64) -> tuple[int, ...]:
    """Return which traces are written to their end, to vote: the first of the largest cluster.

    arXiv:2510.08483. If every trace stands alone there is nothing to prune, and the first `max_singletons`
    are finished. The paper's K2 and K3 are not known to us.

    Args:
        clusters: of all traces.
        max_members: K2, most traces of the largest cluster, >= 1; of equally large ones the first created.
        max_singletons: K3, >= 1.

    Raises:
        ValueError: a number is less than 1.
    """
    require_at_least(max_members, 1, "max_members")
    require_at_least(max_singletons, 1, "max_singletons")
    largest = max(clusters, key=len, default=())
    if len(largest) > 1:
        return largest[:max_members]
    return tuple(trace for cluster in clusters for trace in cluster)[:max_singletons]


def focal_loss(probability: float, *, gamma: float = 2.0, alpha: float = 1.0) -> float:
    """Return -alpha (1 - p)^gamma ln p, what a judge of pairs is trained with; in nats.

    Lin et al. 2017, arXiv:1708.02002; arXiv:2510.08483 trains its judge with it, as few pairs differ.

    Args:
        probability: what the judge gave the truth, in (0, 1].
        gamma: >= 0; 0 is the cross-entropy.
        alpha: the weight of the truth's class, >= 0.

    Raises:
        ValueError: a number is out of its range.
    """
    require_at_least(gamma, 0.0, "gamma")
    require_at_least(alpha, 0.0, "alpha")
    if not 0.0 < probability <= 1.0:
        raise ValueError(f"probability must lie in (0, 1], got {probability!r}")
    return alpha * math.pow(1.0 - probability, gamma) * -math.log(probability)
