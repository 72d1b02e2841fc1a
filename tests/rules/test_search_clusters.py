"""Steps that say the same share a cluster; numbers, blanks and odd embeddings do not confuse it."""

from __future__ import annotations

import sys
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ttscale.errors import MissingExtra
from ttscale_strategies.search.rules import step_clusters


def test_repetitions_share_a_cluster_and_a_changed_digit_does_not() -> None:
    steps = [
        "So we add 3 and 4. That is 7",
        "First take the product: 3 * 4 = 12",
        "so we add 3 and 4.\n  That is 7",
        "So we add 3 and 5. That is 8",
        "First take the product: 3 * 4 = 12",
    ]
    assert step_clusters(steps) == (0, 1, 0, 2, 1)


def test_a_wider_threshold_joins_what_is_alike() -> None:
    steps = ["Add the apples: 3 + 4 = 7", "Now the pears are sold", "Add the apples: 3 + 5 = 8"]
    assert step_clusters(steps, threshold=0.05) == (0, 1, 2)
    assert step_clusters(steps, threshold=0.7) == (0, 1, 0)


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([], ()),
        (["x"], (0,)),
        (["same", "same", " same\n"], (0, 0, 0)),
        (["", ""], (0, 0)),
        (["", " \n"], (0, 0)),
    ],
)
def test_nothing_to_compare_needs_no_clustering(
    monkeypatch: pytest.MonkeyPatch, steps: list[str], expected: tuple[int, ...]
) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.cluster", None)
    monkeypatch.setitem(sys.modules, "sklearn.feature_extraction.text", None)
    assert step_clusters(steps) == expected


def test_blank_texts_are_like_each_other_only() -> None:
    assert step_clusters(["", "x = 1", " ", "*", "x = 1", "\t"]) == (0, 1, 0, 2, 1, 0)


def test_given_embeddings_decide_by_their_direction() -> None:
    embeddings = np.array([[1.0, 0.0], [0.0, 2.0], [3.0, 0.1], [0.0, 0.0], [-1.0, 0.0], [0.0, 0.0]])
    assert step_clusters(list("abcdef"), embeddings=embeddings) == (0, 1, 0, 2, 3, 2)


def test_average_linkage_compares_with_the_mean_over_a_cluster() -> None:
    angles = np.radians([0.0, 10.0, 24.0])  # distances .0152, .0297 and .0865, so .0581 from the pair
    embeddings = np.column_stack([np.cos(angles), np.sin(angles)])
    assert step_clusters(list("abc"), embeddings=embeddings, threshold=0.05) == (0, 0, 1)
    assert step_clusters(list("abc"), embeddings=embeddings, threshold=0.06) == (0, 0, 0)


@pytest.mark.parametrize("scale", [1e-300, 1e300])
def test_embeddings_of_any_scale_and_of_half_precision_are_taken(scale: float) -> None:
    embeddings = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.01]])
    assert step_clusters(list("abc"), embeddings=embeddings * scale) == (0, 1, 0)
    assert step_clusters(list("abc"), embeddings=embeddings.astype(np.float16)) == (0, 1, 0)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(max_size=12), min_size=2, max_size=8))
def test_numbers_come_in_order_of_first_occurrence_and_repetitions_agree(steps: list[str]) -> None:
    labels = step_clusters(steps)
    assert len(labels) == len(steps)
    first_seen = list(dict.fromkeys(labels))
    assert first_seen == list(range(len(first_seen)))
    assert all(labels[index] == labels[steps.index(step)] for index, step in enumerate(steps))


def test_the_groups_do_not_depend_on_the_order_of_the_steps() -> None:
    steps = ["2 + 3 = 5", "2 + 3 = 6", "4 * 5 = 20", "2 + 3 = 5", "4 * 5 = 20", "nothing is left", ""]
    labels = dict(zip(steps, step_clusters(steps, threshold=0.6), strict=True))
    for seed in range(20):
        shuffled = Random(seed).sample(steps, len(steps))
        again = dict(zip(shuffled, step_clusters(shuffled, threshold=0.6), strict=True))
        assert all((labels[a] == labels[b]) == (again[a] == again[b]) for a in steps for b in steps)


@pytest.mark.parametrize("module", ["sklearn.cluster", "sklearn.feature_extraction.text"])
def test_without_scikit_learn_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtra, match=r"scikit-learn is not installed.*ttscale\[search\]"):
        step_clusters(["a", "b"])


@pytest.mark.parametrize("threshold", [0.0, -1.0, 2.5, float("nan")])
def test_a_threshold_out_of_range_is_refused(threshold: float) -> None:
    with pytest.raises(ValueError, match="threshold"):
        step_clusters(["a", "b"], threshold=threshold)


@pytest.mark.parametrize(
    ("embeddings", "message"),
    [
        (np.zeros((1, 2)), r"\[2, dim\], got \[1, 2\]"),
        (np.zeros(2), r"got \[2\]"),
        (np.array([[np.nan], [1.0]]), "finite"),
    ],
)
def test_embeddings_that_do_not_fit_are_refused(embeddings: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        step_clusters(["a", "b"], embeddings=embeddings)
