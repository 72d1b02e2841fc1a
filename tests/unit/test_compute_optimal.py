"""`compute_optimal`: a table fitted on one fold, what it chooses, and that it never serves its own fold."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from ttscale import registry
from ttscale.engine import Engine
from ttscale.errors import ConfigError, ParameterError
from ttscale.testing import FakeBackend, virtual_clock
from ttscale.types import Problem, Prompt
from ttscale_strategies.effort import Case, ComputeOptimal, EffortTable, Result, fit_effort_table, load_table
from ttscale_strategies.effort.table import fingerprint

ONE, VOTE = "single", "self_consistency:n=8"


def case(number: int, ease: float, one: float, vote: float) -> Case:
    results = {ONE: Result(correct=one, tokens=100), VOTE: Result(correct=vote, tokens=800)}
    return Case(question=f"Question {number}?", ease=ease, results=results)


HARD = [case(number, 0.25, 0.2, 0.6) for number in range(5)]
"""Here the vote helps."""
EASY = [case(number, 1.0, 1.0, 1.0) for number in range(5, 10)]


def fitted(cases: Sequence[Case] = (*HARD, *EASY), **changes: object) -> EffortTable:
    return fit_effort_table(cases, **{"budgets": [100, 1000], "num_bins": 2, "num_pilots": 4, **changes})  # type: ignore[arg-type]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    fitted().write(tmp_path / "table.json")
    return tmp_path / "table.json"


# ── fitting ───────────────────────────────────────────────────────────────────────────────────────────────


def test_a_table_holds_the_best_for_each_difficulty_and_budget() -> None:
    table = fitted()
    assert table.bounds == (0.625,)
    found = {(choice.difficulty_bin, choice.budget): choice.strategy for choice in table.choices}
    assert found == {(0, 100): ONE, (0, 1000): VOTE, (1, 100): ONE, (1, 1000): ONE}


def test_of_equals_the_cheaper_is_chosen_and_the_second_is_named() -> None:
    choice = fitted().choice(1.0, None)
    assert (choice.strategy, choice.accuracy, choice.num_cases) == (ONE, 1.0, 5)
    assert choice.runner_up == "self_consistency:n=8 on 100.0%"


def test_what_is_cheapest_is_chosen_where_nothing_keeps_within_the_budget() -> None:
    assert fitted(budgets=[10]).choice(0.0, 5).strategy == ONE


@pytest.mark.parametrize(
    ("ease", "tokens", "strategy"),
    [(None, None, VOTE), (0.625, None, ONE), (0.62, 5000, VOTE), (0.0, 999, ONE), (0.0, 1, ONE)],
)
def test_the_greatest_budget_that_fits_is_looked_up(ease: float | None, tokens: int, strategy: str) -> None:
    assert fitted().choice(ease, tokens).strategy == strategy


def test_a_shared_budget_goes_where_it_pays() -> None:
    # the vote costs 800 and helps on the hard half only: 450 on average
    assert fitted(budgets=[450], shared=True).choice(0.0, None).strategy == VOTE
    assert fitted(budgets=[450], shared=True).choice(1.0, None).strategy == ONE
    assert fitted(budgets=[449], shared=True).choice(0.0, None).strategy == ONE
    assert fitted(budgets=[10], shared=True).choice(0.0, None).strategy == ONE
    assert fitted(budgets=[450]).choice(0.0, None).strategy == ONE


def test_a_difficulty_that_is_the_same_for_all_makes_one_bin() -> None:
    table = fitted([case(number, 0.5, 0.1, 0.9) for number in range(10)], num_bins=5)
    assert table.num_bins == 1
    assert {table.choice(ease, None).strategy for ease in (0.0, 0.5, 1.0, None)} == {VOTE}


def test_a_cut_between_equals_goes_to_the_nearer_end_of_them() -> None:
    eases = [0.25, 0.5, 0.5, 0.5, 0.5, 0.5, 1.0, 1.0]
    table = fitted([case(number, ease, 0.1, 0.9) for number, ease in enumerate(eases)])
    assert table.bounds == (0.75,)
    assert fitted([case(number, ease, 0.1, 0.9) for number, ease in enumerate(eases)], num_bins=4).bounds == (
        0.375,
        0.75,
    )


def test_fewer_questions_than_bins_make_fewer_bins() -> None:
    assert fitted([HARD[0], EASY[0]], num_bins=5).num_bins == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cases": []}, "at least one question"),
        ({"cases": [Case(question="?", ease=0.5, results={})]}, "at least one question"),
        ({"budgets": []}, "at least one question"),
        ({"budgets": [0]}, "budgets"),
        ({"cases": [case(0, 1.5, 0.0, 0.0)]}, "ease"),
        ({"cases": [HARD[0], Case(question="?", ease=0.5, results={ONE: Result(correct=1, tokens=1)})]}, VOTE),
        ({"num_bins": 0}, "num_bins"),
        ({"num_pilots": 0}, "num_pilots"),
        ({"difficulty": "guess"}, "difficulty"),
        ({"cases": [Case(question="?", ease=0.5, results={"magic": Result(correct=1, tokens=1)})]}, "magic"),
    ],
)
def test_what_cannot_be_fitted_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fitted(**changes)  # type: ignore[arg-type]


# ── the file ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_written_table_is_read_as_it_was(path: Path) -> None:
    assert load_table(path) == fitted()
    fitted(shared=True, family="long").write(path)
    assert load_table(path) == fitted(shared=True, family="long")


@pytest.mark.parametrize(
    "change",
    [
        {"format": "?"},
        {"choices": []},
        {"choices": [{"difficulty_bin": 0}]},
        {"bounds": [0.9, 0.1]},
        {"bounds": []},
        {"num_pilots": 0},
        {"seen": None},
        {"difficulty": "guess"},
        {"family": "tall"},
    ],
)
def test_a_file_that_holds_no_table_is_refused(change: dict[str, object], path: Path) -> None:
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | change), encoding="utf-8")
    with pytest.raises(ParameterError, match="cannot be read"):
        registry.create_strategy(f"compute_optimal:tables=[{path}]")


def test_a_table_with_an_unknown_strategy_is_refused(path: Path) -> None:
    path.write_text(path.read_text(encoding="utf-8").replace('"single"', '"telepathy:n=3"'), encoding="utf-8")
    with pytest.raises(ParameterError, match="telepathy"):
        registry.create_strategy(f"compute_optimal:tables=[{path}]")


@pytest.mark.parametrize("params", ["tables=[nowhere.json]", "tokens=0"])
def test_options_that_make_no_sense_are_refused(params: str) -> None:
    with pytest.raises(ParameterError, match=r"nowhere|tokens"):
        registry.create_strategy(f"compute_optimal:{params}")


# ── never its own fold ────────────────────────────────────────────────────────────────────────────────────


@virtual_clock
@pytest.mark.parametrize("question", ["Question 3?", "  Question\n3? "])
async def test_a_question_that_the_table_was_fitted_on_is_refused(question: str, path: Path) -> None:
    backend = FakeBackend("So \\boxed{1}.")
    async with Engine(backend) as engine:
        with pytest.raises(ConfigError, match="fitted on"):
            await engine.solve(question, strategy=ComputeOptimal(tables=(str(path),)))
    assert backend.records == []  # not a token was spent


@virtual_clock
async def test_a_question_is_known_again_behind_other_words(path: Path) -> None:
    strategy = registry.create_strategy(f'styled:strategy="compute_optimal:tables=[{path}]"')
    async with Engine(FakeBackend("So \\boxed{1}.")) as engine:
        with pytest.raises(ConfigError, match="fitted on"):
            await engine.solve("Question 3?", strategy=strategy)


@virtual_clock
async def test_the_tables_of_two_folds_serve_each_others_questions(tmp_path: Path) -> None:
    fitted([case(number, 0.5, 0.1, 0.9) for number in range(5)]).write(tmp_path / "a.json")
    fitted([case(number, 0.5, 0.9, 0.9) for number in range(5, 9)]).write(tmp_path / "b.json")
    strategy = ComputeOptimal(tables=(str(tmp_path / "a.json"), str(tmp_path / "b.json")))
    chosen = dict[str, int]()
    for question in ("Question 1?", "Question 7?", "Question 99?"):
        backend = FakeBackend(["So \\boxed{1}.", "So \\boxed{2}."])
        async with Engine(backend) as engine:
            assert (await engine.solve(question, strategy=strategy)).answer == "1"
        chosen[question] = len(backend.records)
    assert chosen == {"Question 1?": 4, "Question 7?": 8, "Question 99?": 8}


def test_problems_are_known_by_their_words_not_their_ids() -> None:
    one, other = (Problem(id="0", prompt=Prompt.user(text)) for text in ("a b", "a c"))
    assert fingerprint(one) == fingerprint("a  b") != fingerprint(other)
    assert fingerprint(Problem(id="0", prompt=Prompt(token_ids=(1, 2)))) != fingerprint(
        Problem(id="0", prompt=Prompt(token_ids=(1, 3)))
    )


# ── choosing ──────────────────────────────────────────────────────────────────────────────────────────────


@virtual_clock
async def test_pilots_that_disagree_make_a_question_hard(path: Path) -> None:
    strategy = ComputeOptimal(tables=(str(path),))
    for replies, drawn in ((["\\boxed{1}"], 4), ([f"\\boxed{{{number}}}" for number in range(12)], 8)):
        backend = FakeBackend(replies)
        async with Engine(backend) as engine:
            outcome = await engine.solve("Anew?", strategy=strategy)
        assert len(backend.records) == drawn
        assert outcome.answer is not None


@virtual_clock
async def test_a_verifiers_mean_score_tells_difficulty(tmp_path: Path) -> None:
    fitted(difficulty="verifier").write(tmp_path / "table.json")
    strategy = registry.create_strategy(f"compute_optimal:tables=[{tmp_path / 'table.json'}],verifier=math")
    for replies, drawn in ((["\\boxed{1}"], 4), (["\\boxed{1}", "\\boxed{2}"], 8)):
        backend = FakeBackend(replies)
        async with Engine(backend) as engine:
            problem = Problem(id="new", prompt=Prompt.user("Anew?"), target="1")
            await engine.solve(problem, strategy=strategy)
        assert len(backend.records) == drawn


@virtual_clock
async def test_a_given_pass_rate_needs_no_pilots(tmp_path: Path) -> None:
    fitted(difficulty="given").write(tmp_path / "table.json")
    strategy = ComputeOptimal(tables=(str(tmp_path / "table.json"),))
    backend = FakeBackend("So \\boxed{1}.")
    async with Engine(backend) as engine:
        problem = Problem(id="new", prompt=Prompt.user("Anew?"), meta={"pass_rate": 1})
        await engine.solve(problem, strategy=strategy)
        assert len(backend.records) == 1
        for wrong in ({}, {"pass_rate": "high"}, {"pass_rate": 2.0}, {"pass_rate": True}):
            with pytest.raises(ConfigError, match="pass_rate"):
                await engine.solve(
                    Problem(id="new", prompt=Prompt.user("Anew?"), meta=wrong), strategy=strategy
                )


# ── the pilots' votes ─────────────────────────────────────────────────────────────────────────────────────


@virtual_clock
async def test_pilots_are_the_first_samples_of_a_vote(path: Path) -> None:
    backend = FakeBackend([f"\\boxed{{{answer}}}" for answer in (1, 2, 1, 3, 4, 2, 2, 5)])
    async with Engine(backend) as engine:
        outcome = await engine.solve("Anew?", strategy=ComputeOptimal(tables=(str(path),)))
    assert [candidate.answer for candidate in outcome.candidates] == list("12134225")
    assert [candidate.index for candidate in outcome.candidates] == list(range(8))
    assert (outcome.answer, outcome.confidence, outcome.stop_reason) == ("2", 3 / 8, "finished")


@virtual_clock
async def test_nothing_more_is_drawn_once_the_pilots_have_decided_the_vote(tmp_path: Path) -> None:
    vote = "self_consistency:n=5"
    cases = [Case(question=f"{ease}", ease=ease, results={vote: HARD[0].results[VOTE]}) for ease in (0.1, 0.9)]
    fitted(cases).write(tmp_path / "table.json")
    backend = FakeBackend(["\\boxed{1}", "\\boxed{1}", "\\boxed{2}", "\\boxed{1}"])
    async with Engine(backend) as engine:
        outcome = await engine.solve("?", strategy=ComputeOptimal(tables=(str(tmp_path / "table.json"),)))
    assert (outcome.answer, outcome.stop_reason, len(backend.records)) == ("1", "decided", 4)


@virtual_clock
async def test_pilots_answer_where_another_strategy_does_not(tmp_path: Path) -> None:
    spec = "first_finish:n=3,k=2"
    cases = [Case(question="Q", ease=0.5, results={spec: Result(correct=1.0, tokens=1)})]
    fitted(cases).write(tmp_path / "table.json")
    strategy = ComputeOptimal(tables=(str(tmp_path / "table.json"),))
    assert strategy.max_samples() == 4 + 3
    for last, answer in (("\\boxed{3}", "3"), ("no idea", "1")):
        backend = FakeBackend([*["\\boxed{1}"] * 4, *[last] * 3])
        async with Engine(backend) as engine:
            outcome = await engine.solve("?", strategy=strategy)
        assert (outcome.answer, len(backend.records)) == (answer, 7)


def test_what_the_tables_strategies_need_is_known_beforehand(tmp_path: Path) -> None:
    spec = "cascade:model_uris=[null, other]"
    cases = [Case(question="?", ease=0.5, results={spec: Result(correct=1.0, tokens=1)})]
    fitted(cases).write(tmp_path / "table.json")
    assert ComputeOptimal(tables=(str(tmp_path / "table.json"),)).models.keys() == {None, "other"}
