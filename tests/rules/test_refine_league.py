"""Leagues and tournaments that drop candidates, against hand-computed examples and at their edges."""

from __future__ import annotations

import math

import pytest

from ttscale_strategies.refine.rules import (
    Lucb,
    Tally,
    league_failure_bound,
    league_points,
    league_schedule,
    league_standing,
    win_rate_interval,
)

WORKED = {
    (0, 1): Tally(2, 0),
    (0, 2): Tally(1, 1),
    (1, 2): Tally(2, 0),
    (1, 0): Tally(0, 2),
    (2, 0): Tally(1, 1),
    (2, 1): Tally(0, 2),
}
ABC = {0: "a", 1: "b", 2: "c"}


def test_the_worked_example_of_three_candidates() -> None:
    assert sorted(league_schedule(3)) == sorted(WORKED)
    assert league_points(3, WORKED) == (6, 4, 2)
    standing = league_standing(3, ABC, WORKED, num_comparisons=2)
    assert standing.champion == 0
    assert standing.ready == ()


def test_opponents_are_the_next_ones_round_the_table() -> None:
    assert league_schedule(4, 2) == ((0, 1), (0, 2), (1, 2), (1, 3), (2, 3), (2, 0), (3, 0), (3, 1))
    assert league_schedule(1) == ()
    with pytest.raises(ValueError, match=r"num_opponents must lie in \[1, 3\], got 4"):
        league_schedule(4, 4)
    with pytest.raises(ValueError, match=r"num_opponents must lie in \[1, 3\], got 0"):
        league_schedule(4, 0)


def test_the_first_of_equals_wins() -> None:
    tied = {meeting: Tally(1, 1) for meeting in WORKED}
    assert league_standing(3, ABC, tied, num_comparisons=2).champion == 0


def test_meetings_are_ready_the_moment_both_candidates_exist() -> None:
    assert league_standing(3, {0: "a"}, {}).ready == ()
    assert league_standing(3, {0: "a", 2: "c"}, {}).ready == ((0, 2), (2, 0))
    # of two with the same answer nobody knows yet whether it is needed
    assert league_standing(3, {0: "a", 2: "a"}, {}).ready == ()
    assert len(league_standing(3, {0: "a", 1: "b", 2: "a"}, {}).ready) == 6


def test_where_all_answers_agree_nothing_is_compared() -> None:
    standing = league_standing(3, dict.fromkeys(range(3), "x"), {})
    assert (standing.champion, standing.ready) == (0, ())
    assert league_standing(1, {0: "x"}, {}).champion == 0
    assert league_standing(1, {}, {}).champion is None


def test_without_an_answer_a_candidate_loses_all_its_meetings_without_comparisons() -> None:
    standing = league_standing(3, {0: None, 1: "b", 2: "c"}, {}, num_comparisons=2)
    assert standing.ready == ((1, 2), (2, 1))
    assert standing.points == (0, 4, 4)
    assert league_standing(3, {0: None, 1: "b", 2: None}, {}).champion == 1
    assert league_standing(2, dict.fromkeys(range(2)), {}).champion == 0


def test_a_champion_is_named_as_soon_as_nobody_can_overtake() -> None:
    tallies = {(0, 1): Tally(2, 0), (0, 2): Tally(2, 0), (1, 0): Tally(0, 2)}
    # candidate 2 might still have 6 points, as 0 has now: but 0 comes first
    standing = league_standing(3, ABC, tallies, num_comparisons=2)
    assert standing.points == (6, 0, 0)
    assert (standing.champion, standing.ready) == (0, ())
    fewer = {(0, 1): Tally(2, 0), (1, 0): Tally(0, 2)}
    assert league_standing(3, ABC, fewer, num_comparisons=2).champion is None


