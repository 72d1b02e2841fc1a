"""The early stop of a majority vote against examples and against trying every outcome."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttscale_strategies.voting.rules import is_vote_decided, majority


@pytest.mark.parametrize(
    ("votes", "running", "decided"),
    [
        ({0: "A", 1: "A", 2: "A"}, {3, 4}, True),  # 3 against at most 2
        ({0: "A", 1: "A"}, {2, 3}, True),  # a tie of 2 goes to A, seen first
        ({2: "A", 3: "A"}, {0, 1}, False),  # a tie of 2 would go to the earlier index
        ({0: "A", 1: "A", 2: "B"}, {3}, True),  # B could tie at 2, but A was first
        ({1: "A", 2: "A", 3: "B"}, {0}, False),  # B could tie at 2 and would have been first
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
