"""Semantic clusters of steps: what says the same thing in the same words is one idea."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from ttscale.errors import MissingExtra

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

_NOISE_DECIMALS = 12
"""Distances are rounded to so many decimals: the order of a sum must not decide a merger."""


def step_clusters(
    steps: Sequence[str], *, embeddings: NDArray[np.floating] | None = None, threshold: float = 0.05
) -> tuple[int, ...]:
    """Return a cluster number for each step: agglomerative, average linkage, by cosine distance.

    Hooper et al. 2025, arXiv:2502.13575. The paper embeds the steps with a sentence encoder; where there are no
    embeddings, TF-IDF of their n-grams of 2 to 4 characters within words stands in, fitted on these steps. That
    tells every changed digit and ignores case and how wide a space is, but it knows no synonyms: at the
    paper's threshold it joins little but repetitions. A text without a character, like an embedding of zeros,
    is at distance 0 from its kind and at 1 from everything else.

    Args:
        steps: texts of the newest steps, shape [num_steps].
        embeddings: of the steps, finite, shape [num_steps, dim]; the texts are then only read to skip the
            clustering where all are identical.
        threshold: the average cosine distance from which on clusters stay apart, in (0, 2].

    Returns:
        Numbers from 0 in order of first occurrence, shape [num_steps].

    Raises:
        MissingExtra: scikit-learn is not installed and there are two different steps.
        ValueError: the embeddings do not fit the steps or are not finite, or the threshold is out of its range.
    """
    if not 0.0 < threshold <= 2.0:
        raise ValueError(f"threshold must lie in (0, 2], got {threshold!r}")
    if embeddings is not None:
        _check_embeddings(embeddings, len(steps))
    if len({" ".join(step.split()) for step in steps}) <= 1:
        return (0,) * len(steps)
    similarities = _text_similarities(steps) if embeddings is None else _cosine_similarities(embeddings)
    return _renumbered(_agglomerated(1.0 - similarities, threshold))


def _text_similarities(steps: Sequence[str]) -> NDArray[np.float64]:
    try:
        from sklearn.feature_extraction.text import TfidfVectorizer
    except ImportError as error:
        raise MissingExtra("scikit-learn", "search") from error

    vectorizer = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4))
    vectors = cast("csr_matrix[np.float64]", vectorizer.fit_transform(steps))
    return _cosine_similarities(vectors.toarray())


def _cosine_similarities(vectors: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the cosine of each two rows, 1 for two rows of zeros, shape [num_steps, num_steps]."""
    rows = np.asarray(vectors, dtype=np.float64)
    largest = np.abs(rows).max(axis=1, keepdims=True, initial=0.0)
    rows = np.divide(
        rows, largest, out=np.zeros_like(rows), where=largest > 0.0
    )  # no square over- or underflows
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    rows = np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0.0)
    zero = lengths[:, 0] == 0.0
    return np.asarray(rows @ rows.T + np.outer(zero, zero), dtype=np.float64)


def _agglomerated(distances: NDArray[np.float64], threshold: float) -> list[int]:
    try:
        from sklearn.cluster import AgglomerativeClustering
    except ImportError as error:
        raise MissingExtra("scikit-learn", "search") from error

    exact = np.clip(np.round(distances, _NOISE_DECIMALS), 0.0, 2.0)
    np.fill_diagonal(exact, 0.0)
    clustering = AgglomerativeClustering(
        n_clusters=None,  # pyright: ignore[reportArgumentType]  # inferred from its default, an integer
        metric="precomputed",
        linkage="average",
        distance_threshold=threshold,
    )
    return [int(label) for label in clustering.fit_predict(exact)]


def _renumbered(labels: Sequence[int]) -> tuple[int, ...]:
    """Return the labels as numbers from 0 in order of first occurrence."""
    number: dict[int, int] = {}
    return tuple(number.setdefault(label, len(number)) for label in labels)


def _check_embeddings(embeddings: NDArray[np.floating], num_steps: int) -> None:
    if embeddings.ndim != 2 or embeddings.shape[0] != num_steps:
        raise ValueError(f"embeddings need the shape [{num_steps}, dim], got {list(embeddings.shape)}")
    if not np.isfinite(embeddings).all():
        raise ValueError("embeddings must be finite, got NaN or infinity")
