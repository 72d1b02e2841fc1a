"""What holds for every vote, whatever the samples; and the rules for which it does not, with the example."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ttscale_strategies.voting.rules import (
    adaptive_consistency,
    borda_vote,
    early_stopping,
    filtered_vote,
    first_finish,
    inverse_entropy_vote,
    last_finish,
    majority,
    model_switch_vote,
    shortest_majority,
    shortest_majority_score,
    weighted_best_of_n,
    weighted_vote,
)


@dataclass(frozen=True)
class Trace:
    """All that a rule may look at."""

    key: str | None
    length: int
    score: float
    """In [0, 1], in steps a sum keeps exactly; also the confidence and, plus one, the entropy."""


Vote = Callable[[Sequence[Trace]], str | None]


def keys(traces: Sequence[Trace]) -> list[str | None]:
    return [trace.key for trace in traces]


def scores(traces: Sequence[Trace]) -> list[float]:
    return [trace.score for trace in traces]


def lengths(traces: Sequence[Trace]) -> list[int]:
    return [trace.length for trace in traces]


def _majority(traces: Sequence[Trace]) -> str | None:
    winner = majority(keys(traces))
    return winner.key if winner else None


def _weighted(traces: Sequence[Trace]) -> str | None:
    winner = weighted_vote(keys(traces), scores(traces))
    return winner.key if winner else None


def _best_of_n(traces: Sequence[Trace]) -> str | None:
    winner = weighted_best_of_n(keys(traces), list(scores(traces)))
    return winner.key if winner else None


def _inverse_entropy(traces: Sequence[Trace]) -> str | None:
    winner = inverse_entropy_vote(keys(traces), [score + 1.0 for score in scores(traces)])
    return winner.key if winner else None


def _brevity(traces: Sequence[Trace]) -> str | None:
    winner = shortest_majority(keys(traces), lengths(traces))
    return winner.key if winner else None


def _borda(traces: Sequence[Trace]) -> str | None:
    winner = borda_vote(keys(traces), list(scores(traces)), power=0.7)
    return winner.key if winner else None


def _filtered(traces: Sequence[Trace]) -> str | None:
    winner = filtered_vote(keys(traces), scores(traces), keep=0.5)
    return winner.key if winner else None


def _models(traces: Sequence[Trace]) -> str | None:
    winner = model_switch_vote([keys(traces)])
    return winner.key if winner else None


def _first(traces: Sequence[Trace]) -> str | None:
    winner = first_finish(keys(traces), lengths(traces), 3).winner
    return winner.key if winner else None


def _last(traces: Sequence[Trace]) -> str | None:
    winner = last_finish(keys(traces), lengths(traces), 3).winner
    return winner.key if winner else None


VOTES: dict[str, Vote] = {
    "majority": _majority,
    "weighted": _weighted,
    "best of n": _best_of_n,
    "inverse entropy": _inverse_entropy,
    "shortest majority": _brevity,
    "borda": _borda,
    "deep conf": _filtered,
    "model switch": _models,
    "first finish": _first,
    "last finish": _last,
}
every_vote = pytest.mark.parametrize("vote", VOTES.values(), ids=VOTES)
fixed_weights = pytest.mark.parametrize(
    "vote",
    [_majority, _weighted, _best_of_n, _inverse_entropy],
    ids=["majority", "weighted", "best", "entropy"],
)

SCORES = st.integers(0, 64).map(lambda step: step / 64)
TRACES = st.lists(
    st.builds(Trace, key=st.sampled_from(["A", "B", "C", None]), length=st.integers(0, 20), score=SCORES),
    max_size=9,
)


@st.composite
def distinct(draw: st.DrawFn) -> list[Trace]:
    """Traces of which no two rank the same."""
    voters = draw(TRACES)
    ranks = draw(st.permutations(range(len(voters))))
    return [
        Trace(trace.key, length=10 + 7 * rank, score=(rank + 1) / 16)
        for trace, rank in zip(voters, ranks, strict=True)
    ]


def is_tied(vote: Vote, traces: Sequence[Trace]) -> bool:
    """Return whether the winner won by being seen first: with its samples last, another one wins."""
    winner = vote(traces)
    return vote(sorted(traces, key=lambda trace: trace.key == winner)) != winner


@every_vote
@given(traces=distinct(), data=st.data())
def test_the_order_of_the_samples_decides_ties_only(
    vote: Vote, traces: list[Trace], data: st.DataObject
) -> None:
    assume(not is_tied(vote, traces))
    assert vote(data.draw(st.permutations(traces))) == vote(traces)


@pytest.mark.slow
@every_vote
@given(traces=TRACES, padding=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 30), SCORES), max_size=4))
def test_samples_without_an_answer_never_change_the_winner(
    vote: Vote, traces: list[Trace], padding: list[tuple[int, int, float]]
) -> None:
    padded = list(traces)
    for place, length, score in padding:
        padded.insert(place, Trace(None, length, score))
    assert vote(padded) == vote(traces)


@fixed_weights
@given(traces=TRACES, place=st.integers(0, 9), score=SCORES)
def test_one_more_vote_for_the_winner_never_unseats_it(
    vote: Vote, traces: list[Trace], place: int, score: float
) -> None:
    winner = vote(traces)
    assume(winner is not None)
    more = list(traces)
    more.insert(place, Trace(winner, 10, score))
    assert vote(more) == winner


def test_one_more_but_very_long_vote_unseats_the_winner_of_a_shortest_majority() -> None:
    """The property is false for this rule; the specification's example."""
    before = [Trace("A", 100, 0), Trace("A", 100, 0), Trace("B", 200, 0)]
    after = [*before, Trace("A", 10**9, 0)]
    assert (_brevity(before), _brevity(after)) == ("A", "B")
    assert shortest_majority_score([100, 100]) == pytest.approx(0.434294, abs=1e-6)
    assert shortest_majority_score([100, 100, 10**9]) == pytest.approx(0.152869, abs=1e-6)
    assert shortest_majority_score([200]) == pytest.approx(0.188739, abs=1e-6)


