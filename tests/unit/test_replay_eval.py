"""Strategies compared on recorded samples: what a run comes to, in the recorded order and in others."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

import ttscale_strategies
from tests.unit.replay_pools import compare, config_of, row_of, write_pool
from ttscale.answers import extract_answer
from ttscale.bank import run_replay
from ttscale.errors import CapabilityError, ConfigError
from ttscale.run import Run
from ttscale.testing import FakeBackend
from ttscale.types import Outcome, Problem, Sampling
from ttscale_evals.config import EvalConfig
from ttscale_evals.progress import Progress
from ttscale_evals.replay.expand import Comparison, expand
from ttscale_evals.result import load_result
from ttscale_evals.runner import evaluate, run_eval

# ── the recorded order ────────────────────────────────────────────────────────────────────────────────────


def test_the_rows_of_the_recorded_order_are_what_the_recordings_say(tmp_path: Path) -> None:
    config = config_of(write_pool(tmp_path), "single", "self_consistency:n=4,stop=never")
    result = evaluate(config, out=tmp_path / "run")
    single, vote = row_of(result, "single"), row_of(result, "self_consistency:n=4,stop=never")
    assert single.accuracy == pytest.approx(1 / 3)
    assert (single.num_problems, single.unparsed) == (3, 1)
    assert (single.generated_tokens, single.samples, single.samples_per_problem) == (800, 3, 1.0)
    # Ties go to the sample seen first: 5 in "split", 4 in "silent".
    assert vote.accuracy == pytest.approx(2 / 3)
    assert (vote.generated_tokens, vote.samples) == (3450, 12)
    assert vote.critical_path_tokens == 400 + 600 + 500
    assert vote.latency_p50_seconds == 10.0
    assert vote.model == f"replay:{tmp_path / 'pool.jsonl'}"
    assert not result.failures


def test_one_recorded_sample_and_the_right_one_stand_beside_the_strategies(tmp_path: Path) -> None:
    result = evaluate(config_of(write_pool(tmp_path), "single"), out=tmp_path / "run")
    mean, best = row_of(result, "mean@4"), row_of(result, "pass@4")
    assert mean.accuracy == pytest.approx((1 + 0.5 + 0.25) / 3)
    assert (mean.tokens, mean.samples, mean.critical_path_tokens) == (round(3450 / 4), 3, round(3450 / 4))
    assert (best.accuracy, best.tokens, best.samples) == (1.0, 3450, 12)
    assert best.critical_path_tokens == 1500
    assert mean.is_bound
    assert best.is_bound
    assert not row_of(result, "single").is_bound


def test_samples_of_a_problem_start_together_however_many_problems_run(tmp_path: Path) -> None:
    """An admission limit would begin some later, and the first to finish would cost less than it does."""
    pool = write_pool(tmp_path, {f"p{i}": [("4", 100), *[("5", 1000)] * 15] for i in range(12)})
    config = config_of(pool, "first_finish:n=16,k=1", concurrency=12)
    row = row_of(evaluate(config, out=tmp_path / "run"), "first_finish:n=16,k=1")
    assert (row.accuracy, row.generated_tokens, row.cancelled_tokens) == (1.0, 12 * 100, 12 * 15 * 100)
    assert row.wall_seconds == 2.0


def test_every_strategy_gets_all_samples_anew(tmp_path: Path) -> None:
    config = config_of(write_pool(tmp_path), *(f"self_consistency:n={n},stop=never" for n in (4, 3, 2)))
    result = evaluate(config, out=tmp_path / "run")
    assert [row.samples for row in result.rows if not row.is_bound] == [12, 9, 6]
    assert not result.failures


def test_without_drawn_orders_rows_are_compared_in_the_recorded_one(tmp_path: Path) -> None:
    config = config_of(write_pool(tmp_path), "self_consistency:n=3,stop=never")
    row = row_of(evaluate(config, out=tmp_path / "run"), "self_consistency:n=3,stop=never")
    assert row.average is None
    assert row.matched is not None
    assert row.matched.reference == "majority of the first k of 4 samples, k = 1 to 4"
    same = row.matched.at_equal_tokens
    assert (same.reference_samples, same.difference) == (3.0, 0.0)


# ── drawn orders ──────────────────────────────────────────────────────────────────────────────────────────


def test_over_drawn_orders_a_vote_of_all_is_the_reference_at_all(tmp_path: Path) -> None:
    config = config_of(write_pool(tmp_path), "single", "self_consistency:n=4,stop=never", orders=5)
    result = evaluate(config, out=tmp_path / "run")
    for strategy, k in (("single", 1), ("self_consistency:n=4,stop=never", 4)):
        row = row_of(result, strategy)
        assert row.average is not None
        assert row.matched is not None
        assert row.average.num_orders == 5
        assert row.average.samples_per_problem == k
        for compared in (row.matched.at_equal_tokens, row.matched.at_equal_samples):
            assert compared.reference_samples == pytest.approx(k)
            assert compared.difference == pytest.approx(0.0, abs=1e-12)
    all_of_them = row_of(result, "self_consistency:n=4,stop=never").average
    assert all_of_them is not None
    assert all_of_them.tokens_per_problem == 1150.0
    assert all_of_them.accuracy_low <= all_of_them.accuracy <= all_of_them.accuracy_high


def test_the_same_seed_draws_the_same_orders_and_another_one_others(tmp_path: Path) -> None:
    pool = write_pool(tmp_path)
    runs = [
        evaluate(config_of(pool, "single", orders=6, seed=seed), out=tmp_path / f"run{at}")
        for at, seed in enumerate((0, 0, 1))
    ]
    averages = [row_of(run, "single").average for run in runs]
    assert averages[0] == averages[1]
    assert averages[0] != averages[2]
    assert [row_of(run, "single").accuracy for run in runs] == [pytest.approx(1 / 3)] * 3


def test_a_strategys_aborted_samples_count_in_every_order(tmp_path: Path) -> None:
    pool = write_pool(tmp_path, {"p": [("4", 100), ("4", 250), ("4", 400)]})
    config = config_of(pool, "first_finish:n=3,k=1", orders=3)
    row = row_of(evaluate(config, out=tmp_path / "run"), "first_finish:n=3,k=1")
    assert row.average is not None
    assert row.average.tokens_per_problem == 300.0
    assert row.average.critical_path_tokens_per_problem == 100.0
    assert row.matched is not None
    assert row.matched.at_equal_critical_path.note in ("", "it costs less than one sample")


def test_a_run_is_run_again_from_its_own_config(tmp_path: Path) -> None:
    pool = write_pool(tmp_path, models=("toy", "other"))
    made = compare(pool, tmp_path / "all", orders=2, strategies=("single", "first_finish:k=2"))
    again = evaluate(EvalConfig.load(tmp_path / "all" / "toy" / "config.yaml"), out=tmp_path / "again")
    assert [row.to_json() for row in again.rows] == [row.to_json() for row in made.rows if row.model == "toy"]
    assert again.config.models[0].model == f"replay:{pool}"
    assert again.config.benchmarks[0].params["path"] == str(pool)


def test_what_was_cut_off_is_replayed_on_resume_and_nothing_else(tmp_path: Path) -> None:
    config = config_of(write_pool(tmp_path), "single", "self_consistency:n=4", orders=4)
    whole = evaluate(config, out=tmp_path / "whole")
    seen = list[int]()

    def stop(progress: Progress) -> None:
        seen.append(progress.done)
        if progress.done >= 14:
            raise KeyboardInterrupt

    async def every_problem_reports() -> None:
        await run_eval(config, out=tmp_path / "run", progress=stop)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ttscale_evals.session._TICK_SECONDS", 0.0)
        with pytest.raises(KeyboardInterrupt):
            run_replay(every_problem_reports())
    assert max(seen) < 30
    rows = load_result(tmp_path / "run").rows
    assert all(row.average is None for row in rows)  # a part of the orders is not what was asked for
    resumed = evaluate(config, out=tmp_path / "run", resume=True)
    assert [row.average for row in resumed.rows] == [row.average for row in whole.rows]
    assert [row.matched for row in resumed.rows] == [row.matched for row in whole.rows]
    assert evaluate(config, out=tmp_path / "run", resume=True).rows == resumed.rows


def test_progress_counts_every_order(tmp_path: Path) -> None:
    config, seen = config_of(write_pool(tmp_path), "single", orders=2), list[Progress]()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ttscale_evals.session._TICK_SECONDS", 0.0)
        evaluate(config, out=tmp_path / "run", progress=seen.append)
    assert (seen[-1].done, seen[-1].total) == (9, 9)


async def test_drawn_orders_want_a_virtual_clock(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="orders are replayed on a virtual clock"):
        await run_eval(config_of(write_pool(tmp_path), "single", orders=1), out=tmp_path / "run")


def test_only_recorded_samples_have_orders(tmp_path: Path) -> None:
    config = config_of(write_pool(tmp_path), "single", orders=1).model_copy(update={"model": "abacus"})

    async def run() -> None:
        await run_eval(config, out=tmp_path / "run", backend=FakeBackend("4"))

    with pytest.raises(ConfigError, match="orders=1 is of recorded samples only"):
        run_replay(run())
    assert not (tmp_path / "run").exists()


# ── strategies of others ──────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, kw_only=True)
class Doubter:
    """Take the answer that two samples in a row agree on. Cost: 2 to `most` calls, one after the other."""

    most: int = 4
    logprobs: bool = False
    needs: ClassVar[frozenset[str]] = frozenset()

    def max_samples(self) -> int:
        return self.most

    async def solve(self, problem: Problem, run: Run) -> Outcome:
        last: str | None = None
        for _ in range(self.most):
            async with run.sample(problem.prompt, sampling=Sampling()) as samples:
                answer = extract_answer((await anext(samples)).text)
            if answer is not None and answer == last:
                return Outcome(answer=answer)
            last = answer
        return Outcome(answer=last)


@dataclass(frozen=True, kw_only=True)
class Confident(Doubter):
    """Needs log-probabilities."""

    needs: ClassVar[frozenset[str]] = frozenset({"logprobs"})


@pytest.fixture
def others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Register these strategies as a package of somebody else would."""
    for cls in (Doubter, Confident):
        path = f"{cls.__module__}:{cls.__name__}"
        monkeypatch.setitem(ttscale_strategies.BUILTINS, cls.__name__.lower(), path)


