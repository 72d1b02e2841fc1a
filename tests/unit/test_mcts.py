"""Monte-Carlo tree search: trees worked out by hand, choices that do not depend on the order of arrival."""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import pytest

from tests.unit.search_bench import (
    Grader,
    Steps,
    begun_of,
    files,
    nodes_of,
    solve,
    wander,
)
from ttscale import Budget, Engine, Problem
from ttscale.run import Run
from ttscale.testing import FakeBackend, Reply, virtual_clock
from ttscale.types import Prompt, Sample, Score
from ttscale_strategies.search._monte_carlo import Expansions, Known
from ttscale_strategies.search.mcts import MCTS, Descent
from ttscale_strategies.search.pats import PATS
from ttscale_strategies.search.reward_guided_search import RewardGuidedSearch
from ttscale_strategies.search.rules import backed_up
from ttscale_strategies.search.tree import ROOT, Node, Site, key_of


def graded(rewards: Mapping[str, float], **options: Any) -> Grader:
    """Return a verifier that knows the reward of each solution so far."""
    return Grader(grade=lambda text: Score(value=rewards[text]), **options)


class Letters:
    """A script of endless steps: below each node they are a, b, … in order of their draws."""

    def __init__(self, seconds: Mapping[str, float] | None = None) -> None:
        self.seconds = seconds or {}
        self.at = list[str]()

    def __call__(self, prompt: Prompt, seed: int, ordinal: int) -> Reply:
        begun = begun_of(prompt)
        path = letters_of(begun)
        step = f"{len(path)}{chr(ord('a') + self.at.count(path))}\n"
        self.at.append(path)
        return Reply(step, seconds=self.seconds.get(path, 1.0))


def letters_of(text: str) -> str:
    """Return where a solution so far stands in the tree."""
    return "".join(filter(str.isalpha, text))


def by_letters(rewards: Mapping[str, float]) -> Grader:
    """Return a verifier that knows the reward of each node by its letters."""
    return Grader(grade=lambda text: Score(value=rewards[letters_of(text)]))


FIRST = {"a": 0.6, "b": 0.5, "aa": 0.58, "ab": 0.57, "ba": 0.9, "bb": 0.8}


@pytest.mark.parametrize(
    ("exploration", "expected"),
    [
        # N = 2, n = 1 each: a. Then a has (.6 + .58 + .57) / 3 + √(ln 4 / 3) = 1.263, and b .5 + √ln 4 = 1.677:
        # b. Then b has 2.2 / 3 + √(ln 6 / 3) = 1.506, and a .583 + .773 = 1.356; below b the first is better.
        (1.0, ["", "a", "b", "ba"]),
        # Without exploration a's mean .583 beats b's .5; aa's .573 then beats ab's .57, and aaa comes first.
        (0.0, ["", "a", "aa", "aaa"]),
    ],
)
@virtual_clock
async def test_leaves_are_chosen_by_upper_confidence_bounds(exploration: float, expected: list[str]) -> None:
    script = Letters()
    rewards = FIRST | {f"{leaf}{step}": 0.57 for leaf in ("aa", "aaa", "ba") for step in "ab"}
    strategy = MCTS(children=2, parallel=1, exploration=exploration, verifier=by_letters(rewards))
    await solve(strategy, script, budget=Budget(samples=8))
    assert script.at[::2] == expected


@pytest.mark.parametrize(
    ("priors", "third"),
    [
        # Mean (.9 + .2 + .2) / 3, n = 3, N = 4, c = 1.4142: 1.395 against .1 + 1.665 = 1.765.
        (False, "b"),
        # The softmax of .9 and .1 is .690 and .310: .433 + .690 · .961 = 1.097 against .1 + .310 · 1.665.
        (True, "aa"),
    ],
)
@virtual_clock
async def test_priors_weigh_exploration_by_the_siblings_values(priors: bool, third: str) -> None:
    rewards = {"a": 0.9, "b": 0.1} | {f"{leaf}{step}": 0.2 for leaf in ("a", "b", "aa") for step in "ab"}
    strategy = MCTS(children=2, parallel=1, priors=priors, exploration=2**0.5, verifier=by_letters(rewards))
    script = Letters()
    await solve(strategy, script, budget=Budget(samples=6))
    assert script.at[::2] == ["", "a", third]


