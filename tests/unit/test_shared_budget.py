"""Rows whose problems share a budget: what a config says, what is spent on whom, resumed and replayed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.replay_pools import config_of, row_of, write_pool
from tests.unit.test_sweeps import make_config, write_questions
from ttscale.budget import Budget
from ttscale.errors import ConfigError
from ttscale.testing import FakeBackend, Reply, virtual_clock
from ttscale.types import Prompt
from ttscale_evals.config import EvalConfig, SharedBudget, budget_text, plain_budget
from ttscale_evals.replay.trials import TrialStore
from ttscale_evals.runner import evaluate, run_eval
from ttscale_evals.store import ResultStore, RunDirectory

VOTE = "allocated_vote:n=8"
CLEAR = [("4", 100)] * 8
CLOSE = [("5", 100), ("4", 100), ("5", 100), ("4", 100), ("5", 100), ("4", 100), ("4", 100), ("4", 100)]


# ── what a config says ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "given", ["shared:tokens=900,seconds=20", {"shared": True, "tokens": 900, "seconds": 20.0}]
)
def test_a_shared_budget_is_read_from_text_and_mapping_and_written_back(given: object) -> None:
    config = EvalConfig.load(None, {"benchmarks": ["chain_sum"], "budget": given})
    (budget,) = config.budgets
    assert budget == SharedBudget(tokens=900, seconds=20.0)
    assert budget != Budget(tokens=900, seconds=20.0)
    assert plain_budget(budget) == {"shared": True, "tokens": 900, "seconds": 20.0}
    assert budget_text(budget) == "shared:tokens=900,seconds=20"
    assert EvalConfig.load(None, config.plain()) == config
    assert EvalConfig.load(None, {"benchmarks": ["chain_sum"], "budget": budget_text(budget)}) == config


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"budget": "shared:"}, "'shared:' shares nothing; write shared:QUANTITY=NUMBER."),
        ({"budget": {"shared": "row", "tokens": 9}}, "shared must be true or false, got 'row'"),
        ({"budget": "shared:token=9"}, "'token=9' is no budget"),
        ({"total_budget": "shared:tokens=9"}, "total_budget is of the whole run"),
    ],
)
def test_a_shared_budget_that_makes_no_sense_is_refused(given: dict[str, object], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence.replace(".", r"\.")):
        EvalConfig.load(None, {"benchmarks": ["chain_sum"], **given})


# ── who gets what ─────────────────────────────────────────────────────────────────────────────────────────


class Voices:
    """Say the number of a question; of question 0 say now that, now another."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, prompt: Prompt, seed: int, ordinal: int) -> Reply:
        name = prompt.question
        number = self.asked.count(name)
        self.asked.append(name)
        answer = str(number % 2) if name == "q0" else name[1:]
        return Reply(f"\\boxed{{{answer}}}", seconds=1.0)


def samples_of(out: Path) -> list[int]:
    """Return how many samples each problem was given, in order."""
    with ResultStore(RunDirectory(out).store_path) as store:
        found = {result.position: result.outcome.usage.calls for result in store.results()}
    return [count for _, count in sorted(found.items())]


@virtual_clock
async def test_all_problems_of_a_row_bid_however_few_may_be_at_work(tmp_path: Path) -> None:
    write_questions(tmp_path)
    config = make_config(tmp_path, strategies=[VOTE], budget="shared:samples=13", concurrency=1)
    voices = Voices()
    result = await run_eval(config, out=tmp_path / "run", backend=FakeBackend(voices))
    assert voices.asked[:4] == ["q0", "q1", "q2", "q3"]
    assert samples_of(tmp_path / "run") == [7, 2, 2, 2]
    (row,) = result.rows
    assert (row.samples, row.accuracy, row.wall_seconds) == (13, 1.0, 13.0)
    assert row.budget == "shared:samples=13"


@virtual_clock
async def test_another_strategy_shares_as_well_first_come_first_served(tmp_path: Path) -> None:
    write_questions(tmp_path)
    config = make_config(
        tmp_path, strategies=["self_consistency:n=8,stop=never"], budget="shared:samples=13", concurrency=1
    )
    result = await run_eval(config, out=tmp_path / "run", backend=FakeBackend(Voices()))
    assert samples_of(tmp_path / "run") == [8, 5, 0, 0]
    assert result.rows[0].samples == 13


@virtual_clock
async def test_rows_that_share_stand_beside_others_and_each_has_its_own(tmp_path: Path) -> None:
    write_questions(tmp_path)
    config = make_config(tmp_path, strategies=[VOTE], budgets=["none", "shared:samples=6", "samples=2"])
    result = await run_eval(config, out=tmp_path / "run", backend=FakeBackend(lambda *_: "\\boxed{0}"))
    assert {row.budget: row.samples for row in result.rows} == {"": 16, "shared:samples=6": 6, "samples=2": 8}


@virtual_clock
async def test_a_resumed_row_shares_what_is_left(tmp_path: Path) -> None:
    write_questions(tmp_path)
    first = make_config(tmp_path, strategies=[VOTE], budget="shared:samples=13", limit=2)
    await run_eval(first, out=tmp_path / "run", backend=FakeBackend(Voices()))
    assert samples_of(tmp_path / "run") == [7, 4]
    raised = make_config(tmp_path, strategies=[VOTE], budget="shared:samples=13")
    voices = Voices()
    result = await run_eval(raised, out=tmp_path / "run", backend=FakeBackend(voices), resume=True)
    assert voices.asked == ["q2", "q3"]
    assert samples_of(tmp_path / "run") == [7, 4, 1, 1]
    assert result.rows[0].samples == 13


# ── on recorded samples ───────────────────────────────────────────────────────────────────────────────────


def test_recorded_samples_are_shared_out_in_every_order_they_are_dealt_in(tmp_path: Path) -> None:
    pool = write_pool(tmp_path, {"a": CLEAR, "close": CLOSE, "b": CLEAR, "c": CLEAR})
    config = config_of(pool, VOTE, budget="shared:tokens=1510", orders=3)
    result = evaluate(config, out=tmp_path / "run")
    row = row_of(result, VOTE)
    assert (row.tokens, row.accuracy) == (1500, 1.0)
    assert samples_of(tmp_path / "run") == [3, 8, 2, 2]
    with TrialStore(tmp_path / "run") as trials:
        totals = [float(one.tokens.sum()) for one in trials.trials(0).values()]
        rows = [one.tokens.tolist() for one in trials.trials(0).values()]
    assert len(totals) == 3
    assert all(total <= 1510 for total in totals)
    assert all(min(tokens) >= 100 for tokens in rows)


def test_a_replay_is_the_same_each_time(tmp_path: Path) -> None:
    pool = write_pool(tmp_path, {f"p{i}": CLEAR if i % 2 else CLOSE for i in range(12)})
    found = []
    for name in ("one", "two"):
        config = config_of(pool, VOTE, budget="shared:tokens=4000", concurrency=3)
        evaluate(config, out=tmp_path / name)
        found.append(samples_of(tmp_path / name))
    assert found[0] == found[1]
    assert 38 <= sum(found[0]) <= 40


def test_a_row_that_shares_and_asks_for_more_than_was_recorded_is_refused_as_any_other(tmp_path: Path) -> None:
    pool = write_pool(tmp_path, {"a": CLOSE[:4], "b": CLEAR})
    result = evaluate(config_of(pool, VOTE, budget="shared:tokens=1500", orders=2), out=tmp_path / "run")
    assert any("cannot be replayed" in str(failure.error) for failure in result.failures)
