"""Early-stopping self-consistency against hand-computed examples and exact enumeration."""

from __future__ import annotations

import itertools
import math

import pytest

from ttscale_strategies.voting.rules import early_stopping, expected_samples


@pytest.mark.parametrize(
    ("probabilities", "expected"), [((0.8, 0.2), 14.609959), ((0.5, 0.5), 32.262442), ((1.0,), 5.0)]
)
def test_the_worked_expectations(probabilities: tuple[float, ...], expected: float) -> None:
    assert expected_samples(probabilities, window=5, max_samples=40) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("window", "max_samples"), [(1, 3), (2, 6), (2, 7), (3, 7), (3, 2), (2, 0)])
def test_the_expectation_is_the_mean_over_all_sequences(window: int, max_samples: int) -> None:
    chances: dict[str | None, float] = {"A": 0.6, "B": 0.3, None: 0.1}
    total = math.fsum(
        math.prod(chances[key] for key in keys) * early_stopping(keys, window=window).num_samples
        for keys in itertools.product(chances, repeat=max_samples)
    )
    assert expected_samples([0.6, 0.3], window=window, max_samples=max_samples) == pytest.approx(total)


def test_a_unanimous_window_stops_and_its_answer_may_differ_from_the_majority() -> None:
    stopped = early_stopping(["A", "A", "B", "A", "B", "B", "C", "C"], window=2)
    assert (stopped.key, stopped.num_samples, stopped.is_early) == ("A", 2, True)
    stopped = early_stopping(["A", "B", "A", "C", "A", "D", "B", "B"], window=2)
    assert (stopped.key, stopped.num_samples, stopped.is_early) == ("B", 8, True)


def test_windows_do_not_overlap_and_without_a_unanimous_one_the_majority_wins() -> None:
    stopped = early_stopping(["A", "B", "B", "A", "A", "B"], window=2)
    assert (stopped.key, stopped.num_samples, stopped.is_early) == ("A", 6, False)


def test_a_sample_without_an_answer_breaks_unanimity() -> None:
    stopped = early_stopping(["A", None, None, None, "A", "A"], window=2)
    assert (stopped.key, stopped.num_samples) == ("A", 6)


def test_a_last_window_that_is_not_full_decides_nothing() -> None:
    stopped = early_stopping(["A", "B", "A", "B", "B"], window=4)
    assert (stopped.key, stopped.num_samples, stopped.is_early) == ("B", 5, False)
    stopped = early_stopping(["A", "A", "B", "A", "B"], window=4)
    assert stopped.key == "A"


@pytest.mark.parametrize("keys", [[], [None], [None] * 10])
def test_without_answers_it_draws_all(keys: list[str | None]) -> None:
    stopped = early_stopping(keys)
    assert (stopped.key, stopped.num_samples, stopped.is_early) == (None, len(keys), False)


def test_the_expectation_at_its_limits() -> None:
    assert expected_samples([], window=5, max_samples=40) == 40.0
    assert expected_samples([1e-300], window=5, max_samples=40) == 40.0
    assert expected_samples([1e-5] * 10, window=2, max_samples=40) == pytest.approx(40.0, abs=1e-4)
    assert expected_samples([1.0], window=5, max_samples=3) == 3.0


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="window must be >= 1, got 0"):
        early_stopping(["A"], window=0)
    with pytest.raises(ValueError, match="window must be >= 1"):
        expected_samples([1.0], window=0)
    with pytest.raises(ValueError, match="more than 1"):
        expected_samples([0.8, 0.8])
    with pytest.raises(ValueError, match=r"probabilities\[0\] must be >= 0"):
        expected_samples([math.nan])
