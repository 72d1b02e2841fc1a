"""pass^k against counting and against its neighbour pass@k."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttscale_evals.stats import pass_at_k, pass_hat_k


@pytest.mark.parametrize(
    ("right", "k", "expected"), [(8, 4, 1.0), (4, 1, 0.5), (4, 4, 1 / 70), (5, 2, 10 / 28), (3, 4, 0.0)]
)
def test_pass_hat_k_of_8_samples(right: int, k: int, expected: float) -> None:
    assert pass_hat_k(8, right, k) == pytest.approx(expected)


@given(st.integers(1, 9), st.data())
def test_pass_hat_k_is_the_share_of_subsets_that_are_all_right(num_samples: int, data: st.DataObject) -> None:
    right = data.draw(st.integers(0, num_samples))
    k = data.draw(st.integers(1, num_samples))
    subsets = list(combinations(range(num_samples), k))
    hits = sum(all(index < right for index in subset) for subset in subsets)
    assert pass_hat_k(num_samples, right, k) == pytest.approx(hits / len(subsets))
    # all right, and one at least wrong, which is one at least right with right and wrong exchanged
    assert pass_hat_k(num_samples, right, k) == pytest.approx(
        1 - pass_at_k(num_samples, num_samples - right, k)
    )


def test_pass_hat_k_is_the_mean_over_problems_and_does_not_overflow() -> None:
    assert pass_hat_k([4, 3], [2, 3], 2) == pytest.approx((1 / 6 + 1) / 2)
    assert pass_hat_k(10_000, 9_999, 100) == pytest.approx(0.99)


@pytest.mark.parametrize(("drawn", "right", "k"), [(3, 1, 4), (3, 1, 0), (3, 4, 2), (3, -1, 2), ([], [], 1)])
def test_pass_hat_k_refuses_missing_samples_and_impossible_counts(
    drawn: int | list[int], right: int | list[int], k: int
) -> None:
    with pytest.raises(ValueError, match=r"pass\^k|right samples"):
        pass_hat_k(drawn, right, k)