def test_one_more_and_very_short_vote_unseats_the_winner_of_a_first_finish_search() -> None:
    """Nor does it hold here: the cutoff moves below three votes of the same length."""
    before = [Trace("B", 1, 0), Trace("B", 2, 0), *[Trace("A", 3, 0)] * 3]
    after = [*before, Trace("A", 0, 0)]
    assert (_first(before), _first(after)) == ("A", "B")


@given(traces=TRACES, scale=st.floats(1e-6, 1e6))
def test_scaling_all_weights_never_changes_the_winner(traces: list[Trace], scale: float) -> None:
    scaled = weighted_vote(keys(traces), [score * scale for score in scores(traces)])
    assert (scaled.key if scaled else None) == _weighted(traces)


@given(traces=TRACES, weight=st.floats(0, 1e100))
def test_equal_weights_reduce_every_weighted_vote_to_the_majority(traces: list[Trace], weight: float) -> None:
    equal = [weight] * len(traces)
    elections = [
        weighted_vote(keys(traces), equal),
        weighted_best_of_n(keys(traces), list(equal)),
        inverse_entropy_vote(keys(traces), list(equal)),
        filtered_vote(keys(traces), equal, keep=0.3),
        shortest_majority(keys(traces), [50] * len(traces)),
    ]
    expected = _majority(traces)
    assert [election.key if election else None for election in elections] == [expected] * len(elections)


@given(traces=TRACES)
def test_borda_with_power_0_is_the_majority(traces: list[Trace]) -> None:
    winner = borda_vote(keys(traces), list(scores(traces)), power=0)
    assert (winner.key if winner else None) == _majority(traces)


@given(traces=TRACES)
def test_deep_conf_that_keeps_all_is_the_unfiltered_weighted_vote(traces: list[Trace]) -> None:
    assert filtered_vote(keys(traces), scores(traces), keep=1.0) == weighted_vote(keys(traces), scores(traces))


@given(traces=TRACES)
def test_searches_that_wait_for_all_are_the_majority(traces: list[Trace]) -> None:
    for search in (first_finish, last_finish):
        vote = search(keys(traces), lengths(traces), max(len(traces), 1))
        assert vote.winner == majority(keys(traces))


@given(traces=TRACES, k=st.integers(1, 9))
def test_the_published_cost_never_exceeds_the_true_one_nor_that_the_cost_of_all(
    traces: list[Trace], k: int
) -> None:
    vote = first_finish(keys(traces), lengths(traces), k)
    assert vote.num_tokens_published <= vote.num_tokens <= sum(lengths(traces))


@given(answers=st.lists(st.sampled_from(["A", "B", None]), max_size=80))
def test_adaptive_consistency_that_must_be_certain_never_stops_early(answers: list[str | None]) -> None:
    stopped = adaptive_consistency(answers, threshold=1.0)
    winner = majority(answers)
    assert (stopped.num_samples, stopped.is_early) == (len(answers), False)
    assert stopped.key == (winner.key if winner else None)


@given(answers=st.lists(st.sampled_from(["A", "B", None]), min_size=1, max_size=20))
def test_early_stopping_with_windows_of_one_stops_at_the_first_answer(answers: list[str | None]) -> None:
    stopped = early_stopping(answers, window=1)
    first = next((index for index, key in enumerate(answers) if key is not None), None)
    assert stopped.num_samples == (len(answers) if first is None else first + 1)
    assert stopped.key == (None if first is None else answers[first])
    if answers[0] is not None:
        assert stopped.num_samples == 1


@given(answers=st.lists(st.sampled_from(["A", "B", None]), max_size=30), window=st.integers(1, 9))
def test_no_rule_draws_more_than_there_is(answers: list[str | None], window: int) -> None:
    for stopped in (early_stopping(answers, window=window), adaptive_consistency(answers, batch_size=window)):
        assert 0 <= stopped.num_samples <= len(answers)
        assert (stopped.key is None) <= (set(answers) <= {None})
