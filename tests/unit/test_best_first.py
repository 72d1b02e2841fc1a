"""Best-first search: what is expanded when, who reaches a sub-goal first, and what becomes of plans."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, cast

import pytest

from tests.unit.test_best_first_frontier import effort
from ttscale import Budget, Engine, Outcome, Problem, registry
from ttscale.run import Run
from ttscale.testing import FakeBackend, Reply, check_strategy, virtual_clock
from ttscale.testing.strategy_checks import CLAUSES
from ttscale.types import Prompt, Sample, Score
from ttscale.verifier import Example
from ttscale_strategies.search._goal_search import GoalSearch, Planning, PlanTask
from ttscale_strategies.search.best_first import BestFirst
from ttscale_strategies.search.tree import ROOT, Draw, Site, Tree

ASKED = "How is 9 reached?"


@dataclass(frozen=True, kw_only=True)
class Grader:
    """A verifier made of a function of question and text; it notes what it was asked."""

    grade: Callable[[str, str], float]
    asked: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]], compare=False, repr=False)
    needs: ClassVar[frozenset[str]] = frozenset()
    needs_target: ClassVar[bool] = False

    async def score(self, problem: Problem, samples: Sequence[Sample], run: Run) -> list[Score]:
        question = problem.prompt.question
        self.asked.extend((question, sample.text) for sample in samples)
        return [Score(value=self.grade(question, sample.text)) for sample in samples]

    def examples(self) -> Sequence[Example]:
        return ()


def by_letter(question: str, text: str) -> float:
    """Prefer letters late in the alphabet."""
    return (ord(text.rstrip()[-1]) - ord("a")) / 26


async def solve(
    strategy: BestFirst, script: Callable[[Prompt, int, int], Reply | str], *, budget: Budget | None = None
) -> tuple[Outcome, FakeBackend]:
    backend = FakeBackend(script)
    async with Engine(backend) as engine:
        outcome = await engine.solve(Problem.ask(ASKED), strategy=strategy, budget=budget)
        assert backend.num_running == 0
    return outcome, backend


def nodes_of(outcome: Outcome) -> list[dict[str, Any]]:
    """Return what the trace knows of nodes, in the order of the tree."""
    spans = [
        dict[str, Any](cast("Any", span["attributes"])) for span in outcome.trace if span["kind"] == "node"
    ]
    return sorted(spans, key=lambda span: str(span.get("numbers")))


# ── straight for the answer ───────────────────────────────────────────────────────────────────────────────


def begun_of(prompt: Prompt) -> str:
    """Return what the assistant has written so far."""
    return prompt.messages[-1].content if prompt.messages[-1].role == "assistant" else ""


@virtual_clock
async def test_steps_are_written_and_only_solutions_rated() -> None:
    replies = {
        "": ["a\n", "b\n"],
        "a\n": ["a\n\\boxed{1} z", "a\nc\n"],
        "b\n": ["b\n\\boxed{2} d", "b\n\\boxed{2} d"],
    }
    logprobs = {"a": -0.1, "b": -0.2, "\\": -0.5, "c": -4.0}

    def script(prompt: Prompt, seed: int, ordinal: int) -> Reply:
        begun = begun_of(prompt)
        text = replies[begun].pop(0)
        return Reply(text, logprobs=[logprobs.get(text[len(begun) : len(begun) + 1], -1.0)] * len(text))

    grader = Grader(grade=by_letter)
    outcome, backend = await solve(BestFirst(num_expansions=3, children=2, verifier=grader), script)
    assert (outcome.answer, outcome.confidence, outcome.text) == ("1", 25 / 26, "a\n\\boxed{1} z")
    assert sorted(grader.asked) == [(ASKED, "a\n\\boxed{1} z"), (ASKED, "b\n\\boxed{2} d")]
    assert len(backend.records) == 6
    states = {str(node["text"]): node["state"] for node in nodes_of(outcome)}
    assert states["a\n"] == "expanded"
    assert states["c\n"] == "pruned"
    assert outcome.stop_reason == "finished"


@virtual_clock
async def test_a_solution_that_is_accepted_ends_the_search() -> None:
    def script(prompt: Prompt, seed: int, ordinal: int) -> Reply:
        draw = random.Random(seed)
        return Reply(f"{draw.choice('abc')}\n\\boxed{{1}} {draw.choice('bz')}", seconds=draw.random())

    options: dict[str, Any] = {
        "num_expansions": 12,
        "children": 3,
        "max_depth": 2,
        "verifier": Grader(grade=by_letter),
    }
    outcome, _ = await solve(BestFirst(accept=0.9, **options), script)
    assert (outcome.stop_reason, outcome.confidence) == ("decided", 25 / 26)
    whole, _ = await solve(BestFirst(**options), script)
    assert whole.stop_reason == "finished"
    assert len(whole.candidates) > len(outcome.candidates)
    assert outcome.usage.tokens < whole.usage.tokens


@virtual_clock
async def test_where_nothing_ends_the_last_expansion_writes_to_the_end() -> None:
    def script(prompt: Prompt, seed: int, ordinal: int) -> str:
        begun = begun_of(prompt)
        return begun + f"step {seed % 100}\n" * (30 - begun.count("\n")) + f"\\boxed{{{seed}}}"

    outcome, backend = await solve(BestFirst(num_expansions=4, children=2), script)
    assert len(backend.records) == 8
    assert outcome.answer is not None
    assert (outcome.text or "").count("\n") == 30


# ── by sub-goals ──────────────────────────────────────────────────────────────────────────────────────────


class Toy:
    """Reach a number from 1 by +1 and x2: what is written is one operation a line, and sub-goals.

    Those who are to reach 3 only double.
    """

    def __init__(self, *plans: str) -> None:
        self.plans = list(plans)
        self.questions = list[str]()

    def __call__(self, prompt: Prompt, seed: int, ordinal: int) -> Reply | str:
        if "intermediate results" in prompt.question:
            self.questions.append(prompt.question)
            return self.plans.pop(0)
        begun = begun_of(prompt)
        draw = random.Random(seed)
        step = "x2" if begun.rpartition("Goal: ")[2].startswith("3") else draw.choice(["+1", "x2"])
        text = " \\boxed{9}" if value_of(begun) == 9 else f"{step}\n"
        return Reply(begun + text, seconds=draw.random())


def value_of(text: str) -> int:
    """Replay what was written."""
    value = 1
    for line in text.splitlines():
        value = value + 1 if line == "+1" else value * 2 if line == "x2" else value
    return value


def is_reached(question: str, text: str) -> float:
    """Accept what comes to the number asked for, and let nothing past it."""
    asked = int(question.rpartition("Goal: ")[2].split()[0]) if "Goal: " in question else 9
    value = value_of(text)
    return 1.0 if value == asked else 0.5 if value < asked else 0.0


def toy_strategy(**options: Any) -> BestFirst:
    defaults: dict[str, Any] = {
        "goals": "goals",
        "accept": 1.0,
        "num_expansions": 12,
        "children": 5,
        "urgency": "reward",
        "verifier": Grader(grade=is_reached),
    }
    return BestFirst(**defaults | options)


def goals_of(outcome: Outcome) -> list[str]:
    """Return the sub-goals on the way to the answer."""
    return [line for line in (outcome.text or "").splitlines() if line.startswith("Goal:")]


@virtual_clock
@pytest.mark.parametrize("num_workers", [1, 3])
async def test_sub_goals_are_reached_one_after_the_other(num_workers: int) -> None:
    toy, strategy = Toy("Goal: 4\nGoal: 8\n"), toy_strategy(num_workers=num_workers)
    outcome, _ = await solve(strategy, toy)
    assert (outcome.answer, outcome.stop_reason) == ("9", "decided")
    text = outcome.text or ""
    assert goals_of(outcome) == ["Goal: 4", "Goal: 8"]
    assert value_of(text.partition("Goal: 8")[0]) == 4  # all go on from where the first sub-goal was reached
    assert value_of(text) == 9
    verifier = strategy.verifier
    assert isinstance(verifier, Grader)
    reached = registry.load_template("reach_goal")
    goals = [reached.render(question=ASKED, goal=goal).question for goal in ("Goal: 4", "Goal: 8")]
    assert {question for question, _ in verifier.asked} == {ASKED, *goals}


@virtual_clock
async def test_who_is_ahead_takes_all_others_along() -> None:
    outcome, _ = await solve(toy_strategy(num_workers=4), Toy("Goal: 4\nGoal: 8\n"))
    starts = [node for node in nodes_of(outcome) if str(node.get("text")).startswith("Goal:")][1:]
    assert [str(node["text"]) for node in starts] == ["Goal: 4\n", "Goal: 8\n"]  # one frontier a sub-goal
    below = [node for node in nodes_of(outcome) if node.get("parent_node") == starts[1]["node"]]
    workers = {str(node["numbers"]).rpartition(".1.")[2][:2] for node in below}
    assert len(workers) > 1


@virtual_clock
async def test_a_stuck_sub_goal_is_planned_around() -> None:
    toy = Toy("Goal: 4\nGoal: 3\n", "Goal: 5\n", "Goal: 4\nGoal: 3\nGoal: 8", "Goal: 4\nGoal: 8\nGoal: 3\n")
    outcome, _ = await solve(toy_strategy(), toy)
    assert (outcome.answer, outcome.stop_reason) == ("9", "decided")
    assert goals_of(outcome)[:2] == ["Goal: 4", "Goal: 8"]
    replans = toy.questions[1:]
    assert len(replans) >= 3  # without 4, with 3 once more, and one that can be used
    for question in replans[:3]:
        assert "reached:\n\nGoal: 4\n\n" in question
        assert "\n\nGoal: 3\n\n" in question


@virtual_clock
@pytest.mark.parametrize(
    "plan", ["no list", "Goal: 4\nGoal: 4", "Goal: 2\nGoal: 3\nGoal: 4", "<think>Goal: 4</think>None."]
)
async def test_without_a_plan_that_can_be_used_it_goes_straight_for_the_answer(plan: str) -> None:
    toy = Toy(*[plan] * 9)
    outcome, _ = await solve(toy_strategy(max_goals=2, max_retries=2), toy)
    assert len(toy.questions) == 3
    assert (outcome.answer, goals_of(outcome)) == ("9", [])


@virtual_clock
async def test_without_further_plans_it_goes_straight_for_the_answer_from_where_it_stands() -> None:
    toy = Toy("Goal: 4\nGoal: 3\nGoal: 8\n")
    outcome, _ = await solve(toy_strategy(max_replans=0), toy)
    assert len(toy.questions) == 1
    assert (outcome.answer, goals_of(outcome)) == ("9", ["Goal: 4"])


@virtual_clock
async def test_an_accepted_solution_ends_the_search_before_its_sub_goals() -> None:
    def script(prompt: Prompt, seed: int, ordinal: int) -> str:
        if "intermediate results" in prompt.question:
            return "Goal: 4\nGoal: 50\n"
        begun = begun_of(prompt)
        return begun + (" \\boxed{9}" if value_of(begun) == 9 else "+1\n")

    outcome, _ = await solve(toy_strategy(num_expansions=40), script)
    assert (outcome.answer, outcome.stop_reason) == ("9", "decided")
    assert goals_of(outcome) == ["Goal: 4", "Goal: 50"]


@virtual_clock
async def test_another_model_may_plan() -> None:
    own, other = FakeBackend(Toy()), FakeBackend(Toy("Goal: 4\n"))
    async with Engine(own, models={"other": other}) as engine:
        outcome = await engine.solve(Problem.ask(ASKED), strategy=toy_strategy(planner="other"))
    assert goals_of(outcome) == ["Goal: 4"]
    assert len(other.records) == 1


def test_what_is_wanted_of_a_plan_is_asked_for_one_draw_after_the_other() -> None:
    planning = Planning(max_retries=1, max_replans=1, keyword="Goal:")
    search, tree = GoalSearch(effort(), num_workers=2, accept=0.5, planning=planning), Tree()
    site = Site(ROOT, "plan:")
    assert dict(search.plan(tree).wanted) == {site: 1}
    assert search.tasks["plan:"] == PlanTask()
    tree.add(Draw(site, 0), None)
    assert dict(search.plan(tree).wanted) == {site: 2}
    tree.add(Draw(site, 1), None)
    assert dict(search.plan(tree).wanted) == {site: 2, Site(ROOT, "0.0:"): 2, Site(ROOT, "0.1:"): 2}


# ── the contract, and interruptions ───────────────────────────────────────────────────────────────────────


def planned_and_stepwise(prompt: Prompt, seed: int, ordinal: int) -> str:
    """Plan, sometimes badly; take a few steps, and end."""
    draw = random.Random(seed)
    if "intermediate results" in prompt.question:
        done = [line for line in prompt.question.splitlines() if line.startswith("Goal:")][:-1]
        return "\n".join([*done, f"Goal: {draw.randrange(9)}", f"Goal: {draw.randrange(9)}"])
    text = "".join(f"step {draw.randrange(12)}\n" for _ in range(draw.randrange(3)))
    return f"{begun_of(prompt)}{text}So \\boxed{{{draw.choice([42, 42, 7])}}}."


def lucky(question: str, text: str) -> float:
    """Grade by nothing but the words."""
    return random.Random(repr((question, text))).random()


GOALS = BestFirst(
    goals="goals",
    accept=0.8,
    num_expansions=4,
    children=2,
    num_workers=2,
    parallel=2,
    max_depth=8,
    verifier=Grader(grade=lucky),
)


@pytest.mark.slow
async def test_with_goals_it_keeps_every_clause() -> None:
    checked = await check_strategy(GOALS, script=planned_and_stepwise, undecided=planned_and_stepwise)
    assert checked == [clause.promise for clause in CLAUSES]


@pytest.mark.slow
async def test_killed_at_any_draw_it_goes_on_to_the_same_answer(tmp_path: Path) -> None:
    def strategy(folder: str) -> BestFirst:
        return toy_strategy(num_workers=2, parallel=2, num_expansions=6, journal=str(tmp_path / folder))

    def plans() -> Toy:
        return Toy(*["Goal: 4\nGoal: 3\n"] * 2, *["Goal: 4\nGoal: 8\n"] * 8)

    whole, _ = await solve(strategy("whole"), plans())
    (file,) = (tmp_path / "whole").iterdir()
    lines = file.read_bytes().splitlines(keepends=True)
    assert sum(b"Goal: 8" in line for line in lines) > 1  # a plan made anew, and its sub-goal
    for kept in range(2, len(lines), 5):
        folder = tmp_path / f"kept {kept}"
        folder.mkdir()
        (folder / file.name).write_bytes(b"".join(lines[:kept]))
        toy = plans()
        del toy.plans[: sum(b'"plan' in line.partition(b'"node"')[0] for line in lines[:kept])]
        again, _ = await solve(strategy(folder.name), toy)
        assert (again.answer, again.text, again.candidates) == (whole.answer, whole.text, whole.candidates)


@virtual_clock
async def test_a_budget_that_ends_within_a_sub_goal_leaves_what_was_found() -> None:
    outcome, _ = await solve(toy_strategy(), Toy("Goal: 4\nGoal: 8\n"), budget=Budget(samples=6))
    assert outcome.stop_reason == "budget"
    assert outcome.usage.calls <= 6


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("num_expansions=0", "num_expansions must be >= 1"),
        ("children=0", "children must be >= 1"),
        ("num_workers=0", "num_workers must be >= 1"),
        ("alpha=-1", "alpha must be >= 0"),
        ("accept=2", "accept must lie in"),
        ("goals=goals", "goals need accept"),
        ("goals=plan_of_mine,accept=0.5", "plan_of_mine"),
        ("goals=revise,accept=0.5", "needs the fields question"),
        ("goals=goals,accept=0.5,replan_template=goals", "needs the fields question and proven and stuck"),
        ("goals=goals,accept=0.5,goal_template=goals", "needs the fields question and goal"),
        ("goals=goals,accept=0.5,goal_keyword=the goal", "keyword must be one word"),
    ],
)
def test_what_does_not_fit_is_refused(options: str, message: str) -> None:
    with pytest.raises(Exception, match=message):
        registry.create_strategy(f"best_first:{options}")


@pytest.mark.parametrize(
    ("options", "most"),
    [
        ("num_expansions=8,children=3", 24),
        ("num_expansions=8,children=3,num_workers=2", 48),
        ("num_expansions=99,children=3,max_depth=3", 39),  # 1 + 3 + 9 states
        ("num_expansions=99,children=3,max_depth=1", 3),
        ("goals=goals,accept=0.5", None),
    ],
)
def test_the_most_that_it_draws(options: str, most: int | None) -> None:
    assert registry.create_strategy(f"best_first:{options}").max_samples() == most