def test_the_bound_of_a_league() -> None:
    expected = 0.7**16 + 32 * math.exp(-8 * 0.16 / 8) + 32 * math.exp(-15 * 0.16 / 8)
    assert league_failure_bound(16, 8, p_strong=0.3, gap=0.4) == pytest.approx(expected)
    with pytest.raises(ValueError, match="gap"):
        league_failure_bound(16, 8, p_strong=0.3, gap=1.4)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no meeting \(1, 1\)"):
        league_points(2, {(1, 1): Tally()})
    with pytest.raises(ValueError, match=r"no meeting \(0, 2\) in this league"):
        league_standing(3, ABC, {(0, 2): Tally()}, num_opponents=1)
    with pytest.raises(ValueError, match="5 comparisons are too many"):
        league_standing(3, ABC, {(0, 1): Tally(5, 0)})


def test_the_worked_interval() -> None:
    low, rate, high = win_rate_interval(12, 16)
    assert rate == 0.75
    assert (low, high) == pytest.approx((0.501253, 0.998747), abs=1e-6)


def test_intervals_keep_within_0_and_1_and_are_wide_without_comparisons() -> None:
    assert win_rate_interval(0, 0) == (0.0, 0.5, 1.0)
    assert win_rate_interval(4, 4) == pytest.approx((1 - math.sqrt(0.99 / 4), 1.0, 1.0))
    assert win_rate_interval(0, 4) == pytest.approx((0.0, 0.0, math.sqrt(0.99 / 4)))
    with pytest.raises(ValueError, match="num_comparisons must be >= 3"):
        win_rate_interval(3, 2)


def test_who_is_surely_behind_is_dropped() -> None:
    lucb = Lucb(3, (0, 1, 2))
    # 2 loses 8 of 8: at most .352 < ½; 0 and 1 are even
    after = lucb.after({(0, 2): Tally(4, 0), (1, 2): Tally(4, 0), (0, 1): Tally(2, 2)})
    assert after.survivors == (0, 1)
    assert after.num_rounds == 1
    # comparisons with those dropped no longer count
    assert after.interval(0).rate == 0.5
    assert after.champion(ABC) is None
    assert after.leader == 0
    assert after.champion({0: "x", 1: "x"}) == 0


def test_dropping_goes_on_until_nobody_is_dropped() -> None:
    # without its wins over 2, candidate 1 is surely behind 0
    after = Lucb(3, (0, 1, 2)).after({(0, 1): Tally(12, 4), (1, 2): Tally(32, 0), (0, 2): Tally(32, 0)})
    assert after.survivors == (0,)
    assert after.champion({}) is None
    assert after.champion({0: None}) == 0
    assert after.next_meetings() == ()


def test_void_comparisons_do_not_count() -> None:
    after = Lucb(2, (0, 1)).after({(0, 1): Tally(1, 1, 100)})
    assert after.interval(0) == win_rate_interval(1, 2)
    assert Lucb(2, (0, 1)).interval(1) == (0.0, 0.5, 1.0)


def test_every_survivor_meets_others_drawn_with_the_seed() -> None:
    lucb = Lucb(6, (0, 2, 3, 5))
    meetings = lucb.next_meetings(num_opponents=2, seed=7)
    assert [first for first, _ in meetings] == [0, 0, 2, 2, 3, 3, 5, 5]
    assert all(first != second and second in lucb.survivors for first, second in meetings)
    assert len(set(meetings)) == 8
    assert meetings == lucb.next_meetings(num_opponents=2, seed=7)
    assert {lucb.next_meetings(seed=seed) for seed in range(20)} != {meetings}
    assert len(lucb.next_meetings(num_opponents=99)) == 12


def test_a_tournament_needs_survivors_that_exist() -> None:
    with pytest.raises(ValueError, match="at least one survivor"):
        Lucb(3, ())
    with pytest.raises(ValueError, match="different candidates below 3, in order"):
        Lucb(3, (0, 3))
    with pytest.raises(ValueError, match="different candidates below 3, in order"):
        Lucb(3, (1, 0))
    with pytest.raises(ValueError, match="no meeting"):
        Lucb(2, (0, 1)).after({(0, 2): Tally()})
