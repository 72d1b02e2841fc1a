"""What holds for the widths of a level, whatever the scores; above all that what is certain comes true."""

from __future__ import annotations

from itertools import pairwise, product
from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ttscale_strategies.search.rules import (
    beam_widths,
    certain_beams,
    kept_beams,
    least_beam_widths,
    least_rebase_widths,
    num_beams_kept,
    rebase_widths,
)

reward = st.one_of(st.floats(0.0, 1.0), st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0]))
rewards = st.lists(reward, max_size=16)
temperature = st.sampled_from([0.01, 0.1, 0.2, 1.0, 5.0])


@given(rewards, st.integers(0, 64), temperature)
def test_rounding_up_spends_the_budget_exactly_and_better_nodes_get_no_less(
    scores: list[float], budget: int, heat: float
) -> None:
    widths = rebase_widths(scores, budget, temperature=heat)
    assert sum(widths) == (budget if scores else 0)
    assert min(widths, default=0) >= 0
    nearest = rebase_widths(scores, budget, temperature=heat, rounding="nearest")
    ranked = kept_beams(scores, len(scores))
    for better, worse in pairwise(ranked):
        assert nearest[better] >= nearest[worse]
    assert abs(sum(nearest) - (budget if scores else 0)) <= 0.5 * len(scores)


@given(st.lists(reward, min_size=1, max_size=10), st.integers(0, 40), temperature, st.integers(1, 10))
def test_a_greater_budget_gives_no_node_fewer_children(
    scores: list[float], budget: int, heat: float, more: int
) -> None:
    before = rebase_widths(scores, budget, temperature=heat)
    after = rebase_widths(scores, budget + more, temperature=heat)
    assert all(small <= great for small, great in zip(before, after, strict=True))


@given(rewards, st.integers(0, 64), temperature)
def test_with_nothing_out_the_certain_children_are_the_children(
    scores: list[float], budget: int, heat: float
) -> None:
    assert least_rebase_widths(scores, budget, num_pending=0, temperature=heat) == rebase_widths(
        scores, budget, temperature=heat
    )


def assert_certain_come_true(
    known: list[float], out: list[float | None], first: bool, budget: int, heat: float, highest: float = 1.0
) -> None:
    """`out`: the reward with which each one enters, or None for a completed leaf; before the known or after."""
    least = least_rebase_widths(known, budget, num_pending=len(out), temperature=heat, highest=highest)
    entering = [value for value in out if value is not None]
    left = max(0, budget - (len(out) - len(entering)))
    if first:
        widths = rebase_widths([*entering, *known], left, temperature=heat)[len(entering) :]
    else:
        widths = rebase_widths([*known, *entering], left, temperature=heat)[: len(known)]
    assert all(certain <= width for certain, width in zip(least, widths, strict=True)), (least, widths)


@pytest.mark.slow
@settings(max_examples=1500, deadline=None)
@given(
    st.lists(reward, min_size=1, max_size=12),
    st.lists(st.one_of(reward, st.none()), max_size=8),
    st.booleans(),
    st.integers(0, 64),
    temperature,
)
@example([1.0], [None] * 4, True, 3, 0.2)
@example([0.9, 0.8], [1.0, 0.8, None], True, 16, 0.2)
def test_the_certain_children_come_true_whatever_was_out(
    known: list[float], out: list[float | None], first: bool, budget: int, heat: float
) -> None:
    assert_certain_come_true(known, out, first, budget, heat)


def test_the_certain_children_come_true_for_thousands_of_adverse_completions() -> None:
    rng = Random(11)
    for _ in range(400):
        known = [rng.choice([rng.random(), round(rng.random(), 1)]) for _ in range(rng.randint(1, 10))]
        highest = rng.choice([1.0, max(known)])
        budget = rng.choice([1, 4, 8, 16, 32])
        num_pending = rng.randint(1, 4)
        for _ in range(25):
            near = min(highest, rng.choice(known) + 0.05 * rng.random())
            options = [highest, near, rng.choice(known), rng.random() * highest, None]
            out = [rng.choice(options) for _ in range(num_pending)]
            assert_certain_come_true(known, out, rng.random() < 0.7, budget, 0.2, highest)


def test_the_bound_is_near_what_the_worst_completion_of_one_leaves() -> None:
    """Over levels of sixteen, the bound has at least two thirds of the children that are certain in truth."""
    rng = Random(5)
    bound = truth = 0
    for _ in range(60):
        known = [rng.random() for _ in range(rng.randint(1, 15))]
        bound += sum(least_rebase_widths(known, 16, num_pending=1))
        completions: list[float | None] = [None, *known, *(step / 50 for step in range(51))]
        worst = [16] * len(known)
        for value, first in product(completions, [True, False]):
            entering = [] if value is None else [value]
            budget = 16 - (value is None)
            widths = rebase_widths([*entering, *known] if first else [*known, *entering], budget)
            widths = widths[len(entering) :] if first else widths[: len(known)]
            worst = [min(pair) for pair in zip(worst, widths, strict=True)]
        truth += sum(worst)
    assert truth * 2 / 3 <= bound <= truth


beams = st.lists(st.sampled_from([0.1, 0.2, 0.5, 0.9]), max_size=10)


@given(beams, st.integers(1, 20), st.integers(1, 20), st.integers(0, 8))
def test_beams_fill_the_width_and_the_children_are_dealt_evenly(
    scores: list[float], width: int, beam_width: int, num_completed: int
) -> None:
    beam_width = min(width, beam_width)
    widths = beam_widths(scores, width=width, beam_width=beam_width, num_completed=num_completed)
    assert sum(widths) == (max(0, width - num_completed) if scores else 0)
    kept = kept_beams(scores, num_beams_kept(width, beam_width))
    dealt = [widths[index] for index in kept]
    assert dealt == sorted(dealt, reverse=True)
    assert not dealt or dealt[0] - dealt[-1] <= 1
    assert sum(dealt) == sum(widths)


@settings(max_examples=400)
@given(
    beams,
    st.lists(st.one_of(st.sampled_from([0.1, 0.2, 0.5, 0.9, 1.0]), st.none()), max_size=6),
    st.booleans(),
    st.integers(1, 20),
    st.integers(1, 20),
    st.booleans(),
)
def test_beams_that_are_certain_are_kept_and_have_their_children(
    known: list[float],
    out: list[float | None],
    first: bool,
    width: int,
    beam_width: int,
    places_kept: bool,
) -> None:
    beam_width = min(width, beam_width)
    num_kept = num_beams_kept(width, beam_width)
    entering = [value for value in out if value is not None]
    scores = [*entering, *known] if first else [*known, *entering]
    offset = len(entering) if first else 0
    completed = (len(out) - len(entering)) if places_kept else 0
    kept = kept_beams(scores, num_kept)
    assert {index + offset for index in certain_beams(known, num_kept, len(out))} <= set(kept)
    least = least_beam_widths(known, width=width, beam_width=beam_width, num_pending=len(out))
    widths = beam_widths(scores, width=width, beam_width=beam_width, num_completed=completed)
    for index, certain in enumerate(least):
        assert certain <= widths[index + offset]