@pytest.mark.usefixtures("others")
def test_a_third_partys_strategy_is_compared_like_any_other(tmp_path: Path) -> None:
    made = compare(write_pool(tmp_path), tmp_path / "run", strategies=("doubter",), orders=3)
    (row,) = [row for row in made.rows if not row.is_bound]
    # 2 samples of "easy", 3 of "split", all 4 of "silent", one after the other.
    assert row.samples == 9
    assert row.accuracy == pytest.approx(2 / 3)
    assert row.critical_path_tokens == row.tokens == 400 + 1200 + 1150
    assert row.average is not None
    assert row.matched is not None
    assert made.failures == []


def test_other_models_that_a_strategy_asks_are_dealt_anew_too(tmp_path: Path) -> None:
    """Three rows and three orders: all of them together would be more samples than the other model has."""
    pool = write_pool(
        tmp_path, {"p": (("4", 100), ("5", 100), ("4", 300), ("4", 200))}, models=("toy", "other")
    )
    other = tmp_path / "other.yaml"
    other.write_text(f"model: 'replay:{pool}'\noptions: {{recorded: other}}\n")
    strategies = tuple(f"model_switch:n={n},model_uris=[null, {other}]" for n in (2, 3, 4))
    made = compare(pool, tmp_path / "run", recorded=("toy",), strategies=strategies, orders=3)
    assert made.failures == []
    rows = [row for row in made.rows if not row.is_bound]
    assert [row.samples for row in rows] == [4, 6, 8]
    assert all(row.average is not None and row.average.num_orders == 3 for row in rows)


