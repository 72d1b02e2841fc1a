"""DeepConf's measures against hand-computed examples."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttscale_strategies.voting.rules import (
    ConfidenceWindow,
    TraceMeasure,
    group_confidences,
    likeliest,
    token_confidences,
    trace_confidence,
)

TRACE = [4, 4, 2, 1, 1, 5, 5, 5]


@pytest.mark.parametrize(("chances", "nats"), [((0.97, 0.02, 0.01), 2.849217), ((0.4, 0.3, 0.3), 1.108079)])
def test_the_worked_token_confidences(chances: tuple[float, ...], nats: float) -> None:
    assert token_confidences(np.log([chances])).tolist() == pytest.approx([nats], abs=1e-6)


def test_the_worked_windows() -> None:
    groups = group_confidences(TRACE, window=3).tolist()
    assert groups == pytest.approx([3.3333, 2.3333, 1.3333, 2.3333, 3.6667, 5.0], abs=1e-4)


@pytest.mark.parametrize(
    ("measure", "confidence"), [("mean", 3.375), ("tail", 5.0), ("lowest", 4 / 3), ("bottom", 4 / 3)]
)
def test_the_worked_measures_of_a_trace(measure: TraceMeasure, confidence: float) -> None:
    assert trace_confidence(TRACE, measure, window=3, tail=3) == pytest.approx(confidence)


def test_the_bottom_tenth_of_twenty_windows_is_two_of_them() -> None:
    assert trace_confidence(range(1, 21), "bottom", window=1) == 1.5


@pytest.mark.parametrize("measure", ["mean", "tail", "lowest", "bottom"])
def test_a_trace_shorter_than_the_window_is_one_group_and_an_empty_one_has_no_confidence(
    measure: TraceMeasure,
) -> None:
    assert trace_confidence([1.0, 2.0], measure) == 1.5
    assert trace_confidence([], measure) == 0.0
    assert group_confidences([], window=3).shape == (0,)


def test_tokens_without_logprobs_are_left_out_and_missing_entries_not_averaged() -> None:
    assert token_confidences(likeliest([{1: -1.0, 2: -3.0}, {}, {3: -0.5}], 2)).tolist() == [2.0, 0.5]
    assert token_confidences([]).shape == (0,)


def test_a_forced_token_is_sure_and_not_infinitely_so() -> None:
    (confidence,) = token_confidences([[0.0, -math.inf]]).tolist()
    assert confidence == pytest.approx(-math.log(1e-12) / 2)


def test_the_worked_windows_come_out_token_by_token_too() -> None:
    window = ConfidenceWindow(3)
    pushed = [window.push(confidence) for confidence in TRACE]
    assert pushed[:2] == [None, None]
    assert pushed[2:] == group_confidences(TRACE, window=3).tolist()


@given(st.lists(st.floats(0, 40), max_size=60), st.integers(1, 70))
def test_a_window_that_moves_along_sees_the_same_groups_to_the_last_bit(
    confidences: list[float], size: int
) -> None:
    window = ConfidenceWindow(size)
    seen = [group for value in confidences if (group := window.push(value)) is not None]
    expected = group_confidences(confidences, window=size).tolist() if len(confidences) >= size else []
    assert seen == expected


@given(st.lists(st.floats(0, 40), min_size=1, max_size=60), st.integers(1, 70))
def test_the_lowest_group_is_at_most_the_bottom_tenth(confidences: list[float], size: int) -> None:
    lowest, bottom = (trace_confidence(confidences, measure, window=size) for measure in ("lowest", "bottom"))
    assert lowest <= bottom + 1e-9
    naive = [sum(confidences[i : i + size]) / size for i in range(len(confidences) - size + 1)]
    assert lowest == pytest.approx(min(naive, default=sum(confidences) / len(confidences)), abs=1e-9)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -1.0])
def test_a_confidence_must_be_a_number_that_is_not_negative(bad: float) -> None:
    with pytest.raises(ValueError, match="must be >= 0 and finite"):
        trace_confidence([1.0, bad])
    with pytest.raises(ValueError, match="a token's confidence"):
        ConfidenceWindow(2).push(bad)


def test_options_out_of_range_are_refused() -> None:
    for call in (
        lambda: trace_confidence([1.0], window=0),
        lambda: trace_confidence([1.0], tail=0),
        lambda: trace_confidence([1.0], bottom=1.5),
        lambda: ConfidenceWindow(0),
        lambda: group_confidences([[1.0]]),
    ):
        with pytest.raises(ValueError, match="must"):
            call()
