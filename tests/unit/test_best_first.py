"""Best-first search: what is expanded when, who reaches a sub-goal first, and what becomes of plans."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, cast

import pytest

from ttscale import Budget, Engine, Outcome, Problem, registry
from ttscale.run import Run
from ttscale.testing import FakeBackend, Reply, check_strategy, virtual_clock
from ttscale.testing.strategy_checks import CLAUSES
from ttscale.types import Prompt, Sample, Score
from ttscale.verifier import Example
from ttscale_strategies.search._frontier import Effort, Frontier, Race, to_the_end
from ttscale_strategies.search._goal_search import GoalSearch, Planning, PlanTask
from ttscale_strategies.search.best_first import BestFirst
from ttscale_strategies.search.tree import ROOT, Draw, Node, Site, Tree, key_of

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


# ── one frontier ──────────────────────────────────────────────────────────────────────────────────────────


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


async def test_with_goals_it_keeps_every_clause() -> None:
    checked = await check_strategy(GOALS, script=planned_and_stepwise, undecided=planned_and_stepwise)
    assert checked == [clause.promise for clause in CLAUSES]


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