def test_a_refusal_of_another_model_refuses_the_row(tmp_path: Path) -> None:
    pool = write_pool(tmp_path, {"p": (("4", 100), ("5", 100), ("4", 300), ("4", 200))}, name="four.jsonl")
    few = write_pool(tmp_path, {"p": (("4", 100), ("5", 100))}, name="two.jsonl")
    strategies = (f"model_switch:n=3,model_uris=[null, 'replay:{few}']",)
    made = compare(pool, tmp_path / "run", strategies=strategies, orders=0)
    assert "holds 2 whole samples of this prompt, and 3 were asked for" in (made.rows[0].refused or "")


# ── what the recording does not hold ──────────────────────────────────────────────────────────────────────


def test_a_row_that_needs_more_samples_than_recorded_is_refused_and_the_others_stand(tmp_path: Path) -> None:
    pool = write_pool(tmp_path)
    made = compare(pool, tmp_path / "run", strategies=("self_consistency:n=6", "single"), orders=2)
    refused, single = (row for row in made.rows if not row.is_bound)
    assert refused.refused == (
        "self_consistency:n=6 cannot be replayed on the problem 'easy': the recording of 'toy' holds 4 whole "
        "samples of this prompt, and 6 were asked for; record more, or ask for at most 4."
    )
    assert (refused.accuracy, refused.accuracy_low, refused.average, refused.matched) == (None,) * 4
    assert refused.num_missing == 0
    assert single.refused is None
    assert single.average is not None
    (failure,) = made.failures
    assert (failure.strategy, failure.problem, failure.error) == (
        "self_consistency:n=6",
        "easy",
        refused.refused,
    )


