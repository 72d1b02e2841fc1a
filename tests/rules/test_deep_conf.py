"""DeepConf's filter, votes and online stop against hand-computed examples."""

from __future__ import annotations

import math

import pytest

from ttscale_strategies.voting.rules import (
    Election,
    confidence_threshold,
    confident_vote,
    filtered_vote,
    has_consensus,
    is_confident,
    online_stop,
    weighted_vote,
)

KEYS, CONFIDENCES = ["A", "A", "B", "B", "B"], [17, 16, 15, 12, 11]
TRACE = [4, 4, 2, 1, 1, 5, 5, 5]


def winner_of(election: Election | None) -> str | None:
    return election.key if election else None


def test_the_worked_filters() -> None:
    everything = weighted_vote(KEYS, CONFIDENCES)
    assert everything is not None
    assert (everything.key, everything.totals) == ("B", {"A": 33, "B": 38})
    assert confidence_threshold(CONFIDENCES, 0.4) == pytest.approx(15.4)
    assert confidence_threshold(CONFIDENCES, 0.1) == pytest.approx(16.6)
    kept = filtered_vote(KEYS, CONFIDENCES, keep=0.4)
    assert kept is not None
    assert (kept.key, kept.totals) == ("A", {"A": 33})
    surest = filtered_vote(KEYS, CONFIDENCES, keep=0.1)
    assert surest is not None
    assert surest.totals == {"A": 17}


def test_the_worked_thresholds_of_the_warm_up() -> None:
    lowest = [5, 6, 7, 8, 9]
    assert confidence_threshold(lowest, 0.1) == pytest.approx(8.6)
    assert confidence_threshold(lowest, 0.9) == pytest.approx(5.4)


def test_the_worked_consensus_does_not_suffice() -> None:
    election = weighted_vote(["A", "A", "B"], [17, 16, 2])
    assert election is not None
    assert election.share == pytest.approx(0.943, abs=1e-3)
    assert not has_consensus(election)
    assert has_consensus(election, threshold=0.94)
    assert not has_consensus(None, threshold=0.0)


def test_keeping_all_and_none_keeps_all_and_the_surest() -> None:
    assert filtered_vote(KEYS, CONFIDENCES, keep=1.0) == weighted_vote(KEYS, CONFIDENCES)
    assert winner_of(filtered_vote(KEYS, CONFIDENCES, keep=0.0)) == "A"


@pytest.mark.parametrize("num_traces", range(2, 30))
def test_a_trace_that_is_the_threshold_is_kept_however_it_rounds(num_traces: int) -> None:
    confidences = [0.1 * (index + 1) for index in range(num_traces)]
    for index, confidence in enumerate(confidences):
        # the percentile that falls on this trace; of ten traces the second's comes out above its confidence
        threshold = confidence_threshold(confidences, 1 - index / (num_traces - 1))
        assert threshold == pytest.approx(confidence)
        assert is_confident(confidence, threshold)
        assert index == 0 or not is_confident(confidences[index - 1], threshold)


def test_the_filters_share_is_of_the_traces_with_an_answer() -> None:
    assert winner_of(filtered_vote([*[None] * 10, *KEYS], [*[99.0] * 10, *CONFIDENCES], keep=0.4)) == "A"
    assert winner_of(filtered_vote([None, "A"], [math.nan, 1.0])) == "A"


def test_if_no_trace_is_confident_all_vote() -> None:
    assert confident_vote(KEYS, CONFIDENCES, 20.0) == weighted_vote(KEYS, CONFIDENCES)
    assert winner_of(confident_vote(KEYS, CONFIDENCES, 15.5)) == "A"


def test_traces_that_are_all_without_confidence_are_counted() -> None:
    assert winner_of(filtered_vote(["A", "B", "B"], [0.0, 0.0, 0.0])) == "B"


def test_nobody_voting_elects_nobody() -> None:
    assert filtered_vote([], []) is None
    assert filtered_vote([None], [1.0]) is None
    assert confident_vote([None], [1.0], 0.5) is None


@pytest.mark.parametrize(
    ("threshold", "tokens"),
    [(1.0, None), (4 / 3, None), (1.34, 5), (2.4, 4), (3.4, 3), (100.0, 3)],
)
def test_a_trace_is_cut_at_its_first_full_window_below_the_threshold(
    threshold: float, tokens: int | None
) -> None:
    assert online_stop(TRACE, threshold, window=3) == tokens


def test_a_trace_shorter_than_the_window_is_never_cut() -> None:
    assert online_stop(TRACE, 100.0, window=9) is None
    assert online_stop(TRACE, 100.0, window=8) == 8
    assert online_stop([], 100.0) is None


def test_numbers_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="no threshold of no traces"):
        confidence_threshold([], 0.1)
    with pytest.raises(ValueError, match="keep must lie in"):
        confidence_threshold([1.0], 1.1)
    with pytest.raises(ValueError, match="keep must lie in"):
        filtered_vote([None], [1.0], keep=math.nan)
    with pytest.raises(ValueError, match=r"confidences\[1\] must be >= 0"):
        confident_vote(["A", "B"], [1.0, math.nan], 0.5)
    with pytest.raises(ValueError, match="threshold must be >= 0"):
        confident_vote(["A"], [1.0], math.nan)
    with pytest.raises(ValueError, match="threshold must be >= 0"):
        online_stop(TRACE, math.nan)
    with pytest.raises(ValueError, match="threshold must lie in"):
        has_consensus(None, threshold=2.0)
    with pytest.raises(ValueError, match="confidences need one value a sample"):
        filtered_vote(["A"], [])
