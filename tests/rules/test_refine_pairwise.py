"""All pairs compared: scores, certainty before the end, and strengths by hand; and what labels are worth."""

from __future__ import annotations

import random
from itertools import combinations

import pytest

from ttscale_strategies.refine.rules import (
    Tally,
    bradley_terry,
    label_votes,
    list_orders,
    pairwise_standing,
    picked_key,
)

KEYS = {0: "a", 1: "b", 2: "c"}


def test_scores_by_hand() -> None:
    tallies = {(0, 1): Tally(2, 0), (0, 2): Tally(1, 1), (1, 2): Tally(0, 2)}
    assert pairwise_standing(3, KEYS, tallies).scores == (1.5, 0.0, 1.5)
    assert pairwise_standing(3, KEYS, tallies).champion == 0
    assert pairwise_standing(3, KEYS, tallies, score="points").scores == (1.5, 0.0, 1.5)
    strengths = pairwise_standing(3, KEYS, tallies, score="bradley_terry").scores
    assert strengths[0] == pytest.approx(strengths[2])
    assert strengths[1] < strengths[0]


def test_the_silent_lose_and_those_who_agree_are_even() -> None:
    standing = pairwise_standing(3, {0: None, 1: "a", 2: "a"}, {})
    assert (standing.champion, standing.scores, standing.ready) == (1, (0.0, 1.5, 1.5), ())
    assert pairwise_standing(2, {0: None, 1: None}, {}).champion == 0
    assert pairwise_standing(2, {0: None}, {}).champion is None
    for score in ("copeland", "points", "bradley_terry"):
        assert pairwise_standing(3, dict.fromkeys(range(3), "a"), {}, score=score).champion == 0


@pytest.mark.parametrize("score", ["copeland", "points", "bradley_terry"])
@pytest.mark.parametrize("seed", range(40))
def test_what_is_certain_early_stays_so_and_is_what_all_comparisons_say(score: str, seed: int) -> None:
    draw = random.Random(seed)
    n, k = draw.randint(1, 5), draw.randint(1, 4)
    keys = {index: draw.choice(["a", "b", "c", "d", None]) for index in range(n)}
    sides = {pair: [draw.choice([0, 0, 1, None]) for _ in range(k)] for pair in combinations(range(n), 2)}
    options = {"score": score, "num_comparisons": k}

    def whole(pair: tuple[int, int], count: int = k) -> Tally:
        tally = Tally()
        for side in sides[pair][:count]:
            tally = tally.plus(side)  # type: ignore[arg-type]
        return tally

    final = pairwise_standing(n, keys, {pair: whole(pair) for pair in sides}, **options)  # type: ignore[arg-type]
    assert final.champion is not None
    assert final.ready == ()
    known, counts = dict[int, str | None](), dict.fromkeys(sides, 0)
    arrivals = draw.sample(range(n), n)
    champion = None
    while True:
        tallies = {pair: whole(pair, count) for pair, count in counts.items() if count}
        standing = pairwise_standing(n, known, tallies, **options)  # type: ignore[arg-type]
        assert champion is None or standing.champion == champion
        champion = standing.champion
        waiting = [pair for pair in standing.ready if counts[pair] < k]
        assert all(set(pair) <= known.keys() for pair in standing.ready)
        if waiting and draw.random() < 0.7:
            counts[draw.choice(waiting)] += 1
        elif arrivals:
            index = arrivals.pop()
            known[index] = keys[index]
        elif waiting:
            counts[draw.choice(waiting)] += 1
        else:
            break
    assert champion == final.champion


def test_numbers_and_meetings_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match=r"there is no meeting \(1, 0\) of 3"):
        pairwise_standing(3, KEYS, {(1, 0): Tally(1)})
    with pytest.raises(ValueError, match="3 comparisons are too many for a meeting of 2"):
        pairwise_standing(3, KEYS, {(0, 1): Tally(3)})
    with pytest.raises(ValueError, match="num_candidates must be >= 1"):
        pairwise_standing(0, {}, {})
    with pytest.raises(ValueError, match="num_comparisons must be >= 1"):
        pairwise_standing(2, {}, {}, num_comparisons=0)


def test_strengths_by_hand() -> None:
    assert bradley_terry([[0, 0], [0, 0]]) == pytest.approx((0.5, 0.5))
    strong, weak = bradley_terry([[0, 3], [1, 0]])
    assert strong + weak == pytest.approx(1.0)
    assert 0.5 < strong < 0.75  # three in four, drawn a little to the middle
    many, few = bradley_terry([[0, 3000], [1000, 0]])
    assert many / few == pytest.approx(3.0, rel=1e-2)
    never_lost = bradley_terry([[0, 5, 5], [0, 0, 3], [0, 2, 0]])
    assert never_lost[0] > never_lost[1] > never_lost[2] > 0


@pytest.mark.parametrize("wins", [[], [[0, 1]], [[0, -1], [0, 0]], [[0, float("nan")], [0, 0]]])
def test_wins_of_another_shape_are_refused(wins: list[list[float]]) -> None:
    with pytest.raises(ValueError, match="wins must"):
        bradley_terry(wins)


@pytest.mark.parametrize(
    ("p_first", "count", "votes"),
    [
        (0.9, 2, (0, 0)),
        (0.6, 2, (0, 1)),
        (0.75, 2, (0, None)),
        (0.5, 1, (None,)),
        (0.51, 1, (0,)),
        (0.0, 3, (1, 1, 1)),
        (1.0, 3, (0, 0, 0)),
        (0.5, 2, (0, 1)),
        (0.2, 5, (0, 1, 1, 1, 1)),
    ],
)
def test_a_labels_probability_is_worth_so_many_votes(
    p_first: float, count: int, votes: tuple[int | None, ...]
) -> None:
    assert label_votes(p_first, count) == votes


def test_probabilities_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match=r"p_first must lie in \[0, 1\]"):
        label_votes(1.1, 2)
    with pytest.raises(ValueError, match="num_comparisons must be >= 1"):
        label_votes(0.5, 0)


@pytest.mark.parametrize(("n", "k"), [(1, 1), (1, 4), (4, 1), (4, 4), (5, 3), (3, 8)])
def test_every_order_shows_everybody_once(n: int, k: int) -> None:
    orders = list_orders(n, k)
    assert orders[0] == tuple(range(n))
    assert [sorted(order) for order in orders] == [list(range(n))] * k
    if k == n:
        assert len(set(orders)) == n


@pytest.mark.parametrize(
    ("picks", "picked"),
    [
        ([], None),
        ([None, None], None),
        (["b", None], "b"),
        (["a", "b", "b"], "b"),
        (["a", "c"], "c"),  # two candidates have it
        (["b", "a"], "a"),  # the first candidate
    ],
)
def test_the_answer_picked_most_often_wins(picks: list[str | None], picked: str | None) -> None:
    assert picked_key(picks, ["a", "b", "c", "c", None]) == picked
