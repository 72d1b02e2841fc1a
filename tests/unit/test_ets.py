"""ETS: which steps are kept, who gets the children then, and what the search holds in the cache."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, cast

import pytest

from ttscale import Engine, Outcome, Problem, registry
from ttscale.errors import MissingExtra
from ttscale.run import Run
from ttscale.testing import FakeBackend, Reply, virtual_clock
from ttscale.types import Prompt, Sample, Score
from ttscale.verifier import Example
from ttscale_strategies.search import ets
from ttscale_strategies.search.beam_search import DVTS, BeamSearch
from ttscale_strategies.search.ets import ETS, PrunedLevels, Pruning
from ttscale_strategies.search.mcts import MCTS
from ttscale_strategies.search.rebase import Rebase
from ttscale_strategies.search.rules import objective
from ttscale_strategies.search.tree import ROOT, Draw, Node, Site, Tree, key_of

FIRST, OTHER, THIRD = "add three and four", "multiply by nine", "take it away: 12"


def grown(tree: Tree, draw: Draw, text: str, reward: float | None, *, num_tokens: int = 1) -> Node:
    """Add a step to a tree; the draw's number makes its tokens its own."""
    token_ids = (draw.number,) * num_tokens
    node = Node(
        key=key_of(draw.site, token_ids, text),
        parent=draw.site.node,
        draw=draw.number,
        depth=len(tree.path(draw.site.node)) + 1,
        text=text,
        token_ids=token_ids,
        is_end=False,
        reward=reward,
    )
    tree.add(draw, node)
    return node


def rest_failed(tree: Tree, wanted: Mapping[Site, int]) -> None:
    """Let all draws fail that are wanted and not there."""
    for site, count in wanted.items():
        for number in range(count):
            tree.add(Draw(site, number), None)


def pruning(lambda_cost: float, lambda_diversity: float, *, cost: ets.Cost = "nodes") -> Pruning:
    return Pruning(
        lambda_cost=lambda_cost,
        lambda_diversity=lambda_diversity,
        threshold=0.6,
        cost=cost,
        temperature=0.2,
    )


def worked(texts: Sequence[str]) -> tuple[Tree, list[Node]]:
    """Return the worked tree: a1 and a2 below A, b1 below B, c1 below C."""
    tree = Tree()
    a, b, c = (grown(tree, Draw(Site(ROOT), number), text, 0.5) for number, text in enumerate("ABC"))
    places = [(a, 0, 0.9), (a, 1, 0.8), (b, 0, 0.7), (c, 0, 0.2)]
    leaves = [
        grown(tree, Draw(Site(parent.key), number), text, reward)
        for (parent, number, reward), text in zip(places, texts, strict=True)
    ]
    return tree, leaves


# ── which steps are kept ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("lambda_cost", "lambda_diversity", "texts", "kept", "value"),
    [
        (1.0, 0.0, (FIRST, FIRST, OTHER, THIRD), (0, 1), 0.375),
        (1.0, 1.0, (FIRST, FIRST, OTHER, THIRD), (0, 1, 2, 3), 1.0),
        (1.5, 0.3, (FIRST, FIRST, OTHER, OTHER), (0, 1), 0.275),
    ],
)
@pytest.mark.parametrize("exactly", [True, False])
def test_the_worked_numbers_on_their_tree(
    lambda_cost: float,
    lambda_diversity: float,
    texts: Sequence[str],
    kept: tuple[int, ...],
    value: float,
    exactly: bool,
) -> None:
    tree, leaves = worked(texts)
    rule = pruning(lambda_cost, lambda_diversity)
    program = rule.program(tree, leaves, 8)
    assert program.shares == (0.5, 0.375, 0.125, 0.0)
    assert program.holds.shape == (4, 4)  # four leaves; A, B, C and the root
    assert rule.kept(tree, leaves, 8, exactly=exactly) == kept
    assert objective(program, kept) == pytest.approx(value)


def two_first_steps(num_tokens: int = 1, text: str = OTHER, rewards: Sequence[float] = (0.9, 0.8)) -> Tree:
    """Return a tree of two first steps of eight, the others failed; the second has some more tokens."""
    tree = Tree()
    grown(tree, Draw(Site(ROOT), 0), FIRST, rewards[0])
    grown(tree, Draw(Site(ROOT), 1), text, rewards[1], num_tokens=num_tokens)
    rest_failed(tree, {Site(ROOT): 8})
    return tree


@pytest.mark.parametrize(
    ("lambda_cost", "lambda_diversity", "text", "expected"),
    [
        (1.0, 0.0, OTHER, [5, 3]),  # both: 1 - 3/3 = 0; the first alone: 5/8 - 2/3 = -1/24
        (1.5, 0.0, OTHER, [8, 0]),  # both: 1 - 3/2 = -1/2; the first alone: 5/8 - 1 = -3/8
        (1.5, 0.3, OTHER, [5, 3]),  # both: -1/2 + .3 = -.2; the first alone: -3/8 + .15 = -.225
        (1.5, 0.3, FIRST, [8, 0]),  # of one cluster: both -.2; the first alone: -3/8 + .3 = -.075
        (0.0, 0.0, OTHER, [5, 3]),
    ],
)
def test_the_children_go_to_those_that_are_kept(
    lambda_cost: float, lambda_diversity: float, text: str, expected: list[int]
) -> None:
    tree = two_first_steps(text=text)
    planner = PrunedLevels(pruning(lambda_cost, lambda_diversity), width=8)
    wanted = planner.plan(tree).wanted
    assert [wanted.get(Site(key), 0) for key in tree.nodes] == expected