@pytest.mark.parametrize("slow", ["a", "b"])
@virtual_clock
async def test_a_choice_waits_for_the_values_that_are_due_and_for_no_others(slow: str) -> None:
    rewards = {"a": 0.6, "b": 0.5, "aa": 0.5, "ab": 0.55, "ba": 1.0, "bb": 1.0, "aba": 0.5, "abb": 0.5}
    script = Letters({"a": 5.0, "b": 5.0, slow: 50.0})
    grader = by_letters(rewards)
    await solve(MCTS(children=2, parallel=2, verifier=grader), script, budget=Budget(samples=8))
    # The second and the third begin side by side. The fourth looks at the second's values, however late they
    # are, and not at the third's, however early and good: the leaf is one below the second's, a.
    assert script.at[::2] == ["", "a", "b", "ab"]
    times = {letters_of(text): time for time, text in grader.asked}
    assert times["aba"] == pytest.approx(52.0 if slow == "a" else 7.0)


@virtual_clock
async def test_solutions_that_ended_are_not_gone_down_to_and_without_leaves_the_search_ends() -> None:
    script = Steps({"": ["a\\boxed{1}", "b\n"], "b\n": ["\\boxed{2}", "\\boxed{2}c"]})
    rewards = {"a\\boxed{1}": 0.95, "b\n": 0.1, "b\n\\boxed{2}": 0.5, "b\n\\boxed{2}c": 0.6}
    outcome = await solve(MCTS(num_expansions=9, children=2, verifier=graded(rewards)), script)
    assert script.at[::2] == ["", "b\n"]
    assert (outcome.stop_reason, outcome.answer) == ("finished", "2")
    assert outcome.confidence == pytest.approx(1.1 / 2.05)


@virtual_clock
async def test_a_leaf_whose_draws_all_failed_is_given_up() -> None:
    failed = [Reply("x", error="no")] * 2
    script = Steps({"": ["a\n", "b\n"], "a\n": failed, "b\n": ["\\boxed{2}", "\\boxed{2}"]})
    outcome = await solve(
        MCTS(
            num_expansions=9,
            children=2,
            parallel=1,
            verifier=graded({"a\n": 0.9, "b\n": 0.1, "b\n\\boxed{2}": 1}),
        ),
        script,
    )
    assert script.at[::2] == ["", "a\n", "b\n"]
    assert outcome.answer == "2"


@virtual_clock
async def test_where_no_solution_has_an_answer_the_best_leaves_are_written_to_the_end() -> None:
    rewards = {"a\n": 0.2, "b\n": 0.9, "c\n": 0.4, "b\nend\n\\boxed{1}": 0.7, "c\nend\n\\boxed{2}": 0.8}
    rewards["a\nend\n\\boxed{3}"] = 1.0
    script = Steps(
        {
            "": ["a\n", "b\n", "c\n"],
            "b\n": ["end\n\\boxed{1}"],
            "c\n": ["end\n\\boxed{2}"],
            "a\n": ["end\n\\boxed{3}"],
        }
    )
    strategy = MCTS(num_expansions=1, children=3, verifier=graded(rewards))
    outcome = await solve(strategy, script)
    assert script.at[3:] == ["b\n", "c\n", "a\n"]
    assert outcome.answer == "3"
    assert len(script.at) == strategy.max_samples() == 6


@virtual_clock
async def test_a_steps_value_is_the_mean_of_its_rollouts_which_alone_are_scored() -> None:
    below = {"a\n": ["x\n\\boxed{1}", "y\\boxed{1}"], "b\n": ["x\\boxed{2}", "y\\boxed{2}"]}
    script = Steps(
        {"": ["a\n", "b\n"], "a\n": [*below["a\n"]], "b\n": [*below["b\n"], "\\boxed{3}", "\\boxed{4}"]}
    )
    rewards = {"a\nx\n\\boxed{1}": 0.9, "a\ny\\boxed{1}": 0.1, "b\nx\\boxed{2}": 0.6, "b\ny\\boxed{2}": 0.5}
    rewards |= {"b\n\\boxed{3}": 0.2, "b\n\\boxed{4}": 0.3}
    grader = graded(rewards)
    strategy = MCTS(num_expansions=2, children=2, num_rollouts=2, parallel=1, choice="best", verifier=grader)
    outcome = await solve(strategy, script)
    # .5 against .55: b is expanded; its children end solutions, and are scored themselves.
    assert script.at == ["", "", "a\n", "a\n", "b\n", "b\n", "b\n", "b\n"]
    assert sorted(text for _, text in grader.asked) == sorted(rewards)
    assert (outcome.answer, outcome.confidence) == ("1", 0.9)
    steps = [node for node in nodes_of(outcome) if node["text"] in ("a\n", "b\n")]
    assert [(node["reward"], node["reason"]) for node in steps] == [(None, "its rollouts are rated")] * 2


