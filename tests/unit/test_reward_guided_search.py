"""Reward-guided search: a choice among all leaves, values that mix reward and agreement, by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.unit.search_bench import Grader, Steps, begun_of, nodes_of, solve
from ttscale import Budget
from ttscale.testing import Reply, virtual_clock
from ttscale.types import Prompt, Score
from ttscale_strategies.search.reward_guided_search import Mixture, RewardGuidedSearch
from ttscale_strategies.search.tree import Node


class Letters:
    """Steps a, b, … below each node; the first draw below each but the root is a rollout, named like a step."""

    def __init__(self) -> None:
        self.at = list[str]()

    def __call__(self, prompt: Prompt, seed: int, ordinal: int) -> Reply:
        path = letters_of(begun_of(prompt))
        number = max(0, self.at.count(path) - (path != ""))
        step = f"{len(path)}{chr(ord('a') + number)}\n"
        self.at.append(path)
        return Reply(f"{step}\\boxed{{{len(self.at)}}}")


def letters_of(text: str) -> str:
    """Return where a solution so far stands in the tree."""
    return "".join(filter(str.isalpha, text.partition("\\")[0]))


def by_branch(rewards: Mapping[str, float]) -> Grader:
    """Return a verifier that gives every rollout of a node, whose own letter comes last, this reward."""
    return Grader(grade=lambda text: Score(value=rewards[letters_of(text)[:-1]]))


def steps_of(outcome: Any) -> list[str]:
    """Return below what steps were drawn, leaf by leaf."""
    nodes = {node["node"]: node for node in nodes_of(outcome) if "node" in node}
    paths = {None: "", **dict.fromkeys(nodes, "")}
    for key, node in nodes.items():
        paths[key] = paths[node["parent_node"]] + letters_of(node["text"])
    return [paths[node["parent_node"]] for node in nodes.values() if node["answer"] is None]


@pytest.mark.parametrize(
    ("exploration", "expected"),
    [
        # With alpha = 1 the values are the rewards. N = 2, n = 1: a, the greater. Its only child aa has
        # .9 + √2 · √(ln 2 / 2) = 1.733 (its parent was reached twice), b .7 + √2 · √(ln 3 / 2) = 1.748: b. Then
        # ba has .6 + .833, and aa is the best.
        (2**0.5, ["", "", "a", "b", "aa"]),
        (0.0, ["", "", "a", "aa", "aaa"]),
    ],
)
@virtual_clock
async def test_the_best_leaf_of_the_whole_tree_is_next(exploration: float, expected: list[str]) -> None:
    rewards = {"a": 0.8, "b": 0.7, "aa": 0.9, "ba": 0.6, "aaa": 0.95, "aaaa": 0.5}
    strategy = RewardGuidedSearch(
        num_expansions=4,
        root_children=2,
        children=1,
        num_rollouts=1,
        alpha=1.0,
        exploration=exploration,
        parallel=1,
        verifier=by_branch(rewards),
    )
    assert steps_of(await solve(strategy, Letters())) == expected


@virtual_clock
async def test_a_leaf_deep_in_a_bad_branch_is_chosen_where_a_descent_would_turn_away() -> None:
    # Behind a's children a's mean is (.7 + .5 + .7) / 3 = .633 and b's .65, so a descent by means goes to b.
    # But of all leaves ab has .7, and b .65.
    rewards = {"a": 0.7, "b": 0.65, "aa": 0.5, "ab": 0.7, "aba": 0.1, "abb": 0.1}
    strategy = RewardGuidedSearch(
        num_expansions=3,
        root_children=2,
        children=2,
        num_rollouts=1,
        alpha=1.0,
        exploration=0.0,
        parallel=1,
        verifier=by_branch(rewards),
    )
    assert steps_of(await solve(strategy, Letters())) == ["", "", "a", "a", "ab", "ab"]


@virtual_clock
async def test_agreement_of_rollouts_is_worth_as_much_as_alpha_leaves_it() -> None:
    below_a = ["x\\boxed{7}", "y\\boxed{8}"]
    below_b = ["x\\boxed{9}", "y\\boxed{9.0}"]
    # a: rewards .9 and .7, no agreement: .5 · .8 + .5 · .5 = .65. b: .8 and .4, both the same answer:
    # (.6 + 1) / 2 = .8.
    rewards = {"a\nx\\boxed{7}": 0.9, "a\ny\\boxed{8}": 0.7, "b\nx\\boxed{9}": 0.8, "b\ny\\boxed{9.0}": 0.4}
    rewards |= {"b\n\\boxed{5}": 0.6, "a\n\\boxed{5}": 0.6}
    for alpha, expected in ((0.5, "b\n"), (1.0, "a\n")):
        replies = {"": ["a\n", "b\n"], "a\n": [*below_a, "\\boxed{5}"], "b\n": [*below_b, "\\boxed{5}"]}
        script = Steps(replies)
        grader = Grader(grade=lambda text: Score(value=rewards[text]))
        strategy = RewardGuidedSearch(
            num_expansions=2, root_children=2, children=1, alpha=alpha, parallel=1, verifier=grader
        )
        outcome = await solve(strategy, script)
        assert script.at[6:] == [expected]
        # The answer is that of the best rewarded solution, a rollout.
        assert (outcome.answer, outcome.confidence) == ("7", 0.9)
        assert outcome.text == "a\nx\\boxed{7}"


def end(answer: str | None, reward: float | None) -> Node:
    return Node(
        key="", parent="", draw=0, depth=1, text="", token_ids=(), is_end=True, reward=reward, answer=answer
    )


@pytest.mark.parametrize(
    ("ends", "alpha", "expected"),
    [
        ([end("4", 0.8), end("4.0", 0.4)], 0.5, 0.8),
        ([end("4", 0.8), end("5", 0.4)], 0.5, 0.55),
        ([end("4", 0.8), end(None, 0.4)], 0.5, 0.425),
        ([end(None, None), end(None, None)], 0.5, 0.0),
        ([end("4", None), end("4", 1.0)], 0.25, 0.875),
        ([end("4", 0.6)], 0.5, 0.8),
        ([], 0.5, 0.0),
    ],
)
def test_the_value_of_rollouts(ends: list[Node], alpha: float, expected: float) -> None:
    assert Mixture(alpha=alpha)(ends) == pytest.approx(expected)


@virtual_clock
async def test_rollouts_that_fail_do_not_count_and_without_any_the_step_is_worth_nothing() -> None:
    failed = Reply("x", error="no")
    script = Steps(
        {
            "": ["a\n", "b\n"],
            "a\n": [failed, failed],
            "b\n": [failed, "x\\boxed{2}", "\\boxed{3}"],
        }
    )
    rewards = {"b\nx\\boxed{2}": 0.01, "b\n\\boxed{3}": 0.02}
    grader = Grader(grade=lambda text: Score(value=rewards[text]))
    strategy = RewardGuidedSearch(num_expansions=2, root_children=2, children=1, parallel=1, verifier=grader)
    outcome = await solve(strategy, script)
    assert script.at[6:] == ["b\n"]
    assert outcome.answer == "3"


@virtual_clock
async def test_rollouts_begin_as_soon_as_their_step_is_there() -> None:
    script = Steps(
        {
            "": [Reply("a\n", seconds=1), Reply("b\n", seconds=60)],
            "a\n": [Reply("x\\boxed{1}", seconds=1), Reply("y\\boxed{1}", seconds=1)],
            "b\n": [Reply("x\\boxed{2}", seconds=1), Reply("y\\boxed{2}", seconds=1)],
        }
    )
    grader = Grader(grade=lambda _: Score(value=0.5))
    await solve(RewardGuidedSearch(num_expansions=1, root_children=2, verifier=grader), script)
    assert [time for time, _ in grader.asked] == [pytest.approx(time) for time in (2, 2, 61, 61)]


@virtual_clock
async def test_the_best_rollout_so_far_is_the_answer_when_the_budget_ends() -> None:
    strategy = RewardGuidedSearch(
        root_children=2, children=1, verifier=Grader(grade=lambda _: Score(value=0.5))
    )
    outcome = await solve(strategy, Letters(), budget=Budget(samples=4))
    assert outcome.stop_reason == "budget"
    assert outcome.answer is not None


@pytest.mark.parametrize(
    "options",
    [
        {"num_expansions": 0},
        {"root_children": 0},
        {"children": 0},
        {"num_rollouts": 0},
        {"parallel": 0},
        {"alpha": 1.5},
        {"exploration": -1.0},
    ],
)
def test_numbers_out_of_range_are_refused(options: Any) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        RewardGuidedSearch(**options)
