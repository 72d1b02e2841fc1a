"""Best-of-k and any rule at k: worked examples, and enumeration of every subset."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from statistics import fmean

import numpy as np
import pytest

from ttscale_evals.stats import best_at_k, pass_at_k, rule_at_k
from ttscale_strategies.voting.rules import best_of_n, majority


def test_the_best_of_k_matches_counting_by_hand() -> None:
    # ranks: right 0.9, wrong 0.5, wrong 0.1; of two the right one is in two of three subsets
    assert best_at_k([[0.5, 0.9, 0.1]], [[0, 1, 0]], 2) == pytest.approx([2 / 3])
    assert best_at_k([[0.5, 0.9, 0.1]], [[0, 1, 0]], 1) == pytest.approx([1 / 3])
    assert best_at_k([[0.5, 0.9, 0.1]], [[0, 1, 0]], 3).tolist() == [1.0]


@pytest.mark.parametrize("seed", range(5))
def test_the_best_of_k_is_what_the_rule_chooses_over_all_subsets(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores: list[float | None] = [
        None if value == 3 else float(value) for value in rng.integers(0, 4, 9).tolist()
    ]
    correct = rng.integers(0, 2, 9).tolist()

    def rule(offered: Sequence[int]) -> int | None:
        best = best_of_n(["x"] * len(offered), [scores[index] for index in offered])
        return None if best is None else offered[best]

    for k in range(1, 10):
        assert best_at_k([scores], [correct], k) == pytest.approx([rule_at_k(rule, correct, k)])


def test_ties_go_to_the_first_sample_or_are_shared() -> None:
    scores, correct = [[2.0, 2.0, 1.0]], [[0, 1, 0]]
    assert best_at_k(scores, correct, 3).tolist() == [0.0]
    assert best_at_k(scores, correct, 3, ties="shared") == pytest.approx([0.5])
    # of two: the tie; the wrong one before the worse; the right one before the worse
    assert best_at_k(scores, correct, 2) == pytest.approx([1 / 3])
    assert best_at_k(scores, correct, 2, ties="shared") == pytest.approx([(0.5 + 0 + 1) / 3])


def test_the_first_of_many_ties_wins_however_many_there_are() -> None:
    scores = [float(number % 3) for number in range(300)]
    correct = [float(number == 2) for number in range(300)]
    assert best_at_k([scores], [correct], 300).tolist() == [1.0]
    assert best_at_k([scores], [correct], 150) == pytest.approx([0.5])


def test_shared_ties_are_the_mean_over_all_orders_of_the_samples() -> None:
    scores, correct = [1.0, 2.0, 2.0, 2.0, 1.0], [1, 0, 1, 1, 0]
    rng = np.random.default_rng(0)
    orders = [rng.permutation(5) for _ in range(4000)]
    by_first = [
        best_at_k([[scores[i] for i in order]], [[correct[i] for i in order]], 3)[0] for order in orders
    ]
    shared = best_at_k([scores], [correct], 3, ties="shared")[0]
    assert shared == pytest.approx(fmean(by_first), abs=0.02)


def test_a_perfect_score_is_pass_at_k_and_all_equal_scores_are_the_mean() -> None:
    correct = [0, 1, 0, 0, 1, 0]
    for k in range(1, 7):
        assert best_at_k([correct], [correct], k) == pytest.approx([pass_at_k(6, 2, k)])
        assert best_at_k([[7.0] * 6], [correct], k, ties="shared") == pytest.approx([2 / 6])


def test_a_sample_without_a_score_is_no_candidate() -> None:
    # the right sample is not scored; of the other subsets half have the scored right one
    assert best_at_k([[None, 1.0]], [[1, 0]], 2).tolist() == [0.0]
    assert best_at_k([[float("nan"), 1.0]], [[1, 1]], 1) == pytest.approx([0.5])
    assert best_at_k([[None, None]], [[1, 1]], 2, ties="shared").tolist() == [0.0]


def test_many_samples_do_not_overflow() -> None:
    scores = [float(number) for number in range(5000)]
    correct = [0.0] * 4999 + [1.0]
    assert best_at_k([scores], [correct], 2500) == pytest.approx([0.5])


def test_a_rule_at_k_is_its_mean_over_all_subsets() -> None:
    keys = ["a", "b", "b", None, "a", "b"]
    correct = [key == "a" for key in keys]

    def rule(offered: Sequence[int]) -> int | None:
        winner = majority([keys[index] for index in offered])
        return None if winner is None else next(index for index in offered if keys[index] == winner.key)

    expected = [
        0.0 if (chosen := rule(subset)) is None else correct[chosen] for subset in combinations(range(6), 3)
    ]
    assert rule_at_k(rule, correct, 3) == pytest.approx(fmean(expected))
    assert rule_at_k(lambda offered: None, correct, 2) == 0.0


def test_a_rule_sees_random_subsets_where_there_are_too_many() -> None:
    seen: list[Sequence[int]] = []

    def first(offered: Sequence[int]) -> int:
        seen.append(offered)
        return offered[0]

    correct = [1.0] * 6 + [0.0] * 24
    # the first of ten is one of the first six unless none of these is among them: 1 - C(24, 10) / C(30, 10)
    assert rule_at_k(first, correct, 10, seed=1, max_subsets=800) == pytest.approx(
        pass_at_k(30, 6, 10), abs=0.03
    )
    assert len(seen) == 800


def test_a_rule_that_chooses_what_it_was_not_given_is_refused() -> None:
    with pytest.raises(ValueError, match="chose sample 9"):
        rule_at_k(lambda offered: 9, [1, 0, 1], 2)


def test_k_beyond_the_samples_is_refused() -> None:
    with pytest.raises(ValueError, match="k=3 and 2 samples"):
        best_at_k([[1.0, 2.0]], [[1, 0]], 3)
    with pytest.raises(ValueError, match="k=3 and 2 samples"):
        rule_at_k(lambda offered: None, [1, 0], 3)
    with pytest.raises(ValueError, match="equal lengths"):
        best_at_k([[1.0, 2.0]], [[1]], 1)
    with pytest.raises(ValueError, match="no problems"):
        best_at_k([], [], 1)