@dataclass(frozen=True, kw_only=True)
class StepGrader(Grader):
    """Scores each line by its first digit."""

    newest_only: bool = False

    def for_newest_step(self) -> StepGrader:
        return replace(self, newest_only=True)

    async def score(self, problem: Problem, samples: Sequence[Sample], run: Run) -> list[Score]:
        await super().score(problem, samples, run)
        steps = [tuple(int(line[0]) / 10 for line in sample.text.splitlines()) for sample in samples]
        kept = [found[-1:] if self.newest_only else found for found in steps]
        return [Score(value=found[-1], steps=found) for found in kept]


@pytest.mark.parametrize(
    ("reward", "expected"), [("verifier", 0.9), ("last", 0.9), ("min", 0.2), ("mean", 0.5), ("product", 0.072)]
)
@virtual_clock
async def test_rollouts_are_rated_as_a_whole(reward: Any, expected: float) -> None:
    script = Steps({"": ["4\n"], "4\n": ["2\n9 \\boxed{1}"]})
    grader = StepGrader(grade=lambda _: Score(value=None))
    options = MCTS(num_expansions=1, children=1, num_rollouts=1, verifier=grader, reward=reward, choice="best")
    outcome = await solve(options, script)
    assert outcome.candidates[0].score == pytest.approx(expected)


@virtual_clock
async def test_what_the_last_leaves_are_written_to_is_rated_as_a_whole_too() -> None:
    script = Steps({"": ["4\n"], "4\n": ["2\n9 \\boxed{1}"]})
    grader = StepGrader(grade=lambda _: Score(value=None))
    options = MCTS(num_expansions=1, children=1, verifier=grader, reward="min", choice="best")
    assert (await solve(options, script)).candidates[0].score == pytest.approx(0.2)


@virtual_clock
async def test_a_step_that_ends_a_solution_has_its_own_reward_as_value_among_rollouts() -> None:
    ends = {"": ["a\n", "b\n"], "a\n": ["x\\boxed{1}"], "b\n": ["x\\boxed{2}", "\\boxed{3}", "c\n"]}
    script = Steps({**ends, "b\nc\n": ["x\\boxed{4}", "y\\boxed{4}", "z\\boxed{4}"]})
    rewards = {"a\nx\\boxed{1}": 0.45, "b\nx\\boxed{2}": 0.6, "b\n\\boxed{3}": 0.9, "b\nc\nx\\boxed{4}": 0.0}
    rewards |= {"b\nc\ny\\boxed{4}": 0.1, "b\nc\nz\\boxed{4}": 0.1}
    options = MCTS(num_expansions=3, children=2, num_rollouts=1, parallel=1, exploration=0.0)
    await solve(replace(options, verifier=graded(rewards)), script)
    # b has (.6 + .9 + .0) / 3 = .5, and a .45.
    assert script.at[-2:] == ["b\nc\n", "b\nc\n"]


@pytest.mark.parametrize("steps", [(0.5, float("nan")), (2.0, 0.5), ()])
@virtual_clock
async def test_a_rollout_whose_scores_cannot_be_read_counts_as_the_worst(steps: tuple[float, ...]) -> None:
    score = Score(value=0.5 if steps else None, steps=steps)
    script = Steps({"": ["4\n"], "4\n": ["2\n9 \\boxed{1}"]})
    options = MCTS(
        num_expansions=1, children=1, num_rollouts=1, verifier=Grader(grade=lambda _: score), reward="min"
    )
    outcome = await solve(options, script)
    assert (outcome.candidates[0].score, outcome.answer) == (None, "1")


# ── statistics ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("seed", range(20))
def test_what_is_known_is_what_backing_up_all_values_gives(seed: int) -> None:
    draw, known = random.Random(seed), Known()
    values: dict[str, float | None] = {}
    parents: dict[str, str | None] = {ROOT: None}
    under_way = list[tuple[str, int]]()
    for number in itertools.count():
        if under_way and (number > 12 or not known.leaves or draw.random() < 0.5):
            leaf, width = under_way.pop(draw.randrange(len(under_way)))
            children = [(child(leaf, at, is_end=draw.random() < 0.3), draw.random()) for at in range(width)]
            known.take(leaf, width, children)
            parents |= {node.key: leaf for node, _ in children}
            values |= {node.key: value for node, value in children}
        else:
            leaf = draw.choice(list(known.leaves))
            under_way.append((leaf, draw.randrange(4)))
            known.begin(*under_way[-1])
        expected = backed_up(parents, values)
        for key in parents:
            assert known.visits(key).value_sum == pytest.approx(expected[key].value_sum)
            assert known.visits(key).num_visits == expected[key].num_visits
            below = [one for one in known.leaves if key in above(parents, one)]
            assert known.is_open(key) == bool(below)
        pending = sum(width for _, width in under_way)
        assert known.visits(ROOT).num_pending == pending
        if not under_way and (number > 12 or not known.leaves):
            return