def test_at_the_next_depth_what_shares_its_branch_gets_the_children_of_what_is_dropped() -> None:
    tree, planner = Tree(), PrunedLevels(pruning(1.0, 0.0), width=8)
    first = [grown(tree, Draw(Site(ROOT), number), text, 0.5) for number, text in enumerate("ABC")]
    rest_failed(tree, {Site(ROOT): 8})
    # All three are worth 1 - 4/4 and two of them 6/8 - 3/4: equal, so more are kept.
    wanted = planner.plan(tree).wanted
    assert [wanted[Site(node.key)] for node in first] == [3, 3, 2]
    a, b, c = (Site(node.key) for node in first)
    for draw, reward in [(Draw(a, 0), 0.9), (Draw(a, 1), 0.8), (Draw(b, 0), 0.7), (Draw(c, 0), 0.2)]:
        grown(tree, draw, FIRST, reward)
    rest_failed(tree, wanted)
    newest = {Site(key): count for key in tree.nodes if (count := planner.plan(tree).wanted.get(Site(key)))}
    counts = [count for site, count in newest.items() if tree.nodes[site.node].depth == 2]
    assert counts == [5, 3]  # REBASE has [4, 3, 1]


def test_a_cost_by_tokens_drops_the_long_step() -> None:
    tree = two_first_steps(num_tokens=9, rewards=(0.5, 0.5))
    by_nodes = PrunedLevels(pruning(1.0, 0.0), width=8).plan(tree).wanted
    by_tokens = PrunedLevels(pruning(1.0, 0.0, cost="tokens"), width=8).plan(tree).wanted
    # Of 1 + 1 + 9 tokens with the root: both are worth 1 - 11/11, the first alone 1/2 - 2/11.
    assert [by_nodes.get(Site(key), 0) for key in tree.nodes] == [4, 4]
    assert [by_tokens.get(Site(key), 0) for key in tree.nodes] == [8, 0]


def test_the_tokens_of_branches_count_too() -> None:
    tree = Tree()
    long = grown(tree, Draw(Site(ROOT), 0), FIRST, 0.5, num_tokens=9)
    short = grown(tree, Draw(Site(ROOT), 1), OTHER, 0.5)
    leaves = [grown(tree, Draw(Site(node.key), 0), FIRST, 0.5) for node in (long, short)]
    rule = pruning(1.0, 0.0, cost="tokens")
    # Of 1 + 9 + 1 + 1 + 1 tokens: both leaves are worth 1 - 13/13, the second alone 1/2 - 3/13.
    assert rule.kept(tree, leaves, 8, exactly=True) == (1,)
    assert objective(rule.program(tree, leaves, 8), (1,)) == pytest.approx(1 / 2 - 3 / 13)


def test_steps_without_reward_count_as_the_worst() -> None:
    tree = Tree()
    leaves = [grown(tree, Draw(Site(ROOT), 0), FIRST, None), grown(tree, Draw(Site(ROOT), 1), OTHER, 0.9)]
    assert pruning(1.0, 0.0).program(tree, leaves, 4).shares == (0.0, 1.0)


# ── when ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("lambda_cost", "is_certain"), [(1.0, False), (0.0, True)])
def test_nothing_is_certain_before_a_depth_is_complete_unless_nothing_is_dropped(
    lambda_cost: float, is_certain: bool
) -> None:
    tree = Tree()
    node = grown(tree, Draw(Site(ROOT), 0), FIRST, 1.0)
    rest_failed(tree, {Site(ROOT): 3})  # of the fourth nothing is known
    wanted = PrunedLevels(pruning(lambda_cost, 0.0), width=4).plan(tree).wanted
    assert (Site(node.key) in wanted) == is_certain


def test_ahead_the_steps_known_so_far_are_gone_on_from() -> None:
    tree = Tree()
    node = grown(tree, Draw(Site(ROOT), 0), FIRST, 1.0)
    assert PrunedLevels(pruning(1.0, 0.0), width=4, ahead=True).plan(tree).wanted[Site(node.key)] == 1


def test_a_depth_is_decided_once_and_by_its_size_alone_how(monkeypatch: pytest.MonkeyPatch) -> None:
    solved = list[int]()

    def exact(program: Any, *, time_limit_seconds: float) -> tuple[int, ...]:
        solved.append(program.num_leaves)
        return (0,)

    monkeypatch.setattr(ets, "select_exact", exact)
    planner, tree = PrunedLevels(pruning(1.0, 0.0), width=8), two_first_steps()
    for _ in range(5):
        assert list(planner.plan(tree).wanted.values()) == [8, 8]
    assert solved == [2]
    monkeypatch.setattr(ets, "MAX_EXACT_LEAVES", 1)
    wanted = PrunedLevels(pruning(1.0, 0.0), width=8).plan(tree).wanted
    assert list(wanted.values()) == [8, 5, 3]
    assert solved == [2]


