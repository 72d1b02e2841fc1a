"""Clusters of prompts: a model is known by how often it is wrong in each of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ttscale.errors import MissingExtra
from ttscale_strategies.checks import require_at_least

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class PromptClusters:
    """Centres of clusters of prompt embeddings.

    Raises:
        ValueError: there is no centre, or one is not finite.
    """

    centres: Floats
    """Shape [num_clusters, dim]."""

    def __post_init__(self) -> None:
        if self.centres.ndim != 2 or self.centres.shape[0] == 0:
            raise ValueError(f"centres need the shape [num_clusters, dim], got {list(self.centres.shape)}")
        _require_finite(self.centres, "centres")

    @property
    def num_clusters(self) -> int:
        """K, >= 1."""
        return int(self.centres.shape[0])

    def nearest(self, embeddings: NDArray[np.floating]) -> NDArray[np.int64]:
        """Return the cluster of each prompt: that with the nearest centre, of equals the first.

        Args:
            embeddings: finite, shape [num_prompts, dim].

        Returns:
            Shape [num_prompts].

        Raises:
            ValueError: the embeddings are not of this shape or not finite.
        """
        rows = _rows(embeddings)
        if rows.shape[1] != self.centres.shape[1]:
            raise ValueError(f"embeddings need {self.centres.shape[1]} dimensions, got {rows.shape[1]}")
        # centre by centre: all differences at once would take the memory of K times the embeddings
        distances = [np.square(rows - centre).sum(axis=1) for centre in self.centres]
        return np.asarray(np.argmin(np.stack(distances, axis=1), axis=1), dtype=np.int64)

    def features(self, embeddings: NDArray[np.floating]) -> Floats:
        """Return Φ: one row a prompt, 1 at its cluster and 0 elsewhere, shape [num_prompts, K].

        Args:
            embeddings: see `nearest`.

        Raises:
            ValueError: see `nearest`.
        """
        return np.eye(self.num_clusters)[self.nearest(embeddings)]


def fit_clusters(embeddings: NDArray[np.floating], num_clusters: int, *, seed: int) -> PromptClusters:
    """Return K-means clusters of the embeddings of training prompts; nobody need have answered them.

    Jitkrittum et al. 2025, arXiv:2502.08773 (UniRoute). With K = 1 all prompts are alike, and a router can only
    choose one model for all of them: the baseline that it has to beat. K is best chosen on validation prompts.

    Args:
        embeddings: of training prompts, finite, shape [num_prompts, dim].
        num_clusters: K, >= 1; where there are fewer different embeddings, there are as many clusters as those.
        seed: of the first centres, in [0, 2**32).

    Raises:
        MissingExtra: scikit-learn is not installed and K is more than 1.
        ValueError: there are no embeddings, one is not finite, or K is less than 1.
    """
    require_at_least(num_clusters, 1, "num_clusters")
    rows = _rows(embeddings)
    if rows.shape[0] == 0:
        raise ValueError("clusters need the embedding of at least one prompt")
    different = np.unique(rows, axis=0)
    if num_clusters == 1:
        return PromptClusters(rows.mean(axis=0, keepdims=True))
    if different.shape[0] <= num_clusters:
        return PromptClusters(different)
    try:
        from sklearn.cluster import KMeans
    except ImportError as error:
        raise MissingExtra("scikit-learn", "search") from error

    means = KMeans(
        n_clusters=num_clusters,
        n_init=10,  # pyright: ignore[reportArgumentType]  # inferred from its default, a text
        random_state=seed,
    )
    fitted = means.fit(rows)
    return PromptClusters(np.asarray(fitted.cluster_centers_, dtype=np.float64))


def cluster_errors(clusters: Sequence[int] | NDArray[np.int64], losses: Floats, *, num_clusters: int) -> Floats:
    """Return Ψ: the mean loss of each model in each cluster of validation prompts.

    arXiv:2502.08773; about 400 validation prompts make a new model known. In a cluster without validation
    prompts (ours) a model's mean over all of them stands in.

    Args:
        clusters: of the validation prompts, each in [0, num_clusters), shape [num_prompts].
        losses: of each model, 1 where it is wrong and 0 where it is right, or any other loss; finite, shape
            [num_prompts, num_models].
        num_clusters: K, >= 1.

    Returns:
        Shape [num_models, num_clusters].

    Raises:
        ValueError: there are no prompts, the shapes do not fit, or a number is out of its range.
    """
    require_at_least(num_clusters, 1, "num_clusters")
    places = np.asarray(clusters, dtype=np.int64)
    if losses.ndim != 2 or losses.shape[0] != places.size or places.ndim != 1:
        raise ValueError(f"losses need the shape [{places.size}, num_models], got {list(losses.shape)}")
    if places.size == 0:
        raise ValueError("errors of clusters need at least one validation prompt")
    _require_finite(losses, "losses")
    if places.min() < 0 or places.max() >= num_clusters:
        raise ValueError(f"clusters must lie in [0, {num_clusters - 1}], got {places.min()} to {places.max()}")
    members = np.eye(num_clusters)[places]
    counts = members.sum(axis=0)
    sums = losses.T @ members
    overall = np.broadcast_to(losses.mean(axis=0)[:, None], sums.shape).copy()
    return np.asarray(np.divide(sums, counts, out=overall, where=counts > 0), dtype=np.float64)


def predicted_losses(features: Floats, errors: Floats) -> Floats:
    """Return γ(x, h) = Φ(x)ᵀ Ψ(h): the loss expected of each model on each prompt (arXiv:2502.08773).

    Args:
        features: Φ, shape [num_prompts, num_clusters]; rows of zeros and a one, or shares that sum to 1.
        errors: Ψ, shape [num_models, num_clusters].

    Returns:
        Shape [num_prompts, num_models].

    Raises:
        ValueError: the shapes do not fit.
    """
    if features.ndim != 2 or errors.ndim != 2 or features.shape[1] != errors.shape[1]:
        raise ValueError(
            f"features {list(features.shape)} and errors {list(errors.shape)} need the same number of clusters"
        )
    return np.asarray(features @ errors.T, dtype=np.float64)


def _rows(embeddings: NDArray[np.floating]) -> Floats:
    if embeddings.ndim != 2:
        raise ValueError(f"embeddings need the shape [num_prompts, dim], got {list(embeddings.shape)}")
    _require_finite(embeddings, "embeddings")
    return np.asarray(embeddings, dtype=np.float64)


def _require_finite(values: NDArray[np.floating], name: str) -> None:
    if not np.isfinite(values).all():
        raise ValueError(f"{name} must be finite, got NaN or infinity")
