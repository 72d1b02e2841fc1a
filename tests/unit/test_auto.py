"""`auto`: tables fitted to recorded samples, the family told from them, the recipe, and the reason."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ttscale import registry
from ttscale.bank import Bank, Columns, Recorder, open_pool
from ttscale.engine import Engine
from ttscale.errors import ConfigError, ParameterError
from ttscale.testing import FakeBackend, virtual_clock
from ttscale.types import Problem, Prompt
from ttscale_strategies.effort import Auto, bank_cases, bank_samples, fit_effort_table
from ttscale_strategies.effort.auto import explained
from ttscale_strategies.effort.bank import Drawn, played
from ttscale_strategies.effort.rules import family_recipe, horizon_of
from ttscale_strategies.effort.table import strategy_of

TRACES = [
    Drawn(key=key, correct=float(key == "A"), tokens=tokens)
    for tokens, key in ((1200, "A"), (800, "B"), (950, None), (2000, "A"), (800, "C"), (3000, "A"))
]


# ── playing on recorded samples ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("spec", "correct", "tokens"),
    [
        ("single", 1.0, 1200),
        ("self_consistency:n=2", 1.0, 2000),
        ("self_consistency:n=6", 1.0, 8750),
        ("first_finish:n=6,k=1", 0.0, 4800),
        ("first_finish:n=6,k=3", 1.0, 6150),
        ("last_finish:n=6,k=1", 1.0, 8750),
        ("shortest_majority:n=2", 0.0, 2000),
        ("self_consistency:n=2,rule=shortest", 0.0, 2000),
    ],
)
def test_a_strategy_comes_to_what_its_rule_says(spec: str, correct: float, tokens: int) -> None:
    found = played(strategy_of(spec), TRACES)
    assert (found.correct, found.tokens) == (correct, tokens)


def test_samples_without_an_answer_are_wrong() -> None:
    silent = [Drawn(key=None, correct=0.0, tokens=5)] * 3
    assert played(strategy_of("self_consistency:n=3"), silent).correct == 0.0


@pytest.mark.parametrize("spec", ["best_of_n:n=2", "self_consistency:n=2,stop=consistent", "nonsense"])
def test_what_cannot_be_played_is_refused(spec: str) -> None:
    with pytest.raises(ValueError, match=r"cannot be"):
        bank_cases({"?": TRACES}, [spec])


def test_pilots_are_among_the_samples_of_a_vote_and_beside_those_of_anything_else() -> None:
    samples = [Drawn(key=str(number), correct=1.0, tokens=2**number) for number in range(6)]
    vote, finish = "self_consistency:n=3", "first_finish:n=2,k=2"
    cases = bank_cases({"?": samples}, ["single", vote, finish], num_pilots=2, num_orders=20)
    for case in cases:
        one, three, four = (int(case.results[spec].tokens) for spec in ("single", vote, finish))
        assert case.ease == 0.5
        assert [found.bit_count() for found in (one, three)] == [2, 3]
        assert one & three == one
        assert four > one
    assert len({case.results[vote].tokens for case in cases}) > 5
    assert cases == bank_cases({"?": samples}, ["single", vote, finish], num_pilots=2, num_orders=20)


def test_without_pilots_strategies_come_to_what_they_do_by_themselves() -> None:
    (case,) = bank_cases({"?": TRACES}, ["single", "self_consistency:n=6"], num_pilots=0, num_orders=1)
    assert case.ease == 0.0
    assert case.results["self_consistency:n=6"].tokens == 8750
    assert case.results["single"].tokens in {sample.tokens for sample in TRACES}


def test_pilots_answer_where_what_is_played_does_not() -> None:
    silent = [Drawn(key=None, correct=0.0, tokens=5)] * 3
    found = played(strategy_of("first_finish:n=3,k=1"), silent, TRACES[:1])
    assert (found.correct, found.tokens) == (1.0, 1200 + 15)


def test_questions_with_too_few_samples_are_left_out() -> None:
    assert bank_cases({"few": TRACES[:3], "many": TRACES}, ["single"], num_orders=1)[0].question == "many"
    assert bank_cases({"few": TRACES[:4]}, ["self_consistency:n=5"]) == []
    assert bank_cases({"few": TRACES}, ["first_finish:n=3"]) == []


def test_a_bank_tells_answers_grades_and_lengths(tmp_path: Path) -> None:
    rows = [
        {"model": "m", "problem": "p", "question": "How?", "sample": number, "target": "4"}
        | {"prediction": prediction, "completion_tokens": 10 + number}
        for number, prediction in enumerate(["4", "5", None])
    ]
    (tmp_path / "pool.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    with open_pool(tmp_path / "pool.jsonl", columns=Columns()) as bank:
        (found,) = bank_samples(bank, bank.models()[0]).values()
    assert [(one.key is None, one.correct, one.tokens) for one in found] == [
        (False, 1.0, 10),
        (False, 0.0, 11),
        (True, 0.0, 12),
    ]


@virtual_clock
async def test_a_bank_that_was_recorded_tells_the_same_though_its_prompts_are_token_ids() -> None:
    problem = Problem(id="p", prompt=Prompt.user("How?"), target="4")
    with Bank() as bank:
        recorder = Recorder(FakeBackend(["\\boxed{4}", "\\boxed{5}!"]), bank)
        async with Engine(recorder) as engine:
            recorder.add_problem(problem)
            await engine.solve(problem, strategy=strategy_of("self_consistency:n=2,stop=never"))
        found = bank_samples(bank, bank.models()[0])
    assert {
        question: sorted((one.correct, one.tokens) for one in drawn) for question, drawn in found.items()
    } == {"How?": [(0.0, 10), (1.0, 9)]}


# ── families and recipes ──────────────────────────────────────────────────────────────────────────────────


def test_a_model_whose_short_samples_are_right_has_a_short_horizon() -> None:
    lengths = [[1, 2, 3, 4]] * 20
    assert horizon_of(lengths, [[1, 1, 0, 0]] * 20, seed=0).family == "short"
    assert horizon_of(lengths, [[0, 0, 1, 1]] * 20, seed=0).family == "long"
    assert horizon_of(lengths, [[1, 0, 0, 1]] * 20, seed=0).family == "unknown"


def test_only_hard_questions_tell_the_family() -> None:
    lengths = [[1, 2, 3, 4]] * 20
    easy, hard = [1, 1, 1, 0], [0, 0, 0, 1]
    found = horizon_of(lengths, [easy] * 10 + [hard] * 10, seed=0)
    assert (found.family, found.num_hard, found.difference) == ("long", 10, -0.5)


def test_questions_that_are_all_right_or_all_wrong_tell_nothing() -> None:
    found = horizon_of([[1, 2], [1, 2], [5, 5], []], [[1, 1], [0, 0], [0, 1], []], seed=0)
    assert (found.family, found.num_hard) == ("unknown", 0)


@pytest.mark.parametrize(("lengths", "correct"), [([[1]], []), ([[1, 2]], [[1.0]]), ([[1, 2]], [[1.0, 2.0]])])
def test_lengths_and_grades_must_fit(lengths: list[list[int]], correct: list[list[float]]) -> None:
    with pytest.raises(ValueError, match=r"correct|grades"):
        horizon_of(lengths, correct, seed=0)


def test_the_recipe_is_the_papers() -> None:
    assert family_recipe("short", "low", 8)[0] == "first_finish:n=8,k=1"
    assert family_recipe("plain", "low", 8)[0] == "first_finish:n=8,k=1"
    assert family_recipe("long", "low", 8)[0] == "single"
    for family in ("short", "long", "plain", "unknown"):
        assert family_recipe(family, "high", 8)[0] == "self_consistency:n=8"
    assert family_recipe("unknown", "low", 8)[0] == "self_consistency:n=8"


# ── the strategy ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def path(tmp_path: Path) -> Path:
    samples = {
        f"Hard {number}?": [
            Drawn(key="A" if place < 5 else f"{place}", correct=float(place < 5), tokens=100)
            for place in range(16)
        ]
        for number in range(6)
    } | {f"Easy {number}?": [Drawn(key="A", correct=1.0, tokens=100)] * 16 for number in range(6)}
    cases = bank_cases(samples, ["single", "self_consistency:n=8"])
    table = fit_effort_table(cases, budgets=[100, 1000], num_bins=2, family="short")
    table.write(tmp_path / "table.json")
    return tmp_path / "table.json"


@virtual_clock
async def test_easy_questions_get_one_sample_and_hard_ones_a_vote_and_the_trace_says_why(path: Path) -> None:
    strategy = registry.create_strategy(f"auto:tables=[{path}]")
    found = dict[int, str]()
    for replies in (["\\boxed{1}"], [f"\\boxed{{{number}}}" for number in range(12)]):
        backend = FakeBackend(replies)
        async with Engine(backend) as engine:
            outcome = await engine.solve("Anew?", strategy=strategy)
        (reason,) = [
            attributes["reason"]
            for span in outcome.trace
            if isinstance(attributes := span["attributes"], dict) and "reason" in attributes
        ]
        found[len(backend.records)] = str(reason)
    assert sorted(found) == [4, 8]
    assert "single was right on 100.0%" in found[4]
    assert "agreement of 4 pilots) is 0.25, bin 1 of 2" in found[8]
    assert "family 'short'" in found[8]


@virtual_clock
async def test_less_budget_buys_what_was_best_at_less(path: Path) -> None:
    backend = FakeBackend([f"\\boxed{{{number}}}" for number in range(12)])
    async with Engine(backend) as engine:
        await engine.solve("Anew?", strategy=Auto(tables=(str(path),), tokens=100))
    assert len(backend.records) == 4


@virtual_clock
async def test_auto_too_refuses_what_it_was_fitted_on(path: Path) -> None:
    async with Engine(FakeBackend("\\boxed{1}")) as engine:
        with pytest.raises(ConfigError, match="fitted on"):
            await engine.solve("Easy 3?", strategy=Auto(tables=(str(path),)))


@virtual_clock
@pytest.mark.parametrize(
    ("params", "drawn"), [("", 16), ("family=long,compute=low", 1), ("family=short,compute=low,n=3", 3)]
)
async def test_without_a_table_it_goes_by_the_recipe(params: str, drawn: int) -> None:
    backend = FakeBackend("\\boxed{1}")
    async with Engine(backend) as engine:
        outcome = await engine.solve("Anew?", strategy=registry.create_strategy(f"auto:{params}"))
    assert len(backend.records) == drawn
    assert "reason" in json.dumps(outcome.to_json()["trace"])


def test_a_reason_says_when_nothing_is_cheap_enough() -> None:
    cases = bank_cases({"?": TRACES}, ["single"], num_orders=2)
    table = fit_effort_table(cases, budgets=[1])
    assert "(nothing is as cheap)" in explained(table, None, table.choice(None, 1))
    assert "could not be told" in explained(table, None, table.choice(None, 1))


@pytest.mark.parametrize("params", ["n=0", "family=tall", "compute=some", "tokens=0", "tables=[nowhere]"])
def test_options_that_make_no_sense_are_refused(params: str) -> None:
    with pytest.raises(ParameterError):
        registry.create_strategy(f"auto:{params}")