# ── options ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("width", "expected"), [(1, 1.5), (16, 1.5), (32, 1.4), (64, 1.4), (256, 1.45)])
def test_diversity_is_that_of_the_papers_nearest_width(width: int, expected: float) -> None:
    assert ETS(width=width).diversity == expected
    assert ETS(width=width, lambda_diversity=0.1).diversity == 0.1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lambda_cost": -1.0}, "lambda_cost"),
        ({"lambda_diversity": float("nan")}, "lambda_diversity"),
        ({"threshold": 0.0}, r"threshold must lie in \(0, 2\]"),
        ({"balance": 0.0}, "temperature"),
        ({"cost": "seconds"}, "cost must be one of nodes, tokens, got 'seconds'"),
        ({"width": 0}, "width"),
    ],
)
def test_bad_options_are_named(options: Mapping[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ETS(**options)


@pytest.mark.parametrize(
    ("module", "package"), [("scipy.optimize", "scipy"), ("sklearn.cluster", "scikit-learn")]
)
def test_what_is_not_installed_is_named_before_anything_is_spent(
    monkeypatch: pytest.MonkeyPatch, module: str, package: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtra, match=rf"{package} is not installed.*ttscale\[search\]"):
        registry.create_strategy("ets")


# ── what is held ──────────────────────────────────────────────────────────────────────────────────────────


class _Grader:
    """Scores by the last letter: z is 1, a is 0."""

    needs: ClassVar[frozenset[str]] = frozenset()
    needs_target: ClassVar[bool] = False

    async def score(self, problem: Problem, samples: Sequence[Sample], run: Run) -> list[Score]:
        return [Score(value=(ord(sample.text.rstrip()[-1]) - ord("a")) / 25) for sample in samples]

    def examples(self) -> Sequence[Example]:
        return ()


def scripted(prompt: Prompt, seed: int, ordinal: int) -> Reply:
    """Write steps of two to four tokens, and the end at the third."""
    begun = prompt.messages[-1].content if prompt.messages[-1].role == "assistant" else ""
    if begun.count("\n") == 2:
        return Reply(begun + "\\boxed{1}")
    return Reply(begun + ["z\n", "yy\n", "xxx\n", "www\n"][seed % 4])


async def held(strategy: Any) -> tuple[Mapping[str, Any], Outcome]:
    """Return what a search says it held, and its outcome."""
    async with Engine(FakeBackend(scripted)) as engine:
        outcome = await engine.solve("?", strategy=strategy)
    spans = cast("Sequence[Mapping[str, Any]]", outcome.trace)
    return spans[0]["attributes"], outcome


@virtual_clock
async def test_the_tokens_held_at_each_depth_are_noted_each_once() -> None:
    noted, outcome = await held(BeamSearch(width=2, beam_width=1, verifier=_Grader(), temperature=0.0))
    # At temperature 0 all steps are "z\n": of one path two tokens are held at depth 1, four at depth 2.
    assert (noted["kv_tokens_by_depth"], noted["kv_tokens_mean"], noted["kv_tokens_peak"]) == ([2, 4], 3.0, 4)
    assert outcome.answer == "1"


@pytest.mark.parametrize(
    ("strategy", "is_noted"),
    [
        (Rebase(width=4, verifier=_Grader()), True),
        (DVTS(width=4, beam_width=2, verifier=_Grader()), True),
        (MCTS(num_expansions=2, verifier=_Grader()), False),
    ],
)
@virtual_clock
async def test_searches_that_go_by_depth_note_what_they_hold(strategy: Any, is_noted: bool) -> None:
    noted, outcome = await held(strategy)
    assert ("kv_tokens_by_depth" in noted) == is_noted
    if is_noted:
        spans = cast("Sequence[Mapping[str, Any]]", outcome.trace)
        nodes = [span["attributes"] for span in spans if span["kind"] == "node"]
        first = {node["node"]: node["tokens"] for node in nodes if node["depth"] == 1}
        gone_on_from = {node["parent_node"] for node in nodes if node["depth"] == 2}
        assert noted["kv_tokens_by_depth"][0] == sum(first[key] for key in gone_on_from)
        assert noted["kv_tokens_peak"] == max(noted["kv_tokens_by_depth"])


@virtual_clock
async def test_it_holds_less_than_rebase_and_draws_as_much() -> None:
    rebase, plain = await held(Rebase(width=8, verifier=_Grader(), balance=1.0))
    pruned, outcome = await held(
        ETS(width=8, verifier=_Grader(), balance=1.0, lambda_cost=2.0, lambda_diversity=0.0)
    )
    assert pruned["kv_tokens_mean"] < rebase["kv_tokens_mean"]
    assert outcome.answer == plain.answer == "1"
    assert len(outcome.candidates) > 0
