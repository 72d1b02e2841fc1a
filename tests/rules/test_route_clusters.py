"""Clusters of prompts, and how often models are wrong in them."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from ttscale.errors import MissingExtra
from ttscale_strategies.route.rules import (
    PromptClusters,
    chosen_models,
    cluster_errors,
    fit_clusters,
    predicted_losses,
)

TWO_HEAPS = np.array([[0.0, 0.0], [0.1, 0.0], [0.0, 0.1], [9.0, 9.0], [9.1, 9.0], [9.0, 9.1]])


def test_heaps_are_found_and_new_prompts_fall_into_the_nearest() -> None:
    clusters = fit_clusters(TWO_HEAPS, 2, seed=0)
    places = clusters.nearest(TWO_HEAPS)
    assert len(set(places[:3].tolist())) == len(set(places[3:].tolist())) == 1
    assert places[0] != places[3]
    features = clusters.features(np.array([[1.0, 1.0], [8.0, 8.0]]))
    assert features[0, places[0]] == features[1, places[3]] == 1.0
    assert features.sum(axis=1).tolist() == [1.0, 1.0]


def test_one_cluster_ignores_the_prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.cluster", None)
    clusters = fit_clusters(TWO_HEAPS, 1, seed=0)
    assert clusters.nearest(TWO_HEAPS).tolist() == [0] * 6
    with pytest.raises(MissingExtra, match="scikit-learn is not installed"):
        fit_clusters(TWO_HEAPS, 2, seed=0)


def test_there_are_no_more_clusters_than_different_prompts() -> None:
    assert fit_clusters(np.array([[1.0], [1.0], [2.0]]), 5, seed=0).num_clusters == 2
    assert fit_clusters(np.array([[1.0], [1.0]]), 5, seed=0).num_clusters == 1


def test_the_same_seed_gives_the_same_clusters() -> None:
    rows = np.random.default_rng(0).normal(size=(60, 3))
    assert np.array_equal(fit_clusters(rows, 5, seed=1).centres, fit_clusters(rows, 5, seed=1).centres)


def test_of_equally_near_centres_the_first_counts() -> None:
    assert PromptClusters(np.array([[1.0], [-1.0]])).nearest(np.array([[0.0]])).tolist() == [0]


def test_errors_are_means_in_each_cluster_and_overall_where_there_is_no_prompt() -> None:
    losses = np.array([[1.0, 0.0], [0.0, 0.0], [1.0, 1.0], [1.0, 0.0]])
    errors = cluster_errors([0, 0, 2, 2], losses, num_clusters=3)
    assert errors.tolist() == [[0.5, 0.75, 1.0], [0.0, 0.25, 0.5]]


def test_the_worked_router_from_prompts_to_models() -> None:
    # ten validation prompts a cluster: A is wrong in 1 and 1, B in 6 and 1
    losses = np.zeros((20, 2))
    losses[[0, 10], 0] = 1.0
    losses[[0, 1, 2, 3, 4, 5, 10], 1] = 1.0
    errors = cluster_errors([0] * 10 + [1] * 10, losses, num_clusters=2)
    assert errors == pytest.approx(np.array([[0.1, 0.1], [0.6, 0.1]]))
    clusters = PromptClusters(np.array([[0.0], [1.0]]))
    expected = predicted_losses(clusters.features(np.array([[0.1], [0.9]])), errors)
    assert chosen_models(expected, [1.0, 0.1], 0.2).tolist() == [0, 1]


def test_shares_of_clusters_mix_their_errors() -> None:
    errors = np.array([[0.0, 1.0]])
    assert predicted_losses(np.array([[0.25, 0.75]]), errors).tolist() == [[0.75]]
    with pytest.raises(ValueError, match="same number of clusters"):
        predicted_losses(np.eye(3), errors)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="num_clusters must be >= 1"):
        fit_clusters(TWO_HEAPS, 0, seed=0)
    with pytest.raises(ValueError, match="at least one prompt"):
        fit_clusters(np.zeros((0, 2)), 2, seed=0)
    with pytest.raises(ValueError, match="finite"):
        fit_clusters(np.array([[np.nan]]), 2, seed=0)
    with pytest.raises(ValueError, match="need 2 dimensions, got 1"):
        fit_clusters(TWO_HEAPS, 2, seed=0).nearest(np.array([[1.0]]))
    with pytest.raises(ValueError, match=r"clusters must lie in \[0, 1\], got 0 to 2"):
        cluster_errors([0, 2], np.zeros((2, 1)), num_clusters=2)
    with pytest.raises(ValueError, match=r"losses need the shape \[2, num_models\]"):
        cluster_errors([0, 1], np.zeros((3, 1)), num_clusters=2)
    with pytest.raises(ValueError, match="at least one validation prompt"):
        cluster_errors([], np.zeros((0, 1)), num_clusters=2)
    with pytest.raises(ValueError, match="centres need the shape"):
        PromptClusters(np.zeros((0, 3)))
