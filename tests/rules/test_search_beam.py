"""Which beams are kept, how they are duplicated, and what is certain before the last score is in."""

from __future__ import annotations

import math

import pytest

from ttscale_strategies.search.rules import (
    beam_widths,
    certain_beams,
    kept_beams,
    least_beam_widths,
    num_beams_kept,
)

SCORES = [0.2, 0.9, 0.5, 0.7]


def test_the_best_two_of_four_are_kept_and_duplicated_to_four() -> None:
    assert kept_beams(SCORES, 2) == (1, 3)
    assert beam_widths(SCORES, width=4, beam_width=2) == (0, 2, 0, 2)


@pytest.mark.parametrize(("subtree", "best"), [([0.2, 0.9], 0.9), ([0.5, 0.4], 0.5)])
def test_a_subtree_of_dvts_keeps_its_best_candidate(subtree: list[float], best: float) -> None:
    (index,) = kept_beams(subtree, 1)
    assert subtree[index] == best


def test_ties_go_to_the_first() -> None:
    assert kept_beams([0.5, 0.7, 0.5, 0.7], 3) == (1, 3, 0)
    assert beam_widths([0.5, 0.5, 0.5], width=2, beam_width=1) == (1, 1, 0)


def test_the_odd_child_goes_to_the_better_beam() -> None:
    assert beam_widths(SCORES, width=5, beam_width=2) == (0, 3, 0, 2)


@pytest.mark.parametrize(
    ("scores", "expected"), [([0.3], (8,)), ([0.3, 0.4, 0.1], (3, 3, 2)), ([], ()), ([0.1] * 4, (2, 2, 2, 2))]
)
def test_fewer_candidates_than_are_kept_share_the_whole_width(
    scores: list[float], expected: tuple[int, ...]
) -> None:
    assert beam_widths(scores, width=8, beam_width=2) == expected


@pytest.mark.parametrize(
    ("num_completed", "expected"), [(0, (0, 2, 0, 2)), (1, (0, 2, 0, 1)), (3, (0, 1, 0, 0)), (9, (0, 0, 0, 0))]
)
def test_completed_beams_keep_their_places_if_asked_to(num_completed: int, expected: tuple[int, ...]) -> None:
    assert beam_widths(SCORES, width=4, beam_width=2, num_completed=num_completed) == expected


def test_a_beam_is_certain_once_those_still_out_cannot_displace_it() -> None:
    assert certain_beams([0.9, 0.1, 0.8], 3, 1) == (0, 2)
    assert certain_beams([0.9, 0.1, 0.8], 3, 2) == (0,)
    assert certain_beams([0.9, 0.1, 0.8], 3, 3) == ()
    assert certain_beams([0.9, 0.1, 0.8], 3, 0) == (0, 2, 1)


def test_the_children_that_are_certain_leave_the_odd_ones_to_those_still_out() -> None:
    assert least_beam_widths([0.9, 0.1, 0.8], width=8, beam_width=2, num_pending=1) == (2, 2, 2)
    assert least_beam_widths([0.9, 0.1], width=9, beam_width=2, num_pending=2) == (2, 2)
    assert least_beam_widths([0.9, 0.1], width=9, beam_width=2, num_pending=3) == (2, 0)
    assert least_beam_widths([0.9, 0.1], width=9, beam_width=2, num_pending=4) == (0, 0)
    assert least_beam_widths([0.9, 0.1], width=9, beam_width=2, num_pending=0) == (5, 4)


@pytest.mark.parametrize(("width", "beam_width", "kept"), [(4, 4, 1), (16, 4, 4), (5, 2, 2), (1, 1, 1)])
def test_a_level_keeps_the_width_over_the_beam_width(width: int, beam_width: int, kept: int) -> None:
    assert num_beams_kept(width, beam_width) == kept


@pytest.mark.parametrize(
    ("width", "beam_width", "message"), [(0, 1, "width"), (4, 0, "beam_width"), (4, 5, "5")]
)
def test_widths_that_keep_nobody_are_refused(width: int, beam_width: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        beam_widths(SCORES, width=width, beam_width=beam_width)


def test_what_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match=r"scores\[1\] is not a number"):
        kept_beams([0.1, math.nan], 1)
    with pytest.raises(ValueError, match="num_kept"):
        kept_beams(SCORES, -1)
    with pytest.raises(ValueError, match="num_pending"):
        certain_beams(SCORES, 1, -1)
    with pytest.raises(ValueError, match="num_completed"):
        beam_widths(SCORES, width=4, beam_width=2, num_completed=-1)
    with pytest.raises(ValueError, match="num_completed"):
        least_beam_widths(SCORES, width=4, beam_width=2, num_pending=1, num_completed=-1)