@pytest.mark.usefixtures("others")
def test_a_strategy_that_takes_a_refusal_for_a_failed_sample_is_refused_all_the_same(tmp_path: Path) -> None:
    """It would else answer from fewer samples than it asked for, and nobody would know."""
    made = compare(write_pool(tmp_path), tmp_path / "run", strategies=("doubter:most=5",), orders=0)
    (row,) = [row for row in made.rows if not row.is_bound]
    assert "doubter:most=5 cannot be replayed on the problem 'silent': " in (row.refused or "")
    assert row.accuracy is None


@pytest.mark.usefixtures("others")
def test_a_strategy_may_be_refused_in_a_drawn_order_only(tmp_path: Path) -> None:
    pool = write_pool(tmp_path, {"p": [("4", 10), ("4", 20), ("5", 30)]})
    made = compare(pool, tmp_path / "run", strategies=("doubter:most=4",), orders=8)
    (row,) = [row for row in made.rows if not row.is_bound]
    assert (row.accuracy, row.samples) == (1.0, 2)
    assert "holds 3 whole samples of this prompt, and 4 were asked for" in (row.refused or "")
    assert (row.average, row.matched) == (None, None)
    assert len(made.failures) == 1


@pytest.mark.usefixtures("others")
def test_what_needs_logprobs_is_found_out_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(
        CapabilityError, match="Confident needs logprobs, which the recording of 'toy' does not"
    ):
        compare(write_pool(tmp_path), tmp_path / "run", strategies=("single", "confident"))
    assert not (tmp_path / "run").exists()


def test_a_strategy_without_a_number_of_samples_gets_as_many_as_there_are(tmp_path: Path) -> None:
    (made,) = expand(
        Comparison(pool=write_pool(tmp_path), strategies=("adaptive_consistency", "single"))
    ).expansions
    assert [strategy.title for strategy in made.config.strategies] == ["adaptive_consistency:n=4", "single"]
