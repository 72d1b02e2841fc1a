"""The tree of a search is plain data, the same in whatever order it grew."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace

import pytest

from ttscale_strategies.search.tree import ROOT, Draw, Node, Site, Tree, key_of


def node(parent: str, draw: int, text: str, *, depth: int = 1, is_end: bool = False) -> Node:
    ids = tuple(map(ord, text))
    return Node(
        key=key_of(Site(parent), ids, text),
        parent=parent,
        draw=draw,
        depth=depth,
        text=text,
        token_ids=ids,
        is_end=is_end,
        reward=0.5,
    )


def grown(*order: int) -> Tree:
    """Return a root with two children, the first of which was drawn twice, in an order of draws."""
    draws = [
        (Draw(Site(ROOT), 0), node(ROOT, 0, "b\n")),
        (Draw(Site(ROOT), 1), node(ROOT, 1, "a\n")),
        (Draw(Site(ROOT), 2), node(ROOT, 2, "b\n")),
        (Draw(Site(ROOT), 3), None),
    ]
    tree = Tree()
    for number in order or range(len(draws)):
        tree.add(*draws[number])
    return tree


def test_equal_tokens_below_a_parent_are_one_node_of_the_least_number() -> None:
    for order in itertools.permutations(range(4)):
        tree = grown(*order)
        children = tree.children(Site(ROOT), 4)
        assert [(child.text, child.draw) for child in children] == [("b\n", 0), ("a\n", 1)]
        assert sorted(tree.order(child.key) for child in children) == [(("", 0),), (("", 1),)]


def test_order_follows_a_number_that_is_lowered_later() -> None:
    tree = Tree()
    tree.add(Draw(Site(ROOT), 2), late := node(ROOT, 2, "b\n"))
    tree.add(Draw(Site(late.key), 0), below := node(late.key, 0, "c\n", depth=2))
    assert tree.order(below.key) == (("", 2), ("", 0))
    tree.add(Draw(Site(ROOT), 0), node(ROOT, 0, "b\n"))
    assert tree.order(below.key) == (("", 0), ("", 0))


def test_adding_twice_changes_nothing() -> None:
    tree = grown()
    before = tree.to_json()
    tree.add(Draw(Site(ROOT), 0), node(ROOT, 0, "another\n"))
    tree.add(Draw(Site(ROOT), 3), node(ROOT, 3, "not failed\n"))
    assert tree.to_json() == before


def test_a_node_needs_its_parent() -> None:
    with pytest.raises(KeyError):
        Tree().add(Draw(Site("nobody"), 0), node("nobody", 0, "a\n"))


def test_a_tree_is_written_and_read() -> None:
    tree = grown()
    tree.add(
        Draw(Site(tree.children(Site(ROOT), 1)[0].key, "model"), 0),
        node(tree.children(Site(ROOT), 1)[0].key, 0, "\ud800end", depth=2, is_end=True),
    )
    read = Tree.from_json(json.loads(json.dumps(tree.to_json())))
    assert (read.nodes, read.draws) == (tree.nodes, tree.draws)


def test_paths_share_their_tokens() -> None:
    tree = Tree()
    tree.add(Draw(Site(ROOT), 0), top := node(ROOT, 0, "12345"))
    leaves = [node(top.key, number, text, depth=2) for number, text in enumerate(["ab", "c"])]
    for number, leaf in enumerate(leaves):
        tree.add(Draw(Site(top.key), number), leaf)
    assert tree.num_tokens([leaves[0].key]) == 7
    assert tree.num_tokens([leaf.key for leaf in leaves]) == 8
    assert tree.text(leaves[1].key) == "12345c"


def test_a_text_begins_anew_with_an_attempt_and_leaves_asides_out() -> None:
    tree = Tree()
    tree.add(Draw(Site(ROOT), 0), first := node(ROOT, 0, "one "))
    aside = replace(node(first.key, 0, "a plan", depth=2), part="aside")
    tree.add(Draw(Site(first.key), 0), aside)
    tree.add(Draw(Site(aside.key), 0), after := node(aside.key, 0, "two", depth=3))
    whole = replace(node(after.key, 0, "three ", depth=4), part="whole")
    tree.add(Draw(Site(after.key), 0), whole)
    tree.add(Draw(Site(whole.key), 0), last := node(whole.key, 0, "four", depth=5))
    assert (tree.text(after.key), tree.num_tokens([after.key])) == ("one two", 7)
    assert (tree.text(last.key), tree.num_tokens([last.key])) == ("three four", 10)
    assert [found.key for found in tree.lineage(last.key)] == [
        found.key for found in (first, aside, after, whole, last)
    ]


def test_within_leaves_out_what_is_not_wanted() -> None:
    tree = grown()
    first, second = tree.children(Site(ROOT), 4)
    tree.add(Draw(Site(first.key), 0), below := node(first.key, 0, "x", depth=2))
    wanted = {Site(ROOT): 4, Site(first.key): 1}
    assert [found.key for found in tree.within(wanted)] == [first.key, second.key, below.key]
    assert [found.key for found in tree.within({Site(ROOT): 1})] == [first.key]
