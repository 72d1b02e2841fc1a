"""Knockout tournaments against hand-computed examples, and at their edges."""

from __future__ import annotations

from random import Random

import pytest

from ttscale_strategies.refine.rules import (
    EarlyStop,
    Match,
    Pairing,
    Tally,
    agreed,
    knockout_bracket,
    knockout_failure_bound,
    knockout_standing,
    max_knockout_calls,
    meeting_winner,
    named_winner,
    num_knockout_rounds,
    shown_swapped,
)

ABC = {0: "a", 1: "b", 2: "c"}


def test_five_candidates_meet_as_worked_out_with_the_bye_placed_first() -> None:
    assert knockout_bracket(5) == (
        Pairing(0, 0, 1),  # 5
        Pairing(0, 2, 3),  # 6; candidate 4 has a bye
        Pairing(1, 4, 5),  # 7; the winner of 2 and 3 has a bye
        Pairing(2, 6, 7),
    )


@pytest.mark.parametrize(
    ("num_candidates", "rounds"), [(1, 0), (2, 1), (3, 2), (4, 2), (5, 3), (16, 4), (17, 5)]
)
def test_rounds_and_matches_of_a_bracket(num_candidates: int, rounds: int) -> None:
    bracket = knockout_bracket(num_candidates)
    assert len(bracket) == num_candidates - 1
    assert (
        num_knockout_rounds(num_candidates) == rounds == max((match.round for match in bracket), default=-1) + 1
    )
    played = [place for match in bracket for place in (match.first, match.second)]
    assert sorted(played) == list(range(max(2 * num_candidates - 2, 0)))


@pytest.mark.parametrize(
    ("num_comparisons", "swapped"),
    [(1, (True,)), (2, (False, True)), (3, (True, False, True)), (4, (False, True, False, True))],
)
def test_half_the_comparisons_are_shown_in_either_order(
    num_comparisons: int, swapped: tuple[bool, ...]
) -> None:
    assert shown_swapped(num_comparisons) == swapped
    assert shown_swapped(num_comparisons).count(False) == num_comparisons // 2


@pytest.mark.parametrize(
    ("text", "winner"),
    [
        ("<compare>both</compare><winner>Solution 1</winner>", 0),
        ("<winner> solution  2 </winner>", 1),
        ("<WINNER>Solution 2</WINNER> so <winner>Solution 2</winner>", 1),
        ("<winner>Solution 1</winner><winner>Solution 2</winner>", None),
        ("<winner>Solution 3</winner>", None),
        ("<winner>Solution 12</winner>", None),
        ("Solution 1 wins", None),
        ("", None),
        ("<winner>" * 50_000, None),
        ("<winner>Solution 1</winner>" + "x" * 30_000, None),
    ],
)
def test_a_verdict_is_read_or_names_nobody(text: str, winner: int | None) -> None:
    assert named_winner(text) == winner
    swapped = None if winner is None else 1 - winner
    assert named_winner(text, is_swapped=True) == swapped


def test_a_meeting_ends_as_soon_as_it_is_certain() -> None:
    assert meeting_winner(Tally(2, 0, 0), 4, seed=0) is None
    assert meeting_winner(Tally(3, 0, 0), 4, seed=0) == 0
    assert meeting_winner(Tally(0, 2, 1), 4, seed=0) == 1
    assert meeting_winner(Tally(1, 0, 3), 4, seed=0) == 0
    assert Tally().plus(0).plus(None).plus(1).plus(1) == Tally(1, 2, 1)


def test_a_tie_is_broken_by_a_fair_seeded_coin() -> None:
    tosses = [meeting_winner(Tally(1, 1), 2, seed=seed) for seed in range(2000)]
    assert tosses == [meeting_winner(Tally(0, 0, 2), 2, seed=seed) for seed in range(2000)]
    assert 850 < tosses.count(0) < 1150
    assert None not in tosses


