"""Whose answer counts among tracks, and when they end: worked examples, and code that goes round by round."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

import pytest

from ttscale_strategies.search.rules import (
    FastMode,
    FinishedTrack,
    elected_fast,
    elected_track,
    is_election_decided,
    last_round,
)


def tracks(
    keys: Sequence[object],
    grades: Sequence[float] = (),
    tokens: Sequence[int] = (),
    rounds: Sequence[int] = (),
) -> list[FinishedTrack]:
    return [
        FinishedTrack(
            index=index,
            key=str(key),
            num_rounds=rounds[index] if rounds else 1,
            mean_grade=grades[index] if grades else 9.0,
            num_tokens=tokens[index] if tokens else 10,
        )
        for index, key in enumerate(keys)
    ]


def test_a_tie_goes_to_the_best_graded_track_of_all() -> None:
    chosen = elected_track(tracks([70, 70, 81, 81, 5], grades=[7.5, 8.0, 8.9, 7.0, 9.0]))
    assert chosen is not None
    assert (chosen.key, chosen.index) == ("5", 4)


@pytest.mark.parametrize("grades", [[0, 0, 9], [9, 0, 0], [1, 2, 3]])
def test_a_majority_wins_whatever_the_grades_and_is_represented_by_its_longest_track(
    grades: list[float],
) -> None:
    chosen = elected_track(tracks([70, 70, 81], grades=grades, tokens=[10, 30, 90]))
    assert chosen is not None
    assert (chosen.key, chosen.index) == ("70", 1)


def test_answers_that_all_differ_go_by_grades_and_equal_grades_by_index() -> None:
    assert elected_track(tracks([1, 2, 3], grades=[5, 8, 8])) == tracks([1, 2, 3], grades=[5, 8, 8])[1]
    assert elected_track(tracks([7])) == tracks([7])[0]
    assert elected_track([]) is None


def test_in_a_fast_mode_grades_do_not_count() -> None:
    repeated = elected_fast(tracks([70, 81, 70, 5], grades=[0, 9, 0, 9], tokens=[10, 90, 20, 99]))
    assert repeated is not None
    assert (repeated.key, repeated.index) == ("70", 2)
    different = elected_fast(tracks([70, 81, 5], grades=[9, 1, 5], tokens=[10, 90, 20]))
    assert different is not None
    assert different.key == "81"
    tied = elected_fast(tracks([81, 70, 70, 81]))
    assert tied is not None
    assert tied.key == "81"
    assert elected_fast([]) is None


@pytest.mark.parametrize("seed", range(30))
def test_the_order_of_arrival_never_matters(seed: int) -> None:
    draw = random.Random(seed)
    size = draw.randint(1, 7)
    found = tracks(
        [draw.randint(1, 3) for _ in range(size)],
        grades=[draw.randint(0, 9) for _ in range(size)],
        tokens=[draw.randint(1, 3) for _ in range(size)],
        rounds=[draw.randint(1, 4) for _ in range(size)],
    )
    shuffled = draw.sample(found, size)
    assert elected_track(found) == elected_track(shuffled)
    assert elected_fast(found) == elected_fast(shuffled)
    modes: list[FastMode] = ["first", "agree"]
    assert [last_round(found, mode) for mode in modes] == [last_round(shuffled, mode) for mode in modes]


@pytest.mark.parametrize(
    ("keys", "num_open", "decided"),
    [
        ("", 3, False),
        ("a", 0, True),
        ("a", 1, False),  # one vote is no majority
        ("aa", 1, True),
        ("aa", 2, False),  # they may draw level
        ("aaa", 2, True),
        ("aab", 0, True),
        ("aab", 1, False),  # a tie would go by grades
        ("aaab", 1, True),
        ("aabb", 0, True),
    ],
)
def test_an_election_is_decided_once_the_open_tracks_cannot_draw_level(
    keys: str, num_open: int, decided: bool
) -> None:
    assert is_election_decided(tracks(keys), num_open) is decided


@pytest.mark.parametrize("seed", range(40))
def test_a_decided_election_is_never_changed_by_what_comes(seed: int) -> None:
    draw = random.Random(seed)
    size = draw.randint(2, 7)
    found = tracks([draw.randint(1, 2) for _ in range(size)], grades=[draw.randint(0, 9) for _ in range(size)])
    for num_ended in range(1, size + 1):
        if is_election_decided(found[:num_ended], size - num_ended):
            early, late = elected_track(found[:num_ended]), elected_track(found)
            assert early is not None
            assert late is not None
            assert early.key == late.key


def round_by_round(found: Sequence[FinishedTrack], mode: FastMode) -> int | None:
    """Do what the authors' code does: look before each round at those that have finished."""
    for number in range(1, max(track.num_rounds for track in found) + 1):
        counts = Counter(track.key for track in found if track.num_rounds <= number)
        if counts and (mode == "first" or max(counts.values()) > 1):
            return number
    return None


@pytest.mark.parametrize("mode", ["first", "agree"])
@pytest.mark.parametrize("seed", range(40))
def test_the_last_round_is_that_of_the_code_that_goes_round_by_round(seed: int, mode: FastMode) -> None:
    draw = random.Random(seed)
    size = draw.randint(1, 6)
    keys, rounds = [draw.randint(1, 3) for _ in range(size)], [draw.randint(1, 9) for _ in range(size)]
    found = tracks(keys, rounds=rounds)
    assert last_round(found, mode) == round_by_round(found, mode)
    known = [last_round(found[:count], mode) for count in range(size + 1)]
    numbers = [number for number in known if number is not None]
    assert numbers == sorted(numbers, reverse=True)  # it never grows


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"num_rounds": 0}, "num_rounds"),
        ({"mean_grade": -1.0}, "mean_grade"),
        ({"num_tokens": -1}, "num_tokens"),
    ],
)
def test_a_track_that_cannot_be_is_refused(changes: dict[str, float], name: str) -> None:
    fields = {"index": 0, "num_rounds": 1, "mean_grade": 1.0, "num_tokens": 1, **changes}
    with pytest.raises(ValueError, match=name):
        FinishedTrack(key="1", **fields)  # type: ignore[arg-type]  # wrong on purpose
