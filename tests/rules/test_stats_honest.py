"""What samples that errored do to an accuracy."""

from __future__ import annotations

import math

import pytest

from ttscale_evals.stats import honest_accuracy, problem_means


def test_errors_count_as_wrong_and_the_other_readings_stand_beside() -> None:
    found = honest_accuracy([[1, 1, None, 0], [1, None], [None, None]])
    assert (found.num_problems, found.num_samples, found.num_errored) == (3, 8, 4)
    assert found.num_problems_without_grade == 1
    assert found.errors_as_wrong == pytest.approx((2 / 4 + 1 / 2 + 0) / 3)
    assert found.errors_excluded == pytest.approx((2 / 3 + 1) / 2)
    assert found.supportable == pytest.approx(((2 / 4 + 1 / 2 + 0) / 3, (3 / 4 + 1 + 1) / 3))


def test_without_errors_all_readings_agree() -> None:
    found = honest_accuracy([[True, False], [1.0, 0.5, 0.0]])
    assert found.errors_as_wrong == found.errors_excluded == 0.5
    assert found.supportable == (0.5, 0.5)
    assert (found.num_errored, found.num_problems_without_grade) == (0, 0)


def test_where_all_errored_nothing_is_known_and_the_headline_is_0() -> None:
    found = honest_accuracy([[None], [None, None]])
    assert (found.errors_as_wrong, found.errors_excluded, found.supportable) == (0.0, None, (0.0, 1.0))


def test_problem_means_read_errors_as_told() -> None:
    correct: list[list[float | None]] = [[1, None], [None], [1, 0, 0, 0]]
    assert problem_means(correct).tolist() == [0.5, 0.0, 0.25]
    assert problem_means(correct, errors="right").tolist() == [1.0, 1.0, 0.25]
    excluded = problem_means(correct, errors="excluded").tolist()
    assert excluded[0] == 1.0
    assert math.isnan(excluded[1])


def test_a_problem_without_samples_is_no_wrong_one() -> None:
    with pytest.raises(ValueError, match="problem 1 has none"):
        honest_accuracy([[1], []])
    with pytest.raises(ValueError, match="no problems"):
        honest_accuracy([])
    with pytest.raises(ValueError, match="problem 0"):
        honest_accuracy([[1.5]])
