"""The frontier of a best-first search: what is expanded when, and who wins a race."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from ttscale_strategies.search._frontier import Effort, Frontier, Race, to_the_end
from ttscale_strategies.search.tree import ROOT, Draw, Node, Site, Tree, key_of


def effort(**options: Any) -> Effort:
    defaults: dict[str, Any] = {
        "urgency": "logprob",
        "alpha": 0.0,
        "num_expansions": 9,
        "num_children": 2,
        "parallel": 1,
        "ends": False,
    }
    return Effort(**defaults | options)


def frontier(**options: Any) -> Frontier:
    return Frontier(ROOT, "", effort(**options), lambda node: (node.reward or 0.0) >= 0.9)


def step(
    draw: Draw, text: str, *, logprobs: Sequence[float] = (), reward: float | None = None, is_end: bool = False
) -> Node:
    return Node(
        key=key_of(draw.site, (), text),
        parent=draw.site.node,
        draw=draw.number,
        action=draw.site.action,
        depth=1,
        text=text,
        token_ids=(),
        logprobs=tuple(logprobs),
        is_end=is_end,
        reward=reward,
    )


def expanded(search: Frontier, steps: Mapping[str, Sequence[Node | tuple[str, float] | None]]) -> list[str]:
    """Answer all expansions by what has been written so far, and return what was expanded."""
    tree, num_answered = Tree(), 0
    while True:
        search.advance(tree)
        if num_answered == len(search.sites):
            return [tree.text(site.node).strip() for site in search.sites]
        site = search.sites[num_answered]
        num_answered += 1
        given = steps.get(tree.text(site.node), (None,) * 3)
        for number, one in enumerate(given):
            draw = Draw(site, number)
            tree.add(draw, step(draw, one[0], logprobs=(one[1],)) if isinstance(one, tuple) else one)


WAYS = {
    "": [("a", -0.5), ("b", -0.3)],
    "b": [("c", -0.3), ("d", -0.4)],
    "a": [("e", -0.01), ("f", -0.9)],
    "ae": [("g", -0.2), ("h", -3.0)],
    "bc": [("i", -0.3), ("j", -0.3)],
}


@pytest.mark.parametrize(
    ("alpha", "order"),
    [
        # 0: b .3, a .5, ae .51, bc .6, bd .7, aeg .71, bci .9, bcj .9, …
        (0.0, ["", "b", "a", "ae", "bc", "bd", "aeg", "bci", "bcj"]),
        # 1: b .3, bc .6/2, bci .9/3, bcj .9/3, bd .7/2, a .5, ae .51/2, aeg .71/3, …
        (1.0, ["", "b", "bc", "bci", "bcj", "bd", "a", "ae", "aeg"]),
    ],
)
def test_the_state_with_the_likeliest_way_is_expanded_first(alpha: float, order: list[str]) -> None:
    assert expanded(frontier(alpha=alpha), WAYS) == order


def test_the_logprob_of_a_step_is_the_mean_of_its_tokens_and_one_without_is_the_last() -> None:
    def after(number: int, text: str, logprobs: Sequence[float]) -> Node:
        return step(Draw(Site(ROOT), number), text, logprobs=logprobs)

    ways = {"": [after(0, "long", (-0.2,) * 9), after(1, "short", (-0.3,)), after(2, "none", ())]}
    assert expanded(frontier(num_children=3, num_expansions=4), ways) == ["", "long", "short", "none"]


def test_by_reward_the_best_state_is_expanded_first_and_one_without_reward_last() -> None:
    def after(number: int, text: str, reward: float | None) -> Node:
        return step(Draw(Site(ROOT), number), text, reward=reward)

    ways = {"": [after(0, "none", None), after(1, "bad", 0.1), after(2, "good", 0.8)]}
    search = frontier(num_children=3, num_expansions=4, urgency="reward")
    assert expanded(search, ways) == ["", "good", "bad", "none"]


def test_what_reads_the_same_is_expanded_once_when_it_is_most_urgent() -> None:
    ways = {
        "": [("x\n", -0.1), ("x ", -0.2)],
        "x\n": [("y z", -0.5), ("y", -0.1)],
        "x\ny": [("  z", -0.1), ("w", -9.0)],
    }
    # "x y z" costs .6 in one step and .3 in two
    assert expanded(frontier(num_expansions=9), ways) == ["", "x", "x\ny", "x\ny  z", "x\nyw"]


def test_dead_ends_leave_nothing_to_expand() -> None:
    assert expanded(frontier(), {"": [None, ("a", -0.1)]}) == ["", "a"]


def test_the_last_expansion_writes_to_the_end_unless_something_has_ended() -> None:
    search = frontier(num_expansions=3, ends=True)
    expanded(search, WAYS)
    assert [site.action for site in search.sites] == ["", "", to_the_end("")]
    end = step(Draw(Site(ROOT), 0), "So 1.", is_end=True)
    search = frontier(num_expansions=3, ends=True)
    expanded(search, WAYS | {"": [end, ("b", -0.1)]})
    assert [site.action for site in search.sites] == ["", "", ""]


def random_step(problem: int, tree: Tree, draw: Draw) -> Node | None:
    """Draw a step by its place in the tree, and by nothing else."""
    luck = random.Random(f"{problem} {tree.order(draw.site.node)} {draw.site.action} {draw.number}")
    if luck.random() < 0.15:
        return None
    text = f"{luck.choice('abcdef')}\n"
    its = random.Random(f"{problem} {tree.text(draw.site.node)}{text}")  # equal steps are equal in all
    reward = its.random()
    return step(draw, text, logprobs=(-reward,), reward=reward, is_end=its.random() < 0.2)


def raced(problem: int, order: int, *, parallel: int, num_workers: int) -> tuple[dict[Site, int], str | None]:
    """Run a race in which steps end in some order; return what is wanted in the end, and what was found."""
    luck, tree = random.Random(order), Tree()
    searches = {
        name: Frontier(ROOT, name, effort(parallel=parallel), lambda node: (node.reward or 0.0) >= 0.95)
        for name in map(str, range(num_workers))
    }
    race = Race(searches, 2)
    while True:
        wanted, is_over, found = race.look(tree)
        if is_over:
            return wanted, found
        draws = [Draw(site, number) for site, count in wanted.items() for number in range(count)]
        draw = luck.choice([draw for draw in draws if draw not in tree.draws])
        tree.add(draw, random_step(problem, tree, draw))


@pytest.mark.parametrize("parallel", [1, 2, 5])
@pytest.mark.parametrize("num_workers", [1, 3])
def test_the_order_in_which_steps_end_decides_nothing(parallel: int, num_workers: int) -> None:
    found = list[bool]()
    for problem in range(12):
        first = raced(problem, 0, parallel=parallel, num_workers=num_workers)
        again = [raced(problem, order, parallel=parallel, num_workers=num_workers) for order in range(1, 6)]
        assert again == [first] * 5
        found.append(first[1] is not None and len(first[0]) > 2)
    assert any(found)


def test_the_search_that_needs_fewest_expansions_wins_whoever_is_first_in_time() -> None:
    searches = {name: Frontier(ROOT, name, effort(), lambda node: node.reward == 1.0) for name in "xy"}
    race, tree = Race(searches, 2), Tree()
    x, y = [[Draw(Site(ROOT, name), number) for number in range(2)] for name in "xy"]
    for draw in y:
        tree.add(draw, step(draw, "no", logprobs=(-1.0,), reward=0.0))
    found = Draw(Site(tree.draws[y[0]] or "", "y"), 1)
    assert race.look(tree)[0] == {x[0].site: 2, y[0].site: 2, found.site: 2}
    tree.add(found, step(found, "yes", reward=1.0))
    # what x still writes in its first expansion comes before; what y writes before its find does, too
    wanted, is_over, key = race.look(tree)
    assert (wanted, is_over) == ({x[0].site: 2, y[0].site: 2, found.site: 2}, False)
    assert key == tree.draws[found]
    tree.add(x[1], step(x[1], "yes", reward=1.0))
    wanted, is_over, key = race.look(tree)
    assert (wanted, is_over, key) == ({x[0].site: 2}, False, tree.draws[x[1]])  # y is given up
    tree.add(x[0], None)
    assert race.look(tree) == ({x[0].site: 2}, True, tree.draws[x[1]])
