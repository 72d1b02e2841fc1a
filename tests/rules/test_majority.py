"""The plain majority against hand-computed examples."""

from __future__ import annotations

import pytest

from ttscale_strategies.voting.rules import majority, unanimous


def test_majority_of_the_worked_example_drops_none_and_breaks_the_tie_by_first_sight() -> None:
    winner = majority(["B", "A", "A", None, "B"])
    assert winner is not None
    assert (winner.key, winner.votes, winner.num_voters, winner.share) == ("B", 2, 4, 0.5)


@pytest.mark.parametrize("keys", [[], [None], [None, None]])
def test_nobody_voting_elects_nobody(keys: list[str | None]) -> None:
    assert majority(keys) is None


def test_ties_everywhere_go_to_the_answer_seen_first() -> None:
    winner = majority([None, "C", "A", "B", "D"])
    assert winner is not None
    assert (winner.key, winner.votes, winner.share) == ("C", 1, 0.25)


@pytest.mark.parametrize(
    ("keys", "key"),
    [
        (["A", "A", "A", "A"], "A"),
        (["A"], "A"),
        (["A", "B"], None),
        (["A", None], None),
        ([None], None),
        ([], None),
    ],
)
def test_all_must_give_the_same_answer_to_be_unanimous(keys: list[str | None], key: str | None) -> None:
    assert unanimous(keys) == key
