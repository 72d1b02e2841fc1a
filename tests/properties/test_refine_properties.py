"""What holds for every tournament and workspace, in whatever order things come in."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence

from hypothesis import given
from hypothesis import strategies as st

from ttscale_strategies.refine.rules import (
    EarlyStop,
    LeagueStanding,
    Lucb,
    Match,
    Meeting,
    Side,
    Tally,
    difficulty,
    even_shares,
    knockout_standing,
    league_schedule,
    league_standing,
    list_choice,
    max_knockout_calls,
    meeting_winner,
    named_winner,
    parse_outline,
    parse_version,
    picked_drafts,
    thinking_steps,
)

answers = st.lists(st.sampled_from(["right", "wrong", "other", None]), min_size=1, max_size=12)
few_answers = st.lists(st.sampled_from(["right", "wrong", "other", None]), min_size=1, max_size=6)
stops = st.sampled_from(["pair", "round", "never"])
seeds = st.integers(0, 2**32)
Judge = Callable[[int, int, int, int], Side | None]
"""What the comparison number of a meeting of two candidates says."""


def perfect(keys: Sequence[str | None]) -> Judge:
    """Names the right one; of equals, it does not matter whom."""

    def judge(_meeting: int, first: int, second: int, number: int) -> Side | None:
        if (keys[first] == "right") != (keys[second] == "right"):
            return 0 if keys[first] == "right" else 1
        return (0, 1, None)[number % 3]

    return judge


def noisy(world: int) -> Judge:
    def judge(meeting: int, first: int, second: int, number: int) -> Side | None:
        return random.Random(f"{world} {meeting} {first} {second} {number}").choice((0, 0, 1, None))

    return judge


def knocked_out(
    keys: Sequence[str | None], judge: Judge, order: random.Random, *, k: int, early_stop: EarlyStop, seed: int
) -> tuple[int, int, int]:
    """Play to the end, candidates and comparisons coming in at random: champion, meetings, comparisons."""
    known: dict[int, str | None] = {}
    tallies: dict[int, Tally] = {}
    asked: dict[int, list[int]] = {}
    num_asked = 0
    while True:
        standing = knockout_standing(
            len(keys), known, tallies, num_comparisons=k, early_stop=early_stop, seed=seed
        )
        if len(known) == len(keys) and standing.champion is not None:
            return standing.champion, len(standing.winners), num_asked
        absent = [candidate for candidate in range(len(keys)) if candidate not in known]
        moves: list[int | Match] = [*absent, *standing.ready]
        assert moves, "nothing is left to do and there is no champion"
        move = order.choice(moves)
        if isinstance(move, int):
            known[move] = keys[move]
            continue
        left = asked.setdefault(move.number, list(range(k)))
        number = left.pop(order.randrange(len(left)))
        side = judge(move.number, move.first, move.second, number)
        tallies[move.number] = tallies.get(move.number, Tally()).plus(side)
        num_asked += 1


@given(answers, stops, st.integers(1, 5), seeds, st.randoms(use_true_random=False))
def test_a_perfect_judge_finds_a_right_candidate_iff_there_is_one_in_n_minus_1_meetings(
    keys: list[str | None], early_stop: EarlyStop, k: int, seed: int, order: random.Random
) -> None:
    champion, meetings, asked = knocked_out(keys, perfect(keys), order, k=k, early_stop=early_stop, seed=seed)
    assert (keys[champion] == "right") == ("right" in keys)
    assert meetings == len(keys) - 1
    assert len(keys) + asked <= max_knockout_calls(len(keys), k) <= len(keys) * (k + 1)


@given(answers, stops, st.integers(1, 4), seeds, st.integers(0, 99), st.randoms(use_true_random=False))
def test_the_champion_does_not_depend_on_what_ends_first(
    keys: list[str | None], early_stop: EarlyStop, k: int, seed: int, world: int, order: random.Random
) -> None:
    judge = noisy(world)
    champions = {knocked_out(keys, judge, order, k=k, early_stop=early_stop, seed=seed)[0] for _ in range(3)}
    assert len(champions) == 1
    assert keys[champions.pop()] is not None or not any(keys)


@given(answers, st.integers(1, 4), seeds, st.randoms(use_true_random=False))
def test_skipping_pairs_of_one_answer_asks_nothing_once_all_agree(
    keys: list[str | None], k: int, seed: int, order: random.Random
) -> None:
    same = ["x" if key else None for key in keys]
    _, _, asked = knocked_out(same, noisy(0), order, k=k, early_stop="pair", seed=seed)
    assert asked == 0


@given(
    st.integers(1, 9),
    seeds,
    st.lists(st.sampled_from([0, 1, None]), max_size=9),
    st.randoms(use_true_random=False),
)
def test_a_winner_that_is_certain_stays_the_winner(
    k: int, seed: int, sides: list[Side | None], order: random.Random
) -> None:
    tally, found = Tally(), set[Side]()
    outcomes: tuple[Side | None, ...] = (0, 1, None)
    named: list[Side | None] = [*sides, *(order.choice(outcomes) for _ in range(k))]
    for side in named[:k]:
        tally = tally.plus(side)
        if (winner := meeting_winner(tally, k, seed=seed)) is not None:
            found.add(winner)
    assert len(found) == 1


def leagued(
    keys: Sequence[str | None], judge: Judge, order: random.Random, *, k: int, opponents: int | None
) -> tuple[int, int]:
    """Play until the champion is certain, and on to the end: they agree. Champion and comparisons needed."""
    known: dict[int, str | None] = {}
    tallies: dict[Meeting, Tally] = {}
    named: tuple[int, int] | None = None
    num_asked = 0

    def stand() -> LeagueStanding:
        return league_standing(len(keys), known, tallies, num_opponents=opponents, num_comparisons=k)

    while True:
        standing = stand()
        if standing.champion is not None:
            named = named or (standing.champion, num_asked)
            assert standing.champion == named[0]
        absent = [candidate for candidate in range(len(keys)) if candidate not in known]
        # those that could still be compared, though nobody needs it
        left = [
            meeting
            for meeting in league_schedule(len(keys), opponents)
            if all(known.get(candidate) is not None for candidate in meeting)
            and tallies.get(meeting, Tally()).num_comparisons < k
        ]
        assert set(standing.ready) <= set(left)
        moves: list[int | Meeting] = [*absent, *(left if named else standing.ready)]
        if not moves:
            assert named is not None, "nothing is left to do and there is no champion"
            return named
        move = order.choice(moves)
        if isinstance(move, int):
            known[move] = keys[move]
            continue
        before = tallies.get(move, Tally())
        side = judge(move[0] * 100 + move[1], move[0], move[1], before.num_comparisons)
        tallies[move] = before.plus(side)
        num_asked += 1


@given(few_answers, st.integers(1, 3), st.integers(0, 99), st.randoms(use_true_random=False), st.data())
def test_a_leagues_champion_is_certain_when_it_is_named(
    keys: list[str | None], k: int, world: int, order: random.Random, data: st.DataObject
) -> None:
    opponents = data.draw(st.sampled_from([None, *range(1, len(keys))]))
    champions = {leagued(keys, noisy(world), order, k=k, opponents=opponents)[0] for _ in range(2)}
    assert len(champions) == 1
    assert keys[champions.pop()] is not None or not any(keys)


@given(few_answers, st.integers(1, 3), st.randoms(use_true_random=False))
def test_a_perfect_judge_makes_a_right_candidate_champion_of_a_full_league(
    keys: list[str | None], k: int, order: random.Random
) -> None:
    def judge(_meeting: int, first: int, second: int, _number: int) -> Side | None:
        if (keys[first] == "right") == (keys[second] == "right"):
            return None
        return 0 if keys[first] == "right" else 1

    champion, _ = leagued(keys, judge, order, k=k, opponents=None)
    wrong_only = {key for key in keys if key} == {"right"}
    assert wrong_only or (keys[champion] == "right") == ("right" in keys)


@given(st.integers(1, 8), st.integers(1, 3), st.integers(1, 12), seeds, st.integers(0, 99))
def test_somebody_always_survives_and_nobody_comes_back(
    num_candidates: int, opponents: int, k: int, seed: int, world: int
) -> None:
    lucb = Lucb(num_candidates, tuple(range(num_candidates)))
    judge = noisy(world)
    for round_number in range(6):
        meetings = lucb.next_meetings(num_opponents=opponents, seed=seed)
        tallies: Mapping[Meeting, Tally] = {meeting: Tally() for meeting in meetings}
        for meeting in meetings:
            for number in range(k):
                side = judge(round_number, meeting[0], meeting[1], number)
                tallies = {**tallies, meeting: tallies[meeting].plus(side)}
        after = lucb.after(tallies)
        assert after == lucb.after(dict(reversed(list(tallies.items()))))
        assert set(after.survivors) <= set(lucb.survivors)
        assert after.leader in after.survivors
        lucb = after


@given(st.lists(st.integers(0, 300), max_size=10), st.integers(0, 1000))
def test_even_shares_fill_the_workspace_and_nobody_is_cut_below_a_shorter_one(
    lengths: list[int], capacity: int
) -> None:
    shares = even_shares(lengths, capacity)
    assert sum(shares) == min(capacity, sum(lengths))
    assert all(0 <= share <= length for share, length in zip(shares, lengths, strict=True))
    cut = [share for share, length in zip(shares, lengths, strict=True) if share < length]
    assert not cut or max(shares) <= min(cut) + 1


@given(st.lists(st.integers(-5, 20), max_size=10), st.integers(0, 9), st.integers(1, 12))
def test_picked_drafts_exist_are_different_and_are_as_many_as_there_can_be(
    numbers: list[int], num_drafts: int, k: int
) -> None:
    picked = picked_drafts(numbers, num_drafts, k)
    assert list(picked) == sorted(set(picked))
    assert len(picked) == min(k, num_drafts)
    assert all(0 <= index < num_drafts for index in picked)


@given(st.lists(st.floats(0, 1), max_size=10), st.floats(0, 1), st.floats(0, 1))
def test_a_higher_threshold_thinks_about_no_further_step(
    difficulties: list[float], one: float, other: float
) -> None:
    low, high = sorted((one, other))
    few, many = (thinking_steps(difficulties, threshold=threshold) for threshold in (high, low))
    assert len(few) == len(many) == len(difficulties)
    assert all(more or not less for less, more in zip(few, many, strict=True))


pieces = [*'{}[]":,\\ 0123456789eE.-+', "index", "step1", "version", "<winner>", "Solution", "\0"]
hostile = st.lists(st.sampled_from(pieces), max_size=200).map("".join)


@given(st.one_of(hostile, st.text(max_size=300)), st.integers(1, 9))
def test_whatever_a_model_writes_is_read_or_passed_over(text: str, count: int) -> None:
    choice = list_choice(text, count)
    assert 0 <= choice.index < count
    assert 0.0 <= difficulty(text) <= 1.0
    assert parse_version(text, count) in {None, *range(count)}
    assert named_winner(text) in {None, 0, 1}
    outline = parse_outline(text)
    assert outline is None or 1 <= len(outline) <= 20