def test_values_on_their_way_count_as_visits() -> None:
    known = Known()
    known.begin(ROOT, 2)
    a, b = child(ROOT, 0, is_end=False), child(ROOT, 1, is_end=False)
    known.take(ROOT, 2, [(a, 0.9), (b, 0.1)])
    known.begin(a.key, 2)
    aa, ab = child(a.key, 0, is_end=False), child(a.key, 1, is_end=False)
    known.take(a.key, 2, [(aa, 0.9), (ab, 0.9)])
    descent = Descent(exploration=1.0, priors=False)
    # a: .9 + √(ln 4 / 3) = 1.580, b: .1 + √ln 4 = 1.277.
    assert descent(known) == aa.key
    known.begin(aa.key, 4)
    # a: .9 + √(ln 8 / 7) = 1.445, b: .1 + √ln 8 = 1.542.
    assert descent(known) == b.key


def child(parent: str, draw: int, *, is_end: bool) -> Node:
    key = key_of(Site(parent), (draw,), "")
    return Node(key=key, parent=parent, draw=draw, depth=1, text="", token_ids=(draw,), is_end=is_end)


def above(parents: Mapping[str, str | None], key: str) -> list[str]:
    found, current = list[str](), cast("str | None", key)
    while current is not None:
        found.append(current)
        current = parents[current]
    return found


@pytest.mark.parametrize(
    ("size", "max_depth", "expected"),
    [
        ((16, 4, 4, 0), 40, 68),
        ((16, 4, 4, 2), 40, 192),
        ((3, 8, 2, 1), 9, 24),
        ((7, 2, 2, 0), 3, 14),  # whole: 1 + 2 + 4 nodes with two children each
        ((99, 2, 2, 3), 3, 32),  # and 6 of them have rollouts
        ((4, 2, 2, 0), 3, None),
        ((5, 3, 2, 1), 1, 3),
    ],
)
def test_the_most_draws_follow_from_the_sizes(
    size: tuple[int, ...], max_depth: int, expected: int | None
) -> None:
    num_expansions, root_children, children, num_rollouts = size
    sizes = Expansions(
        num_expansions=num_expansions,
        root_children=root_children,
        children=children,
        num_rollouts=num_rollouts,
        parallel=1,
    )
    assert sizes.max_draws(max_depth) == expected


@pytest.mark.parametrize(
    "options",
    [{"num_expansions": 0}, {"children": 0}, {"parallel": 0}, {"num_rollouts": -1}, {"exploration": -0.1}],
)
def test_numbers_out_of_range_are_refused(options: Any) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        MCTS(**options)


# ── budgets and kills ─────────────────────────────────────────────────────────────────────────────────────

GRADER = Grader(grade=lambda text: Score(value=ord(text.strip(" \n{}")[-1]) % 7 / 7))
SEARCHES = [
    MCTS(num_expansions=7, children=3, parallel=3, verifier=GRADER),
    MCTS(num_expansions=4, children=2, num_rollouts=2, parallel=2, verifier=GRADER),
    RewardGuidedSearch(num_expansions=3, root_children=3, verifier=GRADER),
    PATS(max_rounds=9, verifier=GRADER),
]


@pytest.mark.slow
@pytest.mark.parametrize("options", SEARCHES)
@virtual_clock
async def test_a_search_killed_at_any_node_resumes_to_the_same_answer(options: Any, tmp_path: Path) -> None:
    options = replace(options, journal=str(tmp_path))
    whole = await solve(options, wander)
    (journal,) = files(tmp_path)
    lines = journal.read_bytes().splitlines(keepends=True)
    for kept in range(len(lines)):
        journal.write_bytes(b"".join(lines[:kept]))
        outcome = await solve(options, wander)
        assert (outcome.answer, outcome.candidates) == (whole.answer, whole.candidates)
        assert len(journal.read_bytes().splitlines()) == len(lines)


@pytest.mark.parametrize("options", SEARCHES)
@virtual_clock
async def test_a_budget_that_ends_on_the_way_returns_the_best_answer_and_its_account_is_exact(
    options: Any,
) -> None:
    options = replace(options, max_step_tokens=9)
    whole = await solve(options, wander)
    seen = set[bool]()
    for tokens in range(1, whole.usage.tokens, 37):
        backend = FakeBackend(wander)
        async with Engine(backend) as engine:
            outcome = await engine.solve("?", strategy=options, budget=Budget(tokens=tokens))
        spent = sum(record.usage.prompt_computed + record.usage.generated for record in backend.records)
        assert outcome.usage.tokens == spent <= tokens
        assert outcome.stop_reason == "budget"
        seen.add(outcome.answer is None)
    assert seen == {True, False}
