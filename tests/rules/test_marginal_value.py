"""What another sample is worth, held against hand-computed numbers and the rule that ends a vote."""

from __future__ import annotations

from fractions import Fraction

import pytest

from ttscale_strategies.voting.rules import (
    beta_probability,
    is_vote_decided,
    marginal_value,
    overtaking_probability,
)


@pytest.mark.parametrize(
    ("leader", "challenger", "remaining", "expected"),
    [
        (1, 0, 2, Fraction(1, 6)),  # both for the other: 1/3 * 2/4
        (1, 1, 1, Fraction(1, 2)),
        (2, 1, 2, Fraction(1, 5)),  # 2/5 * 3/6
        (0, 0, 1, Fraction(1, 2)),
        (3, 1, 3, Fraction(4, 56)),  # all three: 2/6 * 3/7 * 4/8 = 1/14
        (1, 1, 3, Fraction(1, 2)),
        (2, 0, 2, Fraction(0)),
        (5, 3, 0, Fraction(0)),
        (3, 4, 0, Fraction(1)),
    ],
)
def test_an_answer_overtakes_as_a_polya_urn_says(
    leader: int, challenger: int, remaining: int, expected: Fraction
) -> None:
    assert overtaking_probability(leader, challenger, remaining) == pytest.approx(float(expected), abs=1e-15)


def test_a_tie_is_enough_for_an_answer_that_was_seen_first() -> None:
    assert overtaking_probability(2, 1, 1) == 0.0
    assert overtaking_probability(2, 1, 1, wins_ties=True) == pytest.approx(2 / 5)
    assert overtaking_probability(2, 2, 0, wins_ties=True) == 1.0


@pytest.mark.parametrize(("leader", "challenger"), [(1, 0), (3, 1), (4, 4), (6, 2)])
def test_with_many_samples_to_come_it_is_what_adaptive_consistency_doubts(leader: int, challenger: int) -> None:
    doubt = 1.0 - beta_probability(leader, challenger)
    assert overtaking_probability(leader, challenger, 4001) == pytest.approx(doubt, abs=2e-3)


def test_the_value_is_of_the_runner_up_whoever_else_has_votes() -> None:
    assert marginal_value(["a", "b", "a", "c", None], max_samples=7) == pytest.approx(1 / 5)
    assert marginal_value(["a"], max_samples=3) == pytest.approx(1 / 6)


def test_the_runner_up_that_was_seen_first_wins_ties() -> None:
    assert marginal_value(["b", "a", "a"], max_samples=4) == pytest.approx(2 / 5)
    assert marginal_value(["a", "a", "b"], max_samples=4) == 0.0


def test_samples_without_an_answer_use_up_the_samples_and_do_not_vote() -> None:
    assert marginal_value([None, None], max_samples=3) == pytest.approx(1 / 2)
    assert marginal_value([None, None, "a"], max_samples=4) == 0.0
    assert marginal_value([None, None], max_samples=2) == 0.0


def test_a_value_is_asked_of_votes_only() -> None:
    with pytest.raises(ValueError, match=r"max_samples must be >= 1, got 0"):
        marginal_value([], max_samples=0)
    with pytest.raises(ValueError, match=r"counts\[1\] must be >= 0"):
        overtaking_probability(1, -1, 2)


def test_a_leader_with_two_votes_of_two_has_four_more_to_fear_for() -> None:
    votes = {0: "a", 1: "a"}
    assert not is_vote_decided(dict(votes), {2, 3, 4, 5})
    assert marginal_value(["a", "a"], max_samples=6) > 0.0
    assert is_vote_decided(dict(votes), {2, 3})
    assert marginal_value(["a", "a"], max_samples=4) == 0.0
