"""Searches by depth: what they come to is that of waiting for each depth, whatever the order of arrival."""

from __future__ import annotations

import random
from collections.abc import Callable
from hashlib import blake2b

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from ttscale_strategies.search.beam_search import KeepBest
from ttscale_strategies.search.ets import PrunedLevels, Pruning
from ttscale_strategies.search.levels import Levels, SideBySide
from ttscale_strategies.search.planner import Planner, WidthRule
from ttscale_strategies.search.rebase import Balance
from ttscale_strategies.search.tree import ROOT, Draw, Node, Site, Tree, key_of

MAX_DEPTH = 4

rules = st.one_of(
    st.tuples(st.integers(1, 9), st.integers(1, 9)).map(
        lambda sizes: (max(sizes), KeepBest(width=max(sizes), beam_width=min(sizes)))
    ),
    st.tuples(st.integers(1, 9), st.sampled_from([0.05, 0.2, 1.0])).map(
        lambda given: (given[0], Balance(temperature=given[1], rounding="ceil"))
    ),
)


def child(tree: Tree, draw: Draw, world: int) -> Node | None:
    """Return what a draw brings in a world where that follows from the path to it alone."""
    digest = blake2b(f"{world} {draw.site} {draw.number}".encode(), digest_size=8).digest()
    rng = random.Random(digest)
    depth = len(tree.path(draw.site.node)) + 1
    if rng.random() < 0.05:
        return None
    token_ids = (rng.randrange(6),)
    key = key_of(draw.site, token_ids, "")
    fate = random.Random(f"{world} {key}")  # equal tokens: equal in all else
    return Node(
        key=key,
        parent=draw.site.node,
        draw=draw.number,
        action=draw.site.action,
        depth=depth,
        text="",
        token_ids=token_ids,
        is_end=depth == MAX_DEPTH or fate.random() < 0.2,
        reward=None if fate.random() < 0.05 else fate.choice([0.0, 0.3, 0.5, 0.5, 0.9, 1.0]),
    )


def searched(
    planner: Planner, world: int, pick: Callable[[list[Draw]], Draw], *, ahead: bool = False
) -> tuple[Tree, dict[Site, int]]:
    """Search to the end, draws coming in as they are picked; what is certain must only grow."""
    tree, wanted = Tree(), dict[Site, int]()
    while True:
        plan = planner.plan(tree)
        assert ahead or all(plan.wanted.get(site, 0) >= count for site, count in wanted.items())
        wanted = dict(plan.wanted)
        draws = (Draw(site, number) for site, count in wanted.items() for number in range(count))
        flying = [draw for draw in draws if draw not in tree.draws]
        if not flying:
            return tree, wanted
        draw = pick(flying)
        tree.add(draw, child(tree, draw, world))


def depth_by_depth(rule: WidthRule, width: int, world: int) -> dict[Site, int]:
    """Search as one does who waits for each depth to be complete."""
    tree, wanted, level, budget = Tree(), dict[Site, int](), {Site(ROOT): width}, width
    while level:
        wanted |= level
        nodes = dict[str, Node]()
        for site, count in level.items():
            for number in range(count):
                node = child(tree, Draw(site, number), world)
                tree.add(Draw(site, number), node)
                budget -= node is not None and node.is_end
                if node is not None and not node.is_end:
                    nodes[node.key] = node
        ordered = sorted(nodes, key=tree.order)
        counts = rule.widths([tree.nodes[key].reward or 0.0 for key in ordered], budget)
        level = {Site(key): count for key, count in zip(ordered, counts, strict=True) if count}
    return wanted


@given(given=rules, world=st.integers(0, 10**6), order=st.randoms(use_true_random=False))
def test_the_order_of_arrival_changes_nothing(
    given: tuple[int, WidthRule], world: int, order: random.Random
) -> None:
    width, rule = given
    expected = depth_by_depth(rule, width, world)
    _, in_turn = searched(Levels(rule, width=width), world, lambda flying: flying[0])
    tree, mixed = searched(Levels(rule, width=width), world, order.choice)
    assert in_turn == expected
    assert mixed == expected
    assert len(tree.draws) == sum(expected.values())


@given(given=rules, world=st.integers(0, 10**6), order=st.randoms(use_true_random=False))
def test_looking_ahead_changes_nothing_in_the_end(
    given: tuple[int, WidthRule], world: int, order: random.Random
) -> None:
    width, rule = given
    _, ahead = searched(Levels(rule, width=width, ahead=True), world, order.choice, ahead=True)
    assert ahead == depth_by_depth(rule, width, world)


@given(given=rules, world=st.integers(0, 10**6), order=st.randoms(use_true_random=False))
def test_a_search_goes_on_from_any_part_of_its_tree(
    given: tuple[int, WidthRule], world: int, order: random.Random
) -> None:
    width, rule = given
    whole, wanted = searched(Levels(rule, width=width), world, order.choice)
    part = Tree()
    for draw, key in list(whole.draws.items())[: order.randrange(len(whole.draws) + 1)]:
        part.add(draw, None if key is None else child(part, draw, world))
    planner = Levels(rule, width=width)
    while missing := [
        Draw(site, number)
        for site, count in planner.plan(part).wanted.items()
        for number in range(count)
        if Draw(site, number) not in part.draws
    ]:
        part.add(missing[-1], child(part, missing[-1], world))
    assert planner.plan(part).wanted == wanted
    assert part.draws == whole.draws


@given(world=st.integers(0, 10**6), order=st.randoms(use_true_random=False))
def test_searches_side_by_side_are_those_alone(world: int, order: random.Random) -> None:
    rule = KeepBest(width=3, beam_width=3)
    alone = {name: searched(Levels(rule, width=3, action=name), world, order.choice)[1] for name in "ab"}
    both = SideBySide({name: Levels(rule, width=3, action=name) for name in "ab"})
    assert searched(both, world, order.choice)[1] == alone["a"] | alone["b"]


@pytest.mark.slow
@settings(max_examples=12, deadline=None)
@given(
    lambda_cost=st.sampled_from([0.0, 1.0, 2.0]),
    world=st.integers(0, 10**6),
    order=st.randoms(use_true_random=False),
)
def test_the_order_of_arrival_changes_nothing_where_steps_are_pruned_first(
    lambda_cost: float, world: int, order: random.Random
) -> None:
    pruning = Pruning(
        lambda_cost=lambda_cost, lambda_diversity=0.4, threshold=0.6, cost="nodes", temperature=0.2
    )
    _, in_turn = searched(PrunedLevels(pruning, width=7), world, lambda flying: flying[0])
    tree, mixed = searched(PrunedLevels(pruning, width=7), world, order.choice)
    _, ahead = searched(PrunedLevels(pruning, width=7, ahead=True), world, order.choice, ahead=True)
    assert in_turn == mixed == ahead
    assert len(tree.draws) == sum(mixed.values())
    if lambda_cost == 0.0:
        assert mixed == depth_by_depth(Balance(temperature=0.2, rounding="ceil"), 7, world)
