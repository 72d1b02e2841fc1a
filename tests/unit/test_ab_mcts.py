"""AB-MCTS: where the next attempt is made, by whom, and that nothing else decides it."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, cast

import pytest

from ttscale import Budget, Engine, Outcome, Problem, registry
from ttscale.errors import VerifierError
from ttscale.run import Run
from ttscale.testing import FakeBackend, Reply, Script, check_strategy, virtual_clock
from ttscale.testing.strategy_checks import CLAUSES
from ttscale.types import Message, Prompt, Sample, Score
from ttscale.verifier import Example
from ttscale_strategies.search._branching import AdaptiveBranching
from ttscale_strategies.search.ab_mcts import ABMCTS
from ttscale_strategies.search.rules import NormalInverseChiSquare, Posterior
from ttscale_strategies.search.tree import ROOT, Draw, Node, Site, Tree, key_of

SPECS = (
    "ab_mcts:num_expansions=6",
    'ab_mcts:num_expansions=7,parallel=3,prior=beta,verifier="prm:model=other"',
    "ab_mcts:num_expansions=5,model_uris=[null, other],action_rule=ucb,parallel=2,choice=weighted",
    "ab_mcts:num_expansions=5,model_uris=[other],num_shown=1,choice=majority,enough=1",
)


@dataclass(frozen=True)
class Scripted:
    """A prior whose draws are given in advance, and which notes what it was shown."""

    drawn: list[float]
    shown: list[list[float]] = field(default_factory=list[list[float]])

    def of(self, observations: Sequence[float]) -> Scripted:
        self.shown.append(list(observations))
        return self

    def draw(self, rng: random.Random) -> float:
        return self.drawn.pop(0)


@dataclass(frozen=True, kw_only=True)
class Grader:
    """A verifier made of a function of the attempt."""

    grade: Callable[[str], float | None]
    needs: ClassVar[frozenset[str]] = frozenset()
    needs_target: ClassVar[bool] = False

    async def score(self, problem: Problem, samples: Sequence[Sample], run: Run) -> list[Score]:
        return [Score(value=self.grade(sample.text)) for sample in samples]

    def examples(self) -> Sequence[Example]:
        return ()


def branching(
    prior: Posterior, *, num_expansions: int = 9, parallel: int = 1, actions: Sequence[str] = ("",)
) -> AdaptiveBranching:
    return AdaptiveBranching(
        actions=actions,
        prior=prior,
        rule="thompson",
        num_expansions=num_expansions,
        parallel=parallel,
        enough=None,
        seed=1,
    )


def attempt(draw: Draw, text: str, reward: float | None, *, depth: int = 1) -> Node:
    return Node(
        key=key_of(draw.site, (), text),
        parent=draw.site.node,
        draw=draw.number,
        action=draw.site.action,
        depth=depth,
        text=text,
        part="whole",
        token_ids=(),
        is_end=True,
        reward=reward,
    )


def draws_of(planner: AdaptiveBranching, tree: Tree) -> list[Draw]:
    """Return the draws that are wanted and not there."""
    wanted = planner.plan(tree).wanted
    draws = [Draw(site, number) for site, count in wanted.items() for number in range(count)]
    return [draw for draw in draws if draw not in tree.draws]


async def solve(
    strategy: ABMCTS, script: Script, *, budget: Budget | None = None, seed: int = 0
) -> tuple[Outcome, FakeBackend]:
    backend = FakeBackend(script)
    async with Engine(backend) as engine:
        return await engine.solve("Q", strategy=strategy, budget=budget, seed=seed), backend


def nodes_of(outcome: Outcome) -> list[dict[str, Any]]:
    """Return what the trace knows of nodes, in the order of the tree."""
    spans = [
        dict[str, Any](cast("Any", span["attributes"])) for span in outcome.trace if span["kind"] == "node"
    ]
    return sorted(spans, key=lambda span: str(span.get("numbers")))


# ── the contract ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
@pytest.mark.parametrize("spec", SPECS)
async def test_it_keeps_every_clause(spec: str, thorough: bool) -> None:
    checked = await check_strategy(registry.create_strategy(spec), models=["other"], thorough=thorough)
    assert checked == [clause.promise for clause in CLAUSES]


# ── where the next attempt is made ────────────────────────────────────────────────────────────────────────


def test_it_goes_wider_and_deeper_as_the_draws_say() -> None:
    prior = Scripted([])
    planner, tree = branching(prior), Tree()
    first = Draw(Site(ROOT), 0)
    assert draws_of(planner, tree) == [first]  # nothing to choose from, nothing drawn
    a = attempt(first, "a", 0.5)

    prior.drawn[:] = [0.2, 0.1]  # generating wins
    tree.add(first, a)
    second = Draw(Site(ROOT), 1)
    assert draws_of(planner, tree) == [second]
    assert prior.shown == [[0.5], []]
    b = attempt(second, "b", 0.25)

    prior.shown.clear()
    prior.drawn[:] = [0.1, 0.2, 0.3, 0.4]  # continuing wins, then the second child; nothing is below it
    tree.add(second, b)
    below = Draw(Site(b.key), 0)
    assert draws_of(planner, tree) == [below]
    assert prior.shown == [[0.5, 0.25], [], [0.5], [0.25]]
    c = attempt(below, "c", 0.75, depth=2)

    prior.shown.clear()
    prior.drawn[:] = [0.1, 0.2, 0.3, 0.4, 0.6, 0.5]  # the second child again, and a new one below it
    tree.add(below, c)
    assert draws_of(planner, tree) == [Draw(Site(b.key), 1)]
    # generating at the root, continuing there, its children; generating and continuing at the second child
    assert prior.shown == [[0.5, 0.25], [0.75], [0.5], [0.25, 0.75], [0.75], []]
    assert prior.drawn == []


def test_failures_and_attempts_without_score_are_the_worst_and_a_copy_is_one_more_score() -> None:
    prior = Scripted([])
    planner, tree = branching(prior), Tree()
    (first,) = draws_of(planner, tree)
    tree.add(first, None)
    (second,) = draws_of(planner, tree)  # no child yet: nothing to choose from
    tree.add(second, attempt(second, "a", None))
    prior.drawn[:] = [0.9, 0.1]
    (third,) = draws_of(planner, tree)
    assert prior.shown == [[0.0, 0.0], []]
    prior.shown.clear()
    prior.drawn[:] = [0.1, 0.9, 0.5]
    tree.add(third, attempt(third, "a", None))
    (fourth,) = draws_of(planner, tree)
    assert fourth == Draw(Site(attempt(second, "a", None).key), 0)
    assert prior.shown == [[0.0, 0.0, 0.0], [], [0.0]]  # one child, of whose three draws one failed


def test_a_decision_does_not_know_what_the_latest_ones_have_brought() -> None:
    prior = Scripted([0.9, 0.1] * 9)
    planner, tree = branching(prior, parallel=3, num_expansions=5), Tree()
    draws = draws_of(planner, tree)
    assert draws == [Draw(Site(ROOT), number) for number in range(3)]
    nodes = [attempt(draw, f"attempt {draw.number}", draw.number / 4) for draw in draws]
    for late in (2, 1):
        tree.add(draws[late], nodes[late])
        assert draws_of(planner, tree) == [draw for draw in draws[:late] if draw not in tree.draws]
    assert prior.shown == []
    tree.add(draws[0], nodes[0])
    assert len(draws_of(planner, tree)) == 2  # decisions 3 and 4, the last
    assert prior.shown == [[0.0], [], [0.0, 0.25], []]


def grown(planner: AdaptiveBranching, order: random.Random) -> dict[Site, int]:
    """Answer all draws, each by its place alone, in this order; return what was wanted in the end."""
    tree = Tree()
    while waiting := draws_of(planner, tree):
        draw = order.choice(waiting)
        luck = random.Random(f"{tree.order(draw.site.node)} {draw}")
        depth = len(tree.lineage(draw.site.node)) + 1
        text = luck.choice(["a", "b", "c", str(draw)])
        failed = luck.random() < 0.1
        tree.add(draw, None if failed else attempt(draw, text, len(text) % 4 / 4, depth=depth))
    return dict(planner.plan(tree).wanted)


@pytest.mark.parametrize("parallel", [1, 2, 4])
def test_the_order_in_which_attempts_end_decides_nothing(parallel: int) -> None:
    def wanted(order: int) -> dict[Site, int]:
        planner = branching(
            NormalInverseChiSquare(), num_expansions=24, parallel=parallel, actions=("0:", "1:")
        )
        return grown(planner, random.Random(order))

    first = wanted(0)
    assert sum(first.values()) == 24
    assert len({site.node for site in first}) > 2  # wider and deeper
    assert all(wanted(order) == first for order in range(1, 8))


def test_models_that_are_at_work_count_as_begun_where_the_bound_decides() -> None:
    planner = AdaptiveBranching(
        actions=("0:", "1:", "2:"),
        prior=NormalInverseChiSquare(),
        rule="ucb",
        num_expansions=6,
        parallel=6,
        enough=None,
        seed=3,
    )
    assert Counter(draw.site.action for draw in draws_of(planner, Tree())) == {"0:": 2, "1:": 2, "2:": 2}


# ── attempts ──────────────────────────────────────────────────────────────────────────────────────────────


def counted(prompt: Prompt, seed: int, ordinal: int) -> Reply:
    """Say how many attempts were shown."""
    shown = prompt.question.count("Attempt ")
    return Reply(f"thought</think>{shown} shown, so \\boxed{{{seed % 1000}}}")


@virtual_clock
async def test_revisions_are_shown_the_last_attempts_of_their_path_without_thoughts() -> None:
    grader = Grader(grade=lambda text: (1 + int(text[len("thought</think>")])) / 4)
    strategy = ABMCTS(num_expansions=40, num_shown=2, verifier=grader)
    outcome, backend = await solve(strategy, counted)
    depths = Counter(node["depth"] for node in nodes_of(outcome))
    assert len(depths) > 3  # a chain, and not only the root's children
    shown = Counter(str(node["text"])[len("thought</think>")] for node in nodes_of(outcome))
    assert shown == {"0": depths[1], "1": depths[2], "2": 40 - depths[1] - depths[2]}
    questions = [request.prompt.question for request in backend.requests]
    assert not any("thought" in question for question in questions)
    assert outcome.usage.calls == 40


@virtual_clock
async def test_the_answer_is_the_best_attempt_and_its_text_is_its_own() -> None:
    outcome, _ = await solve(
        ABMCTS(num_expansions=12, verifier=Grader(grade=lambda text: len(text) / 99)), counted
    )
    best = max(nodes_of(outcome), key=lambda node: len(str(node["text"])))
    assert outcome.text is not None
    assert (len(outcome.text), outcome.confidence) == (len(str(best["text"])), best["reward"])
    assert outcome.text.count("boxed") == 1
    assert len(outcome.candidates) == 12
    assert all(
        candidate.num_tokens == len("thought</think>0 shown, so \\boxed{}") + len(candidate.answer or "")
        for candidate in outcome.candidates
    )


@virtual_clock
async def test_an_attempt_that_is_good_enough_ends_the_search_wherever_it_comes_from() -> None:
    def script(prompt: Prompt, seed: int, ordinal: int) -> Reply:
        return Reply(f"\\boxed{{{ordinal}}}", seconds=1.0 if ordinal == 3 else 2.0 + ordinal)

    def grade(text: str) -> float:
        return 0.8 if text in ("\\boxed{3}", "\\boxed{4}") else 0.1

    strategy = ABMCTS(num_expansions=12, parallel=4, enough=0.8, verifier=Grader(grade=grade))
    outcome, backend = await solve(strategy, script)
    assert (outcome.answer, outcome.stop_reason) == ("3", "decided")
    assert len(backend.records) < 9
    assert [record.finish_reason for record in backend.records].count("abort") > 0
    assert len(outcome.candidates) == 4  # what was decided on later does not count, whether or not it has ended


@virtual_clock
async def test_verifiers_that_fail_or_give_nothing_leave_attempts_without_reward() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Broken:
        value: float | None = None
        needs: ClassVar[frozenset[str]] = frozenset()
        needs_target: ClassVar[bool] = False

        async def score(self, problem: Problem, samples: Sequence[Sample], run: Run) -> list[Score]:
            if self.value is None:
                raise VerifierError("out of order")
            return [Score(value=self.value) for _ in samples]

        def examples(self) -> Sequence[Example]:
            return ()

    for verifier, reason in (
        (Broken(), "out of order"),
        (Broken(value=float("nan")), "nan"),
        (Broken(value=2.0), "2.0"),
    ):
        strategy = ABMCTS(num_expansions=5, prior="beta", verifier=verifier)
        outcome, _ = await solve(strategy, "So \\boxed{5}.")
        assert outcome.answer == "5"
        assert all(reason in str(node["reason"]) and node["reward"] is None for node in nodes_of(outcome)[:1])


@virtual_clock
async def test_models_write_by_turns_and_the_better_one_more_often() -> None:
    def saying(word: str) -> Script:
        return lambda prompt, seed, ordinal: f"{word} \\boxed{{{seed}}}"

    strategy = ABMCTS(
        num_expansions=40,
        model_uris=(None, "other"),
        verifier=Grader(grade=lambda text: 0.9 if "good" in text else 0.1),
    )
    own, other = FakeBackend(saying("bad")), FakeBackend(saying("good"))
    async with Engine(own, models={"other": other}) as engine:
        outcome = await engine.solve("Q", strategy=strategy)
    assert len(own.records) + len(other.records) == 40
    assert 0 < len(own.records) < 10
    assert (outcome.text or "").startswith("good")


@virtual_clock
async def test_a_prompt_that_no_longer_fits_is_an_attempt_that_failed() -> None:
    def script(prompt: Prompt, seed: int, ordinal: int) -> Reply:
        too_long = Reply("", error="too long", fail_after=0)
        return too_long if "Attempt" in prompt.question else Reply("So \\boxed{1}.")

    outcome, _ = await solve(ABMCTS(num_expansions=24, verifier=Grader(grade=lambda text: 0.9)), script)
    assert (outcome.answer, outcome.stop_reason) == ("1", "finished")
    assert any(node["state"] == "failed" for node in nodes_of(outcome))


@pytest.mark.slow
async def test_a_question_of_several_turns_keeps_those_before_the_last() -> None:
    turns = (Message("system", "Be brief."), Message("user", "Q"))
    seen = list[Prompt]()

    def script(prompt: Prompt, seed: int, ordinal: int) -> str:
        seen.append(prompt)
        return f"\\boxed{{{seed}}}"

    async with Engine(FakeBackend(script)) as engine:
        problem = Problem(id="p", prompt=Prompt(messages=turns))
        await engine.solve(problem, strategy=ABMCTS(num_expansions=9, verifier=Grader(grade=lambda text: 0.9)))
    assert all(prompt.messages[0] == turns[0] for prompt in seen)
    assert any("Earlier attempts" in prompt.question for prompt in seen)


# ── interrupted ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
@pytest.mark.parametrize("parallel", [1, 3])
async def test_killed_at_any_attempt_it_goes_on_to_the_same_answer(tmp_path: Path, parallel: int) -> None:
    grade = lambda text: int(text.partition("{")[2][:-1]) % 97 / 97  # noqa: E731

    def strategy(folder: str) -> ABMCTS:
        return ABMCTS(
            num_expansions=10, parallel=parallel, journal=str(tmp_path / folder), verifier=Grader(grade=grade)
        )

    whole, _ = await solve(strategy("whole"), counted)
    (file,) = (tmp_path / "whole").iterdir()
    lines = file.read_bytes().splitlines(keepends=True)
    assert len(lines) == 10
    for kept in range(10):
        folder = tmp_path / f"kept {kept}"
        folder.mkdir()
        (folder / file.name).write_bytes(b"".join(lines[:kept]) + b'{"site": ["')
        again, backend = await solve(strategy(folder.name), counted)
        assert (again.answer, again.text, again.candidates) == (whole.answer, whole.text, whole.candidates)
        assert len(backend.records) == 10 - kept


@virtual_clock
async def test_a_budget_that_ends_leaves_the_best_of_what_was_bought() -> None:
    strategy = ABMCTS(num_expansions=30, verifier=Grader(grade=lambda text: 0.5))
    outcome, backend = await solve(strategy, counted, budget=Budget(samples=5))
    assert (outcome.stop_reason, len(outcome.candidates), len(backend.records)) == ("budget", 5, 5)
    assert outcome.answer is not None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("num_expansions=0", "num_expansions must be >= 1"),
        ("parallel=0", "parallel must be >= 1"),
        ("num_shown=0", "num_shown must be >= 1"),
        ("enough=1.5", "enough must lie in"),
        ("template=plan", "needs the fields question and attempts"),
        ("model_uris=[]", "model_uris must name a model"),
    ],
)
def test_what_does_not_fit_is_refused(options: str, message: str) -> None:
    with pytest.raises(Exception, match=message):
        registry.create_strategy(f"ab_mcts:{options}")