def test_a_match_is_ready_the_moment_its_two_candidates_exist() -> None:
    standing = knockout_standing(3, {1: "b", 2: "c"}, {})
    assert standing.ready == ()
    assert standing.champion is None
    standing = knockout_standing(3, {0: "a", 1: "b"}, {})
    assert standing.ready == (Match(0, 0, 0, 1),)
    standing = knockout_standing(3, ABC, {0: Tally(0, 3, 0)})
    assert standing.winners == {0: 1}
    # the bye is placed first
    assert standing.ready == (Match(1, 1, 2, 1),)
    assert knockout_standing(3, ABC, {0: Tally(0, 3), 1: Tally(4, 0)}).champion == 2


def test_one_candidate_is_champion_as_soon_as_it_exists() -> None:
    assert knockout_standing(1, {}, {}).champion is None
    assert knockout_standing(1, {0: None}, {}).champion == 0


def test_without_an_answer_a_candidate_loses_without_comparisons() -> None:
    standing = knockout_standing(4, {0: None, 1: "x", 2: "y", 3: None}, {})
    assert standing.winners == {0: 1, 1: 2}
    assert standing.walkovers == (0, 1)
    assert standing.ready == (Match(2, 1, 1, 2),)
    assert knockout_standing(3, dict.fromkeys(range(3)), {}, early_stop="never").champion == 2


@pytest.mark.parametrize("early_stop", ["pair", "round"])
def test_where_all_answers_agree_the_first_of_each_pair_goes_on(early_stop: EarlyStop) -> None:
    standing = knockout_standing(4, dict.fromkeys(range(4), "x"), {}, early_stop=early_stop)
    assert standing.champion == 0
    assert standing.walkovers == (0, 1, 2)
    # with five, the bye stands first in the next round
    standing = knockout_standing(5, dict.fromkeys(range(5), "x"), {}, early_stop=early_stop)
    assert standing.winners == {0: 0, 1: 2, 2: 4, 3: 2}


def test_pairs_of_one_answer_are_compared_only_where_the_rule_says_so() -> None:
    keys = {0: "x", 1: "x", 2: "y", 3: "x"}
    assert knockout_standing(4, keys, {}).ready == (Match(1, 0, 2, 3),)
    by_round = knockout_standing(4, keys, {}, early_stop="round")
    assert by_round.ready == (Match(0, 0, 0, 1), Match(1, 0, 2, 3))
    # once y is out, those left agree
    ended = knockout_standing(4, keys, {0: Tally(0, 4), 1: Tally(0, 4)}, early_stop="round")
    assert ended.winners == {0: 1, 1: 3, 2: 1}
    assert ended.walkovers == (2,)
    never = knockout_standing(4, keys, {0: Tally(0, 4), 1: Tally(0, 4)}, early_stop="never")
    assert never.ready == (Match(2, 1, 1, 3),)


def test_by_rounds_a_pair_of_one_answer_waits_until_the_round_is_known_to_differ() -> None:
    keys: dict[int, str | None] = {0: "x", 1: "x"}
    assert knockout_standing(4, keys, {}, early_stop="round").ready == ()
    keys[3] = "y"
    assert knockout_standing(4, keys, {}, early_stop="round").ready == (Match(0, 0, 0, 1),)


def test_agreement_is_known_once_two_differ_or_all_are_there() -> None:
    assert agreed([0, 1, 2], {0: "x", 1: "y"}) is False
    assert agreed([0, 1, 2], {0: "x", 1: "x"}) is None
    assert agreed([0, 1], {0: "x", 1: "x"}) is True
    assert agreed([0, 1], {0: "x", 1: None}) is False


@pytest.mark.parametrize(("num_candidates", "num_comparisons", "bound"), [(16, 16, 0.227862), (8, 4, 1.517905)])
def test_the_worked_failure_bounds(num_candidates: int, num_comparisons: int, bound: float) -> None:
    found = knockout_failure_bound(num_candidates, num_comparisons, p_correct=0.3, p_compare=0.8)
    assert found == pytest.approx(bound, abs=1e-6)


