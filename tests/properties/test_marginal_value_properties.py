"""What holds of the value of another sample, whatever the votes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ttscale_strategies.voting.rules import is_vote_decided, marginal_value, overtaking_probability

KEYS = st.lists(st.sampled_from(["a", "b", "c", None]), min_size=1, max_size=12)
COUNT = st.integers(min_value=0, max_value=9)


@given(KEYS, st.integers(min_value=0, max_value=9))
def test_a_value_is_zero_exactly_where_the_vote_is_decided(keys: list[str | None], num_left: int) -> None:
    most = len(keys) + num_left
    value = marginal_value(keys, max_samples=most)
    decided = is_vote_decided(dict(enumerate(keys)), set(range(len(keys), most)))
    assert 0.0 <= value < 1.0
    assert (value == 0.0) == decided


@given(COUNT, COUNT, st.integers(min_value=0, max_value=12), st.booleans())
def test_the_closer_the_vote_the_greater_the_value(
    leader: int, challenger: int, remaining: int, wins_ties: bool
) -> None:
    closer = overtaking_probability(leader, challenger + 1, remaining, wins_ties=wins_ties)
    further = overtaking_probability(leader + 1, challenger, remaining, wins_ties=wins_ties)
    here = overtaking_probability(leader, challenger, remaining, wins_ties=wins_ties)
    assert further <= here <= closer


@given(COUNT, COUNT, st.integers(min_value=0, max_value=12))
def test_one_of_two_answers_is_ahead_in_the_end(one: int, other: int, remaining: int) -> None:
    total = overtaking_probability(one, other, remaining, wins_ties=True) + overtaking_probability(
        other, one, remaining
    )
    assert abs(total - 1.0) < 1e-12


@given(st.lists(st.sampled_from(["a", "b"]), min_size=1, max_size=8), st.integers(min_value=1, max_value=20))
def test_other_names_for_the_answers_change_nothing(keys: list[str], most: int) -> None:
    renamed = [{"a": "x", "b": "y"}[key] for key in keys]
    assert marginal_value(keys, max_samples=most) == marginal_value(renamed, max_samples=most)
