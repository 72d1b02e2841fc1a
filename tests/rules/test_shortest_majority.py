"""Shortest-majority voting against hand-computed examples."""

from __future__ import annotations

import math

import pytest

from ttscale_strategies.voting.rules import LengthLaw, shortest_majority, shortest_majority_score


@pytest.mark.parametrize(
    ("votes", "length", "score"),
    [
        (3, 8000, 0.333808),
        (2, 1000, 0.289530),
        (2, 100, 0.434294),
        (2, 200, 0.377478),
        (2, 150, 0.399151),
    ],
)
def test_the_worked_scores(votes: int, length: int, score: float) -> None:
    assert shortest_majority_score([length] * votes) == pytest.approx(score, abs=1e-6)


def test_two_short_samples_beat_three_long_ones_and_two_longer_ones() -> None:
    keys = ["A"] * 3 + ["B"] * 2 + ["C"] * 2
    winner = shortest_majority(keys, [8000] * 3 + [1000] * 2 + [90, 110])
    assert winner is not None
    assert winner.key == "C"
    assert winner.totals == pytest.approx({"A": 0.333808, "B": 0.289530, "C": 0.434294}, abs=1e-6)


@pytest.mark.parametrize(("law", "scores"), [("sqrt", (0.2, 0.1)), ("linear", (0.02, 0.01)), ("ln", None)])
def test_the_laws_divide_by_what_they_say(law: LengthLaw, scores: tuple[float, float] | None) -> None:
    winner = shortest_majority(["A", "A", "B"], [100, 100, 100], law=law)
    assert winner is not None
    assert winner.key == "A"
    expected = scores or (2 / math.log(100), 1 / math.log(100))
    assert tuple(winner.totals.values()) == pytest.approx(expected)


def test_the_shorter_of_two_different_answers_wins_and_of_equal_ones_the_first() -> None:
    for lengths, key in (([900, 800], "A"), ([800, 900], "B"), ([800, 800], "B")):
        winner = shortest_majority(["B", "A"], lengths)
        assert winner is not None
        assert winner.key == key


@pytest.mark.parametrize("length", [0, 1, 2])
@pytest.mark.parametrize("law", ["ln", "sqrt", "linear"])
def test_lengths_of_2_tokens_and_fewer_count_as_2(length: int, law: LengthLaw) -> None:
    assert shortest_majority_score([length], law=law) == shortest_majority_score([2], law=law) > 0


def test_nobody_voting_elects_nobody_and_those_without_an_answer_do_not_count() -> None:
    assert shortest_majority([], []) is None
    assert shortest_majority([None, None], [1, 2]) is None
    winner = shortest_majority(["A", None], [100, -1])
    assert winner is not None
    assert winner.totals == pytest.approx({"A": 1 / math.log(100)})


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match=r"lengths\[0\] must be >= 0"):
        shortest_majority(["A"], [-1])
    with pytest.raises(ValueError, match="lengths need one value a sample"):
        shortest_majority(["A"], [])
    with pytest.raises(ValueError, match="no mean length"):
        shortest_majority_score([])