def share_of_wrong_champions(
    num_candidates: int, num_comparisons: int, *, p_correct: float, p_compare: float, num_tournaments: int = 300
) -> float:
    """Return how often tournaments end with a wrong answer that are as the bound supposes them to be."""
    rng, num_wrong = Random(7), 0
    for seed in range(num_tournaments):
        keys: dict[int, str | None] = {
            place: "right" if rng.random() < p_correct else f"wrong {place}" for place in range(num_candidates)
        }
        tallies = dict[int, Tally]()
        while True:
            standing = knockout_standing(
                num_candidates, keys, tallies, num_comparisons=num_comparisons, seed=seed
            )
            if standing.champion is not None:
                break
            for match in standing.ready:
                is_right = (keys[match.first] == "right", keys[match.second] == "right")
                chance = 0.5 if is_right[0] == is_right[1] else p_compare if is_right[0] else 1.0 - p_compare
                points = sum(rng.random() < chance for _ in range(num_comparisons))
                tallies[match.number] = Tally(points, num_comparisons - points)
        num_wrong += keys[standing.champion] != "right"
    return num_wrong / num_tournaments


@pytest.mark.parametrize(
    ("num_candidates", "num_comparisons", "p_correct", "p_compare"),
    [(16, 16, 0.3, 0.8), (8, 32, 0.2, 0.7), (5, 9, 0.5, 0.95), (2, 40, 0.3, 0.9)],
)
def test_tournaments_end_wrongly_no_more_often_than_the_bound_says(
    num_candidates: int, num_comparisons: int, p_correct: float, p_compare: float
) -> None:
    bound = knockout_failure_bound(num_candidates, num_comparisons, p_correct=p_correct, p_compare=p_compare)
    wrong = share_of_wrong_champions(num_candidates, num_comparisons, p_correct=p_correct, p_compare=p_compare)
    # within what 300 tournaments can be off by: three standard errors
    assert wrong <= bound + 3 * (bound * (1 - bound) / 300) ** 0.5 < 0.7
    # a judge that knows nothing does not keep to the bound of one that does
    blind = share_of_wrong_champions(num_candidates, num_comparisons, p_correct=p_correct, p_compare=0.5)
    assert blind > wrong


def test_the_bound_at_its_edges() -> None:
    assert knockout_failure_bound(1, 1, p_correct=0.3, p_compare=0.5) == pytest.approx(0.7)
    assert knockout_failure_bound(2, 1, p_correct=1.0, p_compare=0.5) == 1.0
    with pytest.raises(ValueError, match=r"p_compare must lie in \[0.5, 1\]"):
        knockout_failure_bound(4, 4, p_correct=0.3, p_compare=0.2)
    with pytest.raises(ValueError, match="p_correct"):
        knockout_failure_bound(4, 4, p_correct=1.3, p_compare=0.8)


def test_calls_keep_within_the_papers_bound() -> None:
    assert max_knockout_calls(16, 4) == 76
    assert max_knockout_calls(1, 4) == 1
    for num_candidates in range(1, 20):
        for num_comparisons in range(1, 6):
            calls = max_knockout_calls(num_candidates, num_comparisons)
            assert calls <= num_candidates * (num_comparisons + 1)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="num_candidates must be >= 1"):
        knockout_standing(0, {}, {})
    with pytest.raises(ValueError, match="no candidate 3"):
        knockout_standing(3, {3: "x"}, {})
    with pytest.raises(ValueError, match="no meeting 2"):
        knockout_standing(3, ABC, {2: Tally()})
    with pytest.raises(ValueError, match="5 comparisons are too many"):
        knockout_standing(3, ABC, {0: Tally(3, 2)})
    with pytest.raises(ValueError, match="num_comparisons must be >= 1"):
        shown_swapped(0)
    with pytest.raises(ValueError, match="void must be >= 0"):
        Tally(0, 0, -1)
