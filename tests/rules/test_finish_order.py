"""First-finish and last-finish search, with both accounts of their cost, against hand-computed examples."""

from __future__ import annotations

import pytest

from ttscale_strategies.voting.rules import first_finish, last_finish, majority

LENGTHS, KEYS = [1200, 800, 950, 2000, 800, 3000], ["A", "B", None, "A", "C", "A"]


@pytest.mark.parametrize(
    ("k", "cutoff", "key", "published", "true"),
    [
        (1, 800, "B", 1600, 4800),  # B and C have both 800 tokens and both vote
        (3, 1200, "A", 3750, 6150),
        (4, 2000, "A", 5750, 7750),
        (9, 3000, "A", 8750, 8750),  # fewer than nine answers: all vote
    ],
)
def test_the_worked_first_finishers(k: int, cutoff: int, key: str, published: int, true: int) -> None:
    vote = first_finish(KEYS, LENGTHS, k)
    assert vote.winner is not None
    assert (vote.winner.key, vote.cutoff, vote.critical_path_tokens) == (key, cutoff, cutoff)
    assert (vote.num_tokens_published, vote.num_tokens) == (published, true)


def test_the_worked_last_finisher_costs_what_all_cost() -> None:
    vote = last_finish(KEYS, LENGTHS, 1)
    assert vote.winner is not None
    assert (vote.winner.key, vote.cutoff, vote.voters) == ("A", 3000, (5,))
    assert (vote.critical_path_tokens, vote.num_tokens, vote.num_tokens_published) == (3000, 8750, 8750)


def test_equal_lengths_bring_in_more_than_k() -> None:
    assert first_finish(KEYS, LENGTHS, 1).voters == (1, 4)
    assert last_finish(["A", "B", "C"], [5, 9, 9], 1).voters == (1, 2)


def test_the_worked_vote_of_four_short_samples_waits_for_the_longest() -> None:
    vote = last_finish(["A", "B", "A", "A"], [700, 650, 600, 690], 4)
    assert vote.winner is not None
    assert (vote.winner.key, vote.critical_path_tokens, vote.num_tokens) == ("A", 700, 2640)


def test_with_k_of_all_answers_both_are_the_majority() -> None:
    expected = majority(KEYS)
    assert first_finish(KEYS, LENGTHS, 5).winner == expected
    assert last_finish(KEYS, LENGTHS, 5).winner == expected
    assert last_finish(KEYS, LENGTHS, 9).winner == expected


def test_without_an_answer_all_are_waited_for_and_nobody_wins() -> None:
    vote = first_finish([None, None], [10, 30], 1)
    assert (vote.winner, vote.voters, vote.cutoff, vote.num_tokens) == (None, (), 30, 40)
    assert last_finish([None, None], [10, 30], 1).winner is None


def test_no_samples_cost_nothing() -> None:
    for vote in (first_finish([], [], 1), last_finish([], [], 1)):
        assert (vote.winner, vote.num_tokens, vote.critical_path_tokens) == (None, 0, 0)


def test_what_does_not_fit_is_refused() -> None:
    for rule in (first_finish, last_finish):
        with pytest.raises(ValueError, match="k must be >= 1, got 0"):
            rule(["A"], [1], 0)
        with pytest.raises(ValueError, match="lengths need one value a sample"):
            rule(["A"], [], 1)
        with pytest.raises(ValueError, match=r"lengths\[0\] must be >= 0"):
            rule(["A"], [-1], 1)
