"""The integer program of ETS: hand-computed optima, brute force, and what the fallback promises."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from random import Random
from types import SimpleNamespace
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ttscale.errors import MissingExtra
from ttscale_strategies.search.rules import (
    LeafProgram,
    LeafSelection,
    objective,
    rebase_widths,
    select_exact,
    select_greedy,
    select_leaves,
)
from ttscale_strategies.search.rules.ets import EQUAL_WITHIN

ROOT, A, B, C = range(4)
WORKED = LeafProgram(
    shares=tuple(width / 8 for width in rebase_widths([0.9, 0.8, 0.7, 0.2], 8)),
    ancestors=((A, ROOT), (A, ROOT), (B, ROOT), (C, ROOT)),
    clusters=(0, 0, 0, 0),
    lambda_cost=1.0,
    lambda_diversity=0.0,
)


def selections(problem: LeafProgram) -> list[tuple[int, ...]]:
    leaves = range(problem.num_leaves)
    return [kept for size in range(1, problem.num_leaves + 1) for kept in combinations(leaves, size)]


def brute_force(problem: LeafProgram) -> tuple[int, ...]:
    values = {kept: objective(problem, kept) for kept in selections(problem)}
    best = max(values.values())
    equal = [kept for kept, value in values.items() if value >= best - EQUAL_WITHIN]
    return min(equal, key=lambda kept: (-len(kept), kept))


def random_program(rng: Random, max_leaves: int) -> LeafProgram:
    """Leaves of a random tree, with shares of a budget, some of them equal."""
    num_leaves = rng.randint(1, max_leaves)
    parents = [0]
    parents += [rng.randrange(node) for node in range(1, rng.randint(1, 12))]
    ancestors: list[tuple[int, ...]] = []
    for _ in range(num_leaves):
        path = [rng.randrange(len(parents))]
        while path[-1] != 0:
            path.append(parents[path[-1]])
        ancestors.append(tuple(path))
    widths = rebase_widths([round(rng.random(), 1) for _ in range(num_leaves)], 16)
    has_sizes = rng.random() < 0.3
    return LeafProgram(
        shares=tuple(width / 16 for width in widths),
        ancestors=tuple(ancestors),
        clusters=tuple(rng.randrange(num_leaves) for _ in range(num_leaves)),
        lambda_cost=rng.choice([0.0, 0.5, 1.0, 1.5, 2.0, 2 * rng.random()]),
        lambda_diversity=rng.choice([0.0, 0.3, 1.0, 1.5, 2 * rng.random()]),
        leaf_sizes=tuple(rng.randint(1, 9) for _ in range(num_leaves)) if has_sizes else None,
        branch_sizes={node: rng.randint(1, 9) for node in range(len(parents))} if has_sizes else None,
    )


@pytest.mark.parametrize(
    ("lambda_cost", "lambda_diversity", "clusters", "expected", "value", "next_best"),
    [
        (1.0, 0.0, (0, 0, 0, 0), (0, 1), 0.375, 0.25),
        (1.0, 1.0, (0, 0, 1, 2), (0, 1, 2, 3), 1.0, 11 / 12),
        (1.5, 0.3, (0, 0, 1, 1), (0, 1), 0.275, 0.175),
    ],
)
def test_the_worked_numbers_and_the_next_best(
    lambda_cost: float,
    lambda_diversity: float,
    clusters: tuple[int, ...],
    expected: tuple[int, ...],
    value: float,
    next_best: float,
) -> None:
    problem = replace(WORKED, lambda_cost=lambda_cost, lambda_diversity=lambda_diversity, clusters=clusters)
    assert WORKED.shares == (0.5, 0.375, 0.125, 0.0)
    assert select_exact(problem) == expected
    assert select_greedy(problem) == expected
    assert select_leaves(problem) == LeafSelection(expected, exact=True)
    values = sorted((objective(problem, kept) for kept in selections(problem)), reverse=True)
    assert objective(problem, expected) == pytest.approx(value)
    assert values[:2] == pytest.approx([value, next_best])


def test_sizes_say_what_a_node_costs() -> None:
    sized = replace(WORKED, leaf_sizes=(2.0, 3.0, 1.0, 1.0), branch_sizes={ROOT: 5.0, A: 4.0, B: 1.0, C: 3.0})
    # The sizes sum up to 20: a1 and a2 hold 2 + 3 + 4 + 5 of them, b1 two more.
    assert objective(sized, (0, 1)) == pytest.approx(0.875 - 14 / 20)
    assert objective(sized, (0, 1, 2)) == pytest.approx(1.0 - 16 / 20)
    assert select_exact(sized) == select_greedy(sized) == (0, 1, 2)
    assert select_exact(WORKED) == (0, 1)


@pytest.mark.parametrize(
    ("leaf_sizes", "branch_sizes", "message"),
    [
        ((1.0,), None, "leaf_sizes need one entry a leaf, got 1"),
        ((1.0, 1.0, 0.0, 1.0), None, r"sizes must be > 0 and finite, got 0\.0"),
        (None, {ROOT: math.inf}, "got inf"),
    ],
)
def test_bad_sizes_are_named(
    leaf_sizes: tuple[float, ...] | None, branch_sizes: dict[int, float] | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        replace(WORKED, leaf_sizes=leaf_sizes, branch_sizes=branch_sizes)


@pytest.mark.slow
def test_exact_equals_brute_force_and_greedy_keeps_its_promise_on_seeded_instances() -> None:
    rng = Random(3)
    optimal = 0
    for _ in range(60):
        problem = random_program(rng, 12)
        expected = brute_force(problem)
        assert select_exact(problem) == expected
        greedy = select_greedy(problem)
        value = objective(problem, greedy)
        assert value <= objective(problem, expected) + EQUAL_WITHIN
        assert value >= objective(problem, range(problem.num_leaves)) - EQUAL_WITHIN
        assert value >= max(objective(problem, [leaf]) for leaf in range(problem.num_leaves)) - EQUAL_WITHIN
        optimal += greedy == expected
    assert optimal >= 54


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(st.randoms(use_true_random=False))
def test_exact_equals_brute_force(rng: Random) -> None:
    problem = random_program(rng, 7)
    assert select_exact(problem) == brute_force(problem)


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(st.randoms(use_true_random=False))
def test_without_a_cost_every_leaf_with_a_share_is_kept(rng: Random) -> None:
    problem = replace(random_program(rng, 12), lambda_cost=0.0, lambda_diversity=0.0)
    for kept in (select_exact(problem), select_greedy(problem)):
        assert kept == tuple(range(problem.num_leaves))


@settings(max_examples=20, deadline=None)
@given(st.randoms(use_true_random=False))
def test_however_dear_the_nodes_are_a_leaf_is_kept(rng: Random) -> None:
    problem = replace(random_program(rng, 8), lambda_cost=1e3)
    exact = select_exact(problem)
    assert exact == brute_force(problem)
    assert exact
    assert select_greedy(problem)


def test_of_equal_objectives_more_leaves_win_and_then_the_lowest_indices() -> None:
    flat = LeafProgram((0.25,) * 4, ((0,),) * 4, (0, 0, 0, 0), lambda_cost=1.25, lambda_diversity=0.0)
    for select in (select_exact, select_greedy):  # a leaf is worth exactly what it costs
        assert select(flat) == (0, 1, 2, 3)
        alone = LeafProgram((0.2,) * 5, tuple((leaf,) for leaf in range(5)), (0,) * 5, 5.0, 0.0)
        assert select(alone) == (0,)


def test_the_last_of_many_leaves_is_preferred_over_later_equals() -> None:
    """Forty leaves of which any twenty are best: the order of preference spans several solves."""
    pairs = tuple((1 + leaf // 2,) for leaf in range(40))
    clusters = tuple(leaf // 2 for leaf in range(40))
    problem = LeafProgram((0.0,) * 40, pairs, clusters, lambda_cost=1.0, lambda_diversity=1.5)
    assert select_exact(problem) == tuple(range(0, 40, 2))


def test_a_hundred_leaves_are_solved_and_differences_of_a_millionth_are_seen() -> None:
    shares = tuple(0.01 + 1e-7 * (leaf == 70) for leaf in range(100))
    ancestors = tuple((0, 1 + leaf) for leaf in range(100))
    problem = LeafProgram(shares, ancestors, (0,) * 100, lambda_cost=201.0, lambda_diversity=0.0)
    assert select_exact(problem) == (70,)
    assert select_greedy(problem) == (70,)


def test_greedy_frees_a_branch_by_dropping_all_its_leaves_at_once() -> None:
    """The long branch holds four nodes for three leaves: dropping any one of them alone is a loss."""
    problem = LeafProgram(
        shares=(0.7, 0.1, 0.1, 0.1),
        ancestors=((0, 9), (1, 2, 3, 4, 9), (1, 2, 3, 4, 9), (1, 2, 3, 4, 9)),
        clusters=(0, 0, 0, 0),
        lambda_cost=0.9,
        lambda_diversity=0.0,
    )
    assert select_greedy(problem) == select_exact(problem) == (0,)


def test_without_scipy_the_greedy_search_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)
    with pytest.raises(MissingExtra, match=r"scipy is not installed.*ttscale\[search\]"):
        select_exact(WORKED)
    assert select_leaves(WORKED) == LeafSelection((0, 1), exact=False)


@pytest.mark.parametrize("failing_solve", [1, 2, 3])
def test_when_highs_fails_or_runs_out_of_time_the_greedy_search_answers(
    monkeypatch: pytest.MonkeyPatch, failing_solve: int
) -> None:
    import scipy.optimize

    solve = cast("Callable[..., object]", scipy.optimize.milp)
    limits: list[float] = []

    def milp(worth: object, *, options: dict[str, float], **named: object) -> object:
        limits.append(options["time_limit"])
        if len(limits) == failing_solve:
            return SimpleNamespace(success=False, status=1, x=None)
        return solve(worth, options=options, **named)

    monkeypatch.setattr(scipy.optimize, "milp", milp)
    assert select_leaves(WORKED, time_limit_seconds=2.5) == LeafSelection((0, 1), exact=False)
    assert limits == [2.5] * failing_solve


def test_the_objective_of_no_leaf_or_of_a_stranger_is_refused() -> None:
    for kept in ([], [4], [-1]):
        with pytest.raises(ValueError, match="4 leaves"):
            objective(WORKED, kept)


def test_a_leaf_that_is_named_twice_counts_once() -> None:
    assert objective(WORKED, [1, 0, 1]) == pytest.approx(0.375)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shares": ()}, "at least one leaf"),
        ({"shares": (0.5, 0.5)}, "2, 4 and 4"),
        ({"clusters": (0,)}, "4, 4 and 1"),
        ({"shares": (0.5, math.nan, 0.1, 0.1)}, r"shares\[1\]"),
        ({"lambda_cost": -1.0}, "lambda_cost"),
        ({"lambda_diversity": math.inf}, "lambda_diversity"),
    ],
)
def test_a_program_that_makes_no_sense_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(WORKED, **changes)  # type: ignore[arg-type]
