"""Monte-Carlo searches and PATS: the same tree whatever the order of arrival, and that of the textbook."""

from __future__ import annotations

import random
from collections.abc import Callable
from hashlib import blake2b

import hypothesis.strategies as st
from hypothesis import given, settings

from ttscale_strategies.search._monte_carlo import Expansions, MonteCarlo
from ttscale_strategies.search._rollout_writer import ROLLOUT
from ttscale_strategies.search.mcts import Descent, mean_reward
from ttscale_strategies.search.pats import Rounds
from ttscale_strategies.search.planner import Planner
from ttscale_strategies.search.reward_guided_search import AmongAll, Mixture
from ttscale_strategies.search.rules import ModeSwitching, Visits, backed_up, best_by_uct
from ttscale_strategies.search.tree import ROOT, Draw, Node, Site, Tree, key_of

MAX_DEPTH = 4

worlds = st.integers(0, 10**6)
orders = st.randoms(use_true_random=False)
sizes = st.builds(
    Expansions,
    num_expansions=st.integers(1, 9),
    root_children=st.integers(1, 4),
    children=st.integers(1, 3),
    num_rollouts=st.integers(0, 2),
    parallel=st.integers(1, 4),
)


def searches(size: Expansions, seed: int) -> list[Callable[[], Planner]]:
    """Return makers of planners, one for each kind."""
    switching = ModeSwitching(penalty_times=(0, 1, None)[seed % 3], only=(None, "simple")[seed % 2])
    return [
        lambda: MonteCarlo(Descent(exploration=1.0, priors=bool(seed % 2)), mean_reward, size),
        lambda: MonteCarlo(AmongAll(exploration=1.4), Mixture(alpha=0.5), size),
        lambda: Rounds(switching, start="complex", max_rounds=size.num_expansions),
    ]


def child(tree: Tree, draw: Draw, world: int) -> Node | None:
    """Return what a draw brings in a world where that follows from the path to it alone."""
    rng = random.Random(blake2b(f"{world} {draw}".encode(), digest_size=8).digest())
    depth = len(tree.path(draw.site.node)) + 1
    if rng.random() < 0.1:
        return None
    token_ids = (rng.randrange(6),)
    key = key_of(draw.site, token_ids, "")
    fate = random.Random(f"{world} {key}")  # equal tokens: equal in all else; sums of rewards are exact
    is_end = draw.site.action == ROLLOUT or depth == MAX_DEPTH or fate.random() < 0.2
    return Node(
        key=key,
        parent=draw.site.node,
        draw=draw.number,
        action=draw.site.action,
        depth=depth,
        text=str(token_ids[0]),
        token_ids=token_ids,
        is_end=is_end,
        reward=None if fate.random() < 0.05 else fate.choice([0.0, 0.25, 0.5, 0.5, 0.875, 1.0]),
        answer=str(fate.randrange(3)) if is_end and fate.random() < 0.8 else None,
    )


def searched(
    planner: Planner, world: int, pick: Callable[[list[Draw]], Draw], tree: Tree
) -> tuple[dict[Site, int], set[str] | None]:
    """Search to the end, draws coming in as they are picked; what is wanted must only grow."""
    wanted = dict[Site, int]()
    while True:
        plan = planner.plan(tree)
        assert all(plan.wanted.get(site, 0) >= count for site, count in wanted.items())
        wanted = dict(plan.wanted)
        draws = (Draw(site, number) for site, count in wanted.items() for number in range(count))
        flying = [draw for draw in draws if draw not in tree.draws]
        if not flying:
            return wanted, None if plan.solutions is None else set(plan.solutions)
        draw = pick(flying)
        tree.add(draw, child(tree, draw, world))


@given(size=sizes, world=worlds, order=orders)
def test_the_order_of_arrival_changes_nothing(size: Expansions, world: int, order: random.Random) -> None:
    for made in searches(size, world):
        in_turn = searched(made(), world, lambda flying: flying[0], Tree())
        backwards = searched(made(), world, lambda flying: flying[-1], Tree())
        tree = Tree()
        assert searched(made(), world, order.choice, tree) == in_turn == backwards
        assert len(tree.draws) == sum(in_turn[0].values())


@given(size=sizes, world=worlds, order=orders)
def test_a_search_goes_on_from_any_part_of_its_tree(size: Expansions, world: int, order: random.Random) -> None:
    for made in searches(size, world):
        tree = Tree()
        whole = searched(made(), world, order.choice, tree)
        part = Tree()
        for draw in list(tree.draws)[: order.randrange(len(tree.draws) + 1)]:
            part.add(draw, child(part, draw, world))
        assert searched(made(), world, order.choice, part) == whole


def textbook(world: int, num_expansions: int, children: int) -> list[str]:
    """Return the leaves that UCT expands, one after the other, all statistics made anew for each."""
    tree, expanded = Tree(), list[str]()
    parents: dict[str, str | None] = {ROOT: None}
    values = dict[str, float | None]()

    def leads_on(key: str) -> bool:
        below = [node for node in tree.nodes.values() if node.parent == key]
        is_end = key != ROOT and tree.nodes[key].is_end
        return not is_end and (key not in expanded or any(leads_on(node.key) for node in below))

    while len(expanded) < num_expansions and leads_on(ROOT):
        visits: dict[str, Visits] = backed_up(parents, values)
        leaf = ROOT
        while leaf in expanded:
            ways = [node.key for node in tree.children(Site(leaf), children) if leads_on(node.key)]
            total = visits[leaf].num_begun
            leaf = ways[best_by_uct([visits[way] for way in ways], total, exploration=1.0)]
        expanded.append(leaf)
        for number in range(children):
            draw = Draw(Site(leaf), number)
            tree.add(draw, node := child(tree, draw, world))
            if node is not None:
                parents[node.key] = leaf
                values[node.key] = node.reward or 0.0
    return expanded


@settings(deadline=None)
@given(world=worlds, num_expansions=st.integers(1, 12), children=st.integers(1, 4))
def test_one_expansion_at_a_time_is_the_textbook(world: int, num_expansions: int, children: int) -> None:
    size = Expansions(
        num_expansions=num_expansions, root_children=children, children=children, num_rollouts=0, parallel=1
    )
    planner = MonteCarlo(Descent(exploration=1.0, priors=False), mean_reward, size)
    wanted, _ = searched(planner, world, lambda flying: flying[-1], Tree())
    assert [site.node for site in wanted if not site.action] == textbook(world, num_expansions, children)
