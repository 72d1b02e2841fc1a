"""Fitting a router to questions whose answers by every model have been graded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ttscale.errors import MissingExtra
from ttscale_strategies.route.gain import curve_area
from ttscale_strategies.route.router import ClusterMap, LogisticMap, Router
from ttscale_strategies.route.rules import cluster_errors, fit_clusters
from ttscale_strategies.route.text import fit_text_embedding

Floats = NDArray[np.float64]
Method = Literal["clusters", "logistic", "best"]

NUM_CLUSTERS: Final = (1, 2, 4, 8, 16, 32)
"""What is tried for K; 1 is the zero router, which asks one model for all questions."""
STRENGTHS: Final = (0.001, 0.003, 0.01, 0.03, 0.1)
"""What is tried for the inverse of the penalty on a logistic map's weights."""
_DECIMALS: Final = 9


def fit_router(
    questions: Sequence[str],
    correctness: ArrayLike,
    costs: Mapping[str, Sequence[float]],
    *,
    models: Sequence[str],
    embeddings: ArrayLike | None = None,
    method: Method = "best",
    num_folds: int = 5,
    num_directions: int = 32,
    seed: int = 0,
) -> Router:
    """Return a router that expects of each model what it got wrong on questions like the one asked.

    UniRoute (Jitkrittum et al. 2025, arXiv:2502.08773): K-means clusters and each model's mean loss in them, or
    a learned map (see `LogisticMap` for how it departs). K, or the strength of the penalty, or with
    ``method="best"`` the kind of map too, is what has the highest mean accuracy over costs on folds left out;
    then it is fitted on all. The same arguments give the same router.

    Args:
        questions: as users ask them, shape [num_questions].
        correctness: of each model's answer, or the mean of several, in [0, 1], shape [num_questions,
            num_models].
        costs: by name, one number a model each; the first is what choices are compared at.
        models: names; `Route` asks those of the same name.
        embeddings: of the questions, finite, shape [num_questions, num_features]; ``None``: TF-IDF of the words
            and what the questions look like (`fit_text_embedding`).
        method: ``"clusters"``, ``"logistic"``, or whichever is better on folds left out.
        num_folds: for this comparison, >= 2; at most the number of questions.
        num_directions: of the words' TF-IDF weights.
        seed: of folds and clusters, in [0, 2**32).

    Raises:
        MissingExtra: scikit-learn is not installed.
        ValueError: there are fewer than two questions, the shapes do not fit, or a number is out of its range.
    """
    right = _graded(questions, correctness, models)
    if not 2 <= num_folds <= len(questions):
        raise ValueError(f"num_folds must lie in [2, {len(questions)}], got {num_folds!r}")
    if not costs or any(len(values) != len(models) for values in costs.values()):
        raise ValueError(f"costs need one number for each of {len(models)} models, and at least one cost")
    price = [float(value) for value in next(iter(costs.values()))]
    text = (
        fit_text_embedding(questions, num_directions=num_directions, seed=seed) if embeddings is None else None
    )
    rows = np.asarray(embeddings, dtype=np.float64) if text is None else text.embed(questions)
    if rows.ndim != 2 or rows.shape[0] != len(questions) or not np.isfinite(rows).all():
        raise ValueError(f"embeddings need finite numbers, one row a question; got {list(rows.shape)}")
    means = np.round(rows.mean(axis=0), _DECIMALS)
    deviations = rows.std(axis=0)
    scales: Floats = np.asarray(np.where(deviations > 1e-6, deviations, 1.0), dtype=np.float64).round(_DECIMALS)
    features = (rows - means) / scales
    kinds = [("clusters", float(num)) for num in NUM_CLUSTERS] if method != "logistic" else []
    kinds += [("logistic", strength) for strength in STRENGTHS] if method != "clusters" else []
    validation = {
        f"{kind} {value:g}": _validated(kind, value, features, right, price, num_folds=num_folds, seed=seed)
        for kind, value in kinds
    }
    kind, value = kinds[int(np.argmax(list(validation.values())))]
    return Router(
        models=tuple(models),
        costs={name: tuple(float(cost) for cost in values) for name, values in costs.items()},
        text=text,
        means=means,
        scales=scales,
        losses=_fitted(kind, value, features, right, seed=seed),
        validation=validation,
        num_questions=len(questions),
    )


def _graded(questions: Sequence[str], correctness: ArrayLike, models: Sequence[str]) -> Floats:
    right = np.asarray(correctness, dtype=np.float64)
    if right.shape != (len(questions), len(models)) or len(questions) < 2 or not models:
        raise ValueError(
            f"correctness needs the shape [{len(questions)}, {len(models)}] of two questions or more and their "
            f"models, got {list(right.shape)}"
        )
    if not ((right >= 0.0) & (right <= 1.0)).all():  # NaN is not
        raise ValueError("correctness must lie in [0, 1]")
    return right


def _validated(
    kind: str,
    value: float,
    features: Floats,
    right: Floats,
    price: Sequence[float],
    *,
    num_folds: int,
    seed: int,
) -> float:
    """Return the mean accuracy over costs on folds left out, all of them together."""
    if min(price) == max(price):  # no cost to weigh: the share of questions whose chosen model is right
        return _accuracy(kind, value, features, right, num_folds=num_folds, seed=seed)
    expected = _left_out(kind, value, features, right, num_folds=num_folds, seed=seed)
    return curve_area(expected, price, right)


def _accuracy(kind: str, value: float, features: Floats, right: Floats, *, num_folds: int, seed: int) -> float:
    expected = _left_out(kind, value, features, right, num_folds=num_folds, seed=seed)
    return float(right[np.arange(len(right)), expected.argmin(axis=1)].mean())


def _left_out(kind: str, value: float, features: Floats, right: Floats, *, num_folds: int, seed: int) -> Floats:
    """Return the losses that are expected of each fold by what is fitted on the others."""
    fold = np.random.default_rng(seed).permutation(len(right)) % num_folds
    expected = np.empty_like(right)
    for number in range(num_folds):
        out = fold == number
        expected[out] = _fitted(kind, value, features[~out], right[~out], seed=seed).losses(features[out])
    return expected


def _fitted(kind: str, value: float, features: Floats, right: Floats, *, seed: int) -> ClusterMap | LogisticMap:
    if kind == "clusters":
        clusters = fit_clusters(features, int(value), seed=seed)
        places = clusters.nearest(features)
        return ClusterMap(clusters, cluster_errors(places, 1.0 - right, num_clusters=clusters.num_clusters))
    fits = [_logistic(features, column, value) for column in right.T]
    return LogisticMap(np.stack([weights for weights, _ in fits]), np.asarray([bias for _, bias in fits]))


def _logistic(features: Floats, right: Floats, strength: float) -> tuple[Floats, float]:
    """Return weights and intercept of one model; of one that is always right, or always wrong, no weights."""
    num_right = float(right.sum())
    if num_right in (0.0, float(right.size)):
        return np.zeros(features.shape[1]), float(np.log((num_right + 0.5) / (right.size - num_right + 0.5)))
    try:
        from sklearn.linear_model import LogisticRegression
    except ImportError as error:
        raise MissingExtra("scikit-learn", "search") from error
    # a mean of several answers counts as right by its part, and as wrong by the rest
    rows, labels = np.vstack([features, features]), np.repeat([1, 0], right.size)
    weights = np.concatenate([right, 1.0 - right])
    there = weights > 0.0
    model = LogisticRegression(C=strength, max_iter=1000).fit(rows[there], labels[there], weights[there])
    return np.asarray(model.coef_[0], dtype=np.float64), float(model.intercept_[0])
