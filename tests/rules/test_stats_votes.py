"""maj@k and weighted maj@k: worked examples, and enumeration of every subset."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest

from ttscale_evals.stats import maj_at_k, maj_curve, sample_subsets, votes, weighted_maj_at_k

Keys = Sequence[str | None]


def enumerated(keys: Keys, right: str, k: int, weights: Sequence[int] | None = None) -> float:
    """Return the share of subsets in which the right key wins, ties shared, in whole numbers."""
    weights = [1] * len(keys) if weights is None else weights
    chosen = list(combinations(range(len(keys)), k))
    total = Fraction(0)
    for subset in chosen:
        sums = Counter[str]()
        for index in subset:
            key = keys[index]
            if key is not None:
                sums[key] += weights[index]
        tied = [key for key, value in sums.items() if value == max(sums.values())]
        total += Fraction(right in tied, max(1, len(tied)))
    return float(total / len(chosen))


def graded(keys: Keys, right: str) -> list[float]:
    return [float(key == right) for key in keys]


def test_maj_at_k_of_a_small_problem_matches_counting_by_hand() -> None:
    keys = ["a", "a", "b"]
    # of one: 2/3; of two: aa wins, the two ab tie; of three: aa b
    assert maj_curve([keys], [graded(keys, "a")], [1, 2, 3])[0] == pytest.approx([2 / 3, 2 / 3, 1.0])


@pytest.mark.parametrize(
    "keys",
    [
        ["a", "a", "b", None, "c", "b"],
        ["a", "b", "b", "c", "c", "c", None, None],
        ["a"] * 4 + ["b"] * 4 + ["c"] * 2,
        ["b", "c", "d", "a", "e", "f"],
        ["b", "b", "c"],
        [None, None, None],
        ["a", None, None, None],
    ],
)
def test_maj_at_k_is_exact_whatever_the_ties(keys: Keys) -> None:
    ks = range(1, len(keys) + 1)
    found = maj_curve([keys], [graded(keys, "a")], ks)[0]
    assert found == pytest.approx([enumerated(keys, "a", k) for k in ks], abs=1e-12)


def test_samples_without_an_answer_never_vote_and_nobody_voting_is_wrong() -> None:
    keys = ["a", None, None, None]
    # the subsets that hold the one voter are right
    assert maj_at_k([keys], [[1, 0, 0, 0]], 2) == pytest.approx([0.5])
    # not even graders that call a silent sample right make it one
    assert maj_at_k([[None, None]], [[1, 1]], 1).tolist() == [0.0]


def test_an_answer_graded_both_ways_is_worth_its_mean() -> None:
    assert maj_at_k([["a", "a", "b"]], [[1, 0, 0]], 3) == pytest.approx([0.5])


def test_problems_may_have_different_numbers_of_samples() -> None:
    found = maj_at_k([["a", "b"], ["a", "b", "b"]], [[1, 0], [0, 1, 1]], 2)
    assert found == pytest.approx([0.5, 2 / 3])


def test_counting_neither_overflows_nor_cancels_at_hundreds_of_samples() -> None:
    keys = ["a"] * 300 + ["b"] * 200
    ks = [1, 2, 499, 500]
    curve = maj_curve([keys], [graded(keys, "a")], ks)[0]
    assert curve == pytest.approx([0.6, 0.6, 1.0, 1.0], abs=1e-12)
    two_sides = maj_curve([keys, keys], [graded(keys, "a"), graded(keys, "b")], [7, 100, 250]).sum(axis=0)
    assert two_sides == pytest.approx([1.0, 1.0, 1.0], abs=1e-12)


def test_random_subsets_come_near_the_exact_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = ["a"] * 12 + ["b"] * 9 + ["c"] * 5 + [None] * 4
    exact = maj_at_k([keys], [graded(keys, "a")], 9)
    monkeypatch.setattr(votes, "MAX_COUNTED", 20)
    drawn = maj_at_k([keys], [graded(keys, "a")], 9, seed=1, max_subsets=20_000)
    assert drawn == pytest.approx(exact, abs=4 * 0.5 / 20_000**0.5)
    assert drawn.tolist() != exact.tolist()
    assert drawn.tolist() == maj_at_k([keys], [graded(keys, "a")], 9, seed=1, max_subsets=20_000).tolist()
    assert drawn.tolist() != maj_at_k([keys], [graded(keys, "a")], 9, seed=2, max_subsets=20_000).tolist()


def test_of_many_samples_few_subsets_are_all_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = ["a", "a", "b", None, "c", "b"]
    monkeypatch.setattr(votes, "MAX_COUNTED", 0)
    monkeypatch.setattr(votes, "_MAX_CELLS", 10)
    found = maj_curve([keys], [graded(keys, "a")], range(1, 7))[0]
    assert found == pytest.approx([enumerated(keys, "a", k) for k in range(1, 7)])


def test_the_weighted_majority_is_the_enumerated_one() -> None:
    keys = ["a", "b", "b", "c", None, "a", "c"]
    weights = [5, 2, 3, 0, 9, 1, 4]
    for k in range(1, 8):
        found = weighted_maj_at_k([keys], [weights], [graded(keys, "a")], k)
        assert found == pytest.approx([enumerated(keys, "a", k, weights)])


def test_equal_weights_are_the_plain_majority_and_sums_equal_but_for_rounding_tie() -> None:
    keys = ["a", "b", "a", "c", None, "b"]
    plain = maj_at_k([keys], [graded(keys, "b")], 4)
    assert weighted_maj_at_k([keys], [[0.1] * 6], [graded(keys, "b")], 4) == pytest.approx(plain)
    # 0.1 + 0.2 is more than 0.3 by rounding alone
    assert weighted_maj_at_k([["a", "a", "b"]], [[0.1, 0.2, 0.3]], [[1, 1, 0]], 3) == pytest.approx([0.5])


def test_a_sample_without_a_weight_does_not_vote_and_one_of_weight_0_does() -> None:
    assert weighted_maj_at_k([["a", "b"]], [[None, 0.0]], [[1, 0]], 2).tolist() == [0.0]
    assert weighted_maj_at_k([["a", "b"]], [[float("nan"), 0.0]], [[0, 1]], 2).tolist() == [1.0]
    assert weighted_maj_at_k([["a", "b"]], [[None, None]], [[1, 1]], 1).tolist() == [0.0]


@pytest.mark.parametrize("weight", [-1.0, float("inf")])
def test_negative_and_infinite_weights_are_refused(weight: float) -> None:
    with pytest.raises(ValueError, match="problem 0"):
        weighted_maj_at_k([["a", "b"]], [[weight, 1.0]], [[1, 0]], 1)


def test_k_beyond_the_samples_and_tables_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="k=3 and 2 samples"):
        maj_at_k([["a"] * 3, ["a"] * 2], [[1] * 3, [1] * 2], 3)
    with pytest.raises(ValueError, match="k=0"):
        maj_at_k([["a"]], [[1]], 0)
    with pytest.raises(ValueError, match="no problems"):
        maj_at_k([], [], 1)
    with pytest.raises(ValueError, match="problem 1 has none"):
        maj_at_k([["a"], []], [[1], []], 1)
    with pytest.raises(ValueError, match="equal lengths"):
        maj_at_k([["a", "b"]], [[1]], 1)
    with pytest.raises(ValueError, match="at least one k"):
        maj_curve([["a"]], [[1]], [])
    with pytest.raises(ValueError, match=r"2\.0"):
        maj_at_k([["a"]], [[2.0]], 1)


def test_subsets_are_all_of_them_where_they_are_few_and_uniform_where_they_are_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert sample_subsets(5, 3, seed=0, max_subsets=10).tolist() == [
        list(each) for each in combinations(range(5), 3)
    ]
    monkeypatch.setattr("ttscale_evals.stats.subsets._MAX_DRAWN", 1000)
    drawn = sample_subsets(6, 2, seed=0, max_subsets=14)
    assert drawn.shape == (14, 2)
    many = sample_subsets(8, 5, seed=0, max_subsets=55)
    assert bool((np.diff(many, axis=1) > 0).all())
    shares = np.bincount(
        np.concatenate([sample_subsets(8, 5, seed=seed, max_subsets=55) for seed in range(200)]).ravel(),
        minlength=8,
    )
    assert shares / 11_000 == pytest.approx([5 / 8] * 8, abs=0.02)
    with pytest.raises(ValueError, match="max_subsets"):
        sample_subsets(5, 3, seed=0, max_subsets=0)
