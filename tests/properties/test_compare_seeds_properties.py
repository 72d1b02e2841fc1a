"""Seeds of a system: what a copy of them, their order and their numbers may and may not change."""

from __future__ import annotations

from dataclasses import asdict
from statistics import fmean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.comparing import make_system
from ttscale_evals.compare import compare_systems, group_systems, join_seeds
from ttscale_evals.compare.pairs import Pair
from ttscale_evals.compare.system import System


@st.composite
def two_systems(draw: st.DrawFn) -> tuple[dict[int, str], dict[int, str]]:
    """Marks of two systems on the same problems, by seed; as many problems, different numbers of seeds."""
    num_problems = draw(st.integers(1, 6))
    marks = st.text("10x-", min_size=num_problems, max_size=num_problems)
    first, second = (draw(st.lists(marks, min_size=1, max_size=3)) for _ in range(2))
    return dict(enumerate(first)), dict(enumerate(second))


def pair_of(ours: System, theirs: System) -> Pair:
    (pair,) = compare_systems(group_systems([theirs, ours]), by=["tokens"]).pairs
    return pair


@settings(max_examples=40, deadline=None)
@given(given=two_systems(), num_copies=st.integers(2, 3))
def test_copies_of_what_seeds_came_to_change_no_difference(
    given: tuple[dict[int, str], dict[int, str]], num_copies: int
) -> None:
    ours, theirs = given
    copied = {100 * copy + seed: marks for copy in range(num_copies) for seed, marks in ours.items()}
    plain = pair_of(make_system("a", ours), make_system("b", theirs))
    again = pair_of(make_system("a", copied), make_system("b", theirs))
    numbers, others = asdict(plain), asdict(again)
    for name in ("ours", "theirs", "test", "better", "num_ours_only", "num_theirs_only", "problems_needed"):
        assert numbers.pop(name) == others.pop(name), name
    for name in ("benchmark", "num_problems"):
        assert numbers.pop(name) == others.pop(name), name
    assert others == pytest.approx(numbers, abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(given=two_systems())
def test_the_order_of_runs_changes_nothing_and_the_difference_is_that_of_the_means(
    given: tuple[dict[int, str], dict[int, str]],
) -> None:
    ours, theirs = given
    parts = [make_system("a", {seed: marks}) for seed, marks in ours.items()]
    (straight,), (turned,) = join_seeds(parts), join_seeds(parts[::-1])
    assert straight.sources == turned.sources
    other = make_system("b", theirs)
    pair = pair_of(straight, other)
    assert pair == pair_of(turned, other)
    means = [fmean(mark == "1" for runs in side.values() for mark in runs) for side in (ours, theirs)]
    assert pair.difference == pytest.approx(means[0] - means[1], abs=1e-12)
