"""The voting rules against hand-computed examples, and the early stop against brute force."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttscale_strategies.voting.rules import best_scored, is_best_decided, is_vote_decided, majority


def test_majority_of_the_worked_example_drops_none_and_breaks_the_tie_by_first_sight() -> None:
    winner = majority(["B", "A", "A", None, "B"])
    assert winner is not None
    assert (winner.key, winner.votes, winner.num_voters, winner.share) == ("B", 2, 4, 0.5)


@pytest.mark.parametrize("keys", [[], [None], [None, None]])
def test_nobody_voting_elects_nobody(keys: list[str | None]) -> None:
    assert majority(keys) is None


@pytest.mark.parametrize(
    ("votes", "running", "decided"),
    [
        ({0: "A", 1: "A", 2: "A"}, {3, 4}, True),  # 3 against at most 2
        ({0: "A", 1: "A"}, {2, 3}, True),  # a tie of 2 goes to A, seen first
        ({2: "A", 3: "A"}, {0, 1}, False),  # a tie of 2 would go to the earlier index
        ({0: "A", 1: "A", 2: "B"}, {3}, True),  # B could tie at 2, but A was first
        ({0: "B", 1: "A", 2: "A"}, {3}, False),  # B could tie at 2 and was first
        ({0: None, 1: None}, {2}, False),
        ({}, {0}, False),
        ({0: "A"}, set(), True),
    ],
)
def test_a_vote_is_decided_exactly_when_the_rest_cannot_change_it(
    votes: dict[int, str | None], running: set[int], decided: bool
) -> None:
    assert is_vote_decided(votes, running) is decided


@given(
    keys=st.lists(st.sampled_from(["A", "B", None]), max_size=6),
    running=st.sets(st.integers(0, 5), max_size=4),
)
def test_decided_agrees_with_trying_every_outcome(keys: list[str | None], running: set[int]) -> None:
    votes = {index: key for index, key in enumerate(keys) if index not in running}
    open_indices = sorted(running)
    winners: set[str | None] = set()
    for rest in itertools.product(["A", "B", "new", None], repeat=len(open_indices)):
        full = {**votes, **dict(zip(open_indices, rest, strict=True))}
        winner = majority([full[index] for index in sorted(full)])
        winners.add(winner.key if winner else None)
    if is_vote_decided(votes, running):
        assert len(winners) == 1
    else:
        assert len(winners) > 1


def test_the_highest_score_wins_and_ties_go_to_the_smallest_index() -> None:
    assert best_scored({3: 0.5, 1: 0.9, 2: 0.9, 0: None}) == 1
    assert best_scored({0: None}) is None


@given(
    scores=st.dictionaries(st.integers(0, 5), st.sampled_from([None, 0.0, 0.5, 1.0]), max_size=5),
    unscored=st.sets(st.integers(0, 5), max_size=3),
)
def test_best_is_decided_only_if_no_score_to_come_changes_it(
    scores: dict[int, float | None], unscored: set[int]
) -> None:
    known = {index: score for index, score in scores.items() if index not in unscored}
    waiting = sorted(unscored)
    winners = {
        best_scored({**known, **dict(zip(waiting, rest, strict=True))})
        for rest in itertools.product([None, 0.0, 0.5, 1.0], repeat=len(waiting))
    }
    if is_best_decided(known, unscored, highest=1.0):
        assert len(winners) == 1
    else:
        assert len(winners) > 1
