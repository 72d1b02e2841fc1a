"""The runner: what is run, when, what becomes of failures, and what the rows say in the end."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from ttscale.backends import Backend, Capabilities
from ttscale.errors import BackendUnavailable, BudgetTooSmall, CapabilityError, ConfigError, PluginError
from ttscale.testing import FakeBackend, Reply, Script, noisy_answers, virtual_clock
from ttscale.types import JSON, Problem, Prompt
from ttscale.workers import Workers
from ttscale_evals.benchmarks import Grade, create_benchmark
from ttscale_evals.benchmarks.base import TIMEOUT
from ttscale_evals.config import EvalConfig
from ttscale_evals.progress import Progress
from ttscale_evals.result import load_result, load_rows
from ttscale_evals.rows import Row
from ttscale_evals.runner import run_eval
from ttscale_evals.store import ResultStore


def names(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir()}


def write_questions(folder: Path, count: int) -> Path:
    """Write questions ``q0`` … whose answers are their numbers."""
    path = folder / "questions.jsonl"
    rows = ({"id": f"q{i}", "question": f"q{i}", "answer": str(i)} for i in range(count))
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def make_config(folder: Path, *strategies: str, count: int = 4, **changes: object) -> EvalConfig:
    spec = {
        "name": "jsonl",
        "params": {"path": str(write_questions(folder, count)), "instruction": ""},
        "label": "q",
    }
    return EvalConfig.load(None, {"benchmarks": [spec], "strategies": strategies or ("single",), **changes})


def right(*, but: dict[str, Reply | str] | None = None, count: int = 4, seconds: float = 2.0) -> Script:
    """Answer every question rightly, those in `but` as it says."""
    replies: dict[str, Script] = {f"q{i}": Reply(f"\\boxed{{{i}}}", seconds=seconds) for i in range(count)}
    return {**replies, **(but or {})}


def comparable(row: Row) -> JSON:
    """Leave out what depends on when a problem was begun."""
    return rounded(replace(row, wall_seconds=0.0).to_json())


def rounded(document: JSON) -> JSON:
    """Leave out of numbers what is lost when times are subtracted."""
    if isinstance(document, Mapping):
        return {name: rounded(value) for name, value in document.items()}
    return round(document, 6) if isinstance(document, float) else document


class NeverStarted(FakeBackend):
    """A backend that must not be needed."""

    async def start(self) -> None:
        raise BackendUnavailable("it was started")


@virtual_clock
async def test_a_row_has_the_numbers_of_its_problems(tmp_path: Path) -> None:
    script = right(but={"q1": "\\boxed{7}", "q2": "no idea", "q3": Reply("\\boxed{3}", finish_reason="length")})
    result = await run_eval(make_config(tmp_path), out=tmp_path / "run", backend=FakeBackend(script))
    (row,) = result.rows
    assert (row.benchmark, row.strategy, row.model) == ("q", "single", "abacus")
    assert (row.num_problems, row.num_correct, row.accuracy, row.errors, row.unparsed) == (4, 2, 0.5, 0, 1)
    assert row.accuracy_low == pytest.approx(0.150, abs=1e-3)
    assert row.accuracy_high == pytest.approx(0.850, abs=1e-3)
    assert row.generated_tokens == len("\\boxed{0}") * 3 + len("no idea")
    assert row.critical_path_tokens == row.generated_tokens
    assert row.tokens == row.generated_tokens + row.prompt_tokens_computed
    assert row.tokens_per_problem == row.tokens / 4
    assert (row.truncated, row.samples, row.num_missing, row.usd) == (1, 4, 0, None)
    assert row.flops is not None
    assert row.flops > 0
    assert row.stop_reasons == {"finished": 4}
    assert row.accuracy_errors_excluded is None


@virtual_clock
async def test_strategies_take_turns_so_that_each_rows_seconds_are_its_own(tmp_path: Path) -> None:
    config = make_config(tmp_path, "single", "self_consistency:n=3,stop=never", concurrency=2)
    backend = FakeBackend(right(), batch_size=6)
    one, three = (await run_eval(config, out=tmp_path / "run", backend=backend)).rows
    assert (one.wall_seconds, three.wall_seconds) == (4.0, 4.0)
    assert (one.latency_p50_seconds, three.latency_p95_seconds) == (2.0, 2.0)
    assert backend.peak_running == 6
    first = [record for record in backend.records if record.started is not None and record.started < 4.0]
    assert len(first) == 4


@virtual_clock
async def test_no_more_problems_are_at_work_at_once_than_the_config_says(tmp_path: Path) -> None:
    backend = FakeBackend(right(count=9))
    await run_eval(make_config(tmp_path, count=9, concurrency=3), out=tmp_path / "run", backend=backend)
    assert backend.peak_running == 3


@virtual_clock
async def test_a_failed_problem_is_data_counts_as_wrong_and_is_listed(tmp_path: Path) -> None:
    backend = FakeBackend(right(but={"q1": Reply("\\boxed{1}", error="the <b>server</b> hung up")}))
    result = await run_eval(make_config(tmp_path), out=tmp_path / "run", backend=backend)
    (row,) = result.rows
    assert (row.num_problems, row.errors, row.accuracy, row.unparsed) == (4, 1, 0.75, 0)
    assert row.accuracy_errors_excluded == 1.0
    (failure,) = result.failures
    assert (failure.benchmark, failure.strategy, failure.problem) == ("q", "single", "q1")
    assert "the <b>server</b> hung up" in failure.error


@virtual_clock
async def test_resuming_does_failed_problems_again_and_finished_ones_never(tmp_path: Path) -> None:
    config, out = make_config(tmp_path), tmp_path / "run"
    flaky = FakeBackend(right(but={"q1": Reply("\\boxed{1}", error="down"), "q2": "\\boxed{9}"}))
    (before,) = (await run_eval(config, out=out, backend=flaky)).rows
    healthy = FakeBackend(right())
    result = await run_eval(config, out=out, resume=True, backend=healthy)
    (after,) = result.rows
    assert len(healthy.requests) == 1
    assert (before.errors, before.accuracy, before.retried_tokens) == (1, 0.5, 0)
    assert (after.errors, after.accuracy, after.num_problems) == (0, 0.75, 4)
    assert after.retried_tokens > 0
    assert after.tokens == before.tokens
    assert result.failures == []


@virtual_clock
async def test_resuming_a_finished_run_starts_nothing(tmp_path: Path) -> None:
    config, out = make_config(tmp_path), tmp_path / "run"
    done = await run_eval(config, out=out, backend=FakeBackend(right()))
    assert await run_eval(config, out=out, resume=True, backend=NeverStarted("")) == done


@pytest.mark.slow
@pytest.mark.parametrize("cut_off_after", [0.5, 2.5, 5.0, 7.9])
def test_a_run_cut_off_and_resumed_equals_one_that_was_not(tmp_path: Path, cut_off_after: float) -> None:
    count = 10
    config = make_config(
        tmp_path,
        "single",
        "self_consistency:n=4,stop=never",
        count=count,
        concurrency=3,
        sampling={"temperature": 1.0},
    )
    script: dict[str, Script] = {
        f"q{i}": noisy_answers(str(i), 0.6, ["x"], seconds=(0.5, 3.0)) for i in range(count)
    }

    @virtual_clock
    async def whole() -> list[JSON]:
        result = await run_eval(config, out=tmp_path / "whole", backend=FakeBackend(script))
        return [comparable(row) for row in result.rows]

    @virtual_clock
    async def cut_off() -> int:
        backend = FakeBackend(script)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(cut_off_after):
                await run_eval(config, out=tmp_path / "run", backend=backend)
        assert backend.num_running == 0
        return sum(row.num_problems for row in load_rows(tmp_path / "run"))

    @virtual_clock
    async def resumed(done: int) -> list[JSON]:
        backend = FakeBackend(script)
        heard = list[Progress]()
        result = await run_eval(
            config, out=tmp_path / "run", resume=True, backend=backend, progress=heard.append
        )
        assert heard[0].done == done
        assert heard[-1].done == heard[-1].total == 2 * count
        return [comparable(row) for row in result.rows]

    done = cut_off()
    assert done < 2 * count
    assert resumed(done) == whole()


@virtual_clock
async def test_a_run_can_be_run_again_from_its_own_folder(tmp_path: Path) -> None:
    config = make_config(tmp_path, "single", "best_of_n:n=2,verifier=math", sampling={"temperature": 0.3})
    first = await run_eval(config, out=tmp_path / "run", backend=FakeBackend(right()))
    own = EvalConfig.load(tmp_path / "run" / "config.yaml")
    again = await run_eval(own, out=tmp_path / "again", backend=FakeBackend(right()))
    assert again.rows == first.rows
    assert again.config == first.config == own


@virtual_clock
async def test_everything_can_be_rebuilt_from_the_store(tmp_path: Path) -> None:
    out = tmp_path / "run"
    result = await run_eval(make_config(tmp_path), out=out, backend=FakeBackend(right()))
    document = json.loads((out / "results.json").read_text())
    assert document == result.to_json()
    assert set(document) > {"version", "model", "models", "budgets", "seed", "rows", "run_dir", "failures"}
    for name in ("results.json", "traces.jsonl", "run.json"):
        (out / name).unlink()
    assert load_result(out) == result


@virtual_clock
async def test_traces_say_whose_they_are_and_can_be_left_out(tmp_path: Path) -> None:
    await run_eval(make_config(tmp_path), out=tmp_path / "run", backend=FakeBackend(right()))
    spans = [json.loads(line) for line in (tmp_path / "run" / "traces.jsonl").read_text().splitlines()]
    assert {(span["benchmark"], span["strategy"], span["attempt"]) for span in spans} == {("q", "single", 0)}
    assert {span["problem"] for span in spans} == {"q0", "q1", "q2", "q3"}
    assert any("boxed" in str(span["attributes"].get("text")) for span in spans)
    await run_eval(make_config(tmp_path, traces=False), out=tmp_path / "bare", backend=FakeBackend(right()))
    assert "traces.jsonl" not in names(tmp_path / "bare")


async def expect_nothing_made(
    error: type[Exception], message: str, config: EvalConfig, out: Path, backend: FakeBackend
) -> None:
    with pytest.raises(error, match=message):
        await run_eval(config, out=out, backend=backend)
    assert out.name not in names(out.parent)
    assert backend.requests == []


@virtual_clock
async def test_wrong_use_is_found_before_anything_is_spent_or_written(tmp_path: Path) -> None:
    out, good = tmp_path / "run", FakeBackend(right())
    mute = FakeBackend(right(), capabilities=Capabilities(token_ids=True))
    unknown = FakeBackend(right(), profile=replace(good.profile, num_parameters=None))
    cases: list[tuple[type[Exception], str, EvalConfig, FakeBackend]] = [
        (CapabilityError, "logprobs", make_config(tmp_path, "single", "best_of_n:n=2"), mute),
        (BudgetTooSmall, "budget of 3 tokens", make_config(tmp_path, budget="tokens=3"), good),
        (ConfigError, "without the price of 'abacus'", make_config(tmp_path, total_budget="usd=1"), good),
        (ConfigError, "FLOPs cannot be limited", make_config(tmp_path, budget="flops=1e9"), unknown),
        (
            ConfigError,
            "there is no data file",
            make_config(tmp_path, benchmarks=["gsm8k:path=nowhere.jsonl"]),
            good,
        ),
        (ConfigError, "prices.yaml", make_config(tmp_path, prices=str(tmp_path / "prices.yaml")), good),
        (BackendUnavailable, "it was started", make_config(tmp_path), NeverStarted("")),
    ]
    for error, message, config, backend in cases:
        await expect_nothing_made(error, message, config, out, backend)


@virtual_clock
async def test_changed_data_are_not_mixed_with_results_of_the_old_ones(tmp_path: Path) -> None:
    config, out = make_config(tmp_path), tmp_path / "run"
    await run_eval(config, out=out, backend=FakeBackend(right()))
    path = tmp_path / "questions.jsonl"
    path.write_text(path.read_text().replace('"answer": "2"', '"answer": "22"'))
    with pytest.raises(ConfigError, match="'q' have changed"):
        await run_eval(config, out=out, resume=True, backend=FakeBackend(right()))
    assert [row.accuracy for row in load_rows(out)] == [1.0]


@virtual_clock
async def test_a_spent_total_budget_begins_no_more_problems_and_resuming_with_more_goes_on(
    tmp_path: Path,
) -> None:
    out, count = tmp_path / "run", 8
    config = make_config(tmp_path, count=count, concurrency=2, total_budget="samples=3")
    result = await run_eval(config, out=out, backend=FakeBackend(right(count=count)))
    assert (result.rows[0].num_problems, result.num_missing) == (4, 4)
    assert result.rows[0].accuracy == 1.0
    again = await run_eval(config, out=out, resume=True, backend=FakeBackend(right(count=count)))
    assert again.num_missing == 4
    more = make_config(tmp_path, count=count, concurrency=2, total_budget="samples=5")
    backend = FakeBackend(right(count=count))
    assert (await run_eval(more, out=out, resume=True, backend=backend)).num_missing == 2
    assert len(backend.requests) == 2


@virtual_clock
async def test_a_problem_that_spent_its_budget_is_a_result_and_not_a_failure(tmp_path: Path) -> None:
    config = make_config(tmp_path, budget="seconds=1")
    script = right(but={"q0": Reply("\\boxed{0}", seconds=0.5)})
    result = await run_eval(config, out=tmp_path / "run", backend=FakeBackend(script))
    (row,) = result.rows
    assert (row.num_correct, row.errors, row.unparsed) == (1, 0, 3)
    assert row.stop_reasons == {"budget": 3, "finished": 1}
    assert row.cancelled_tokens > 0


@pytest.mark.parametrize(
    ("grader", "counted"),
    [
        (lambda: Grade(correct=False, value=None, reason=TIMEOUT), (1, 0)),
        (lambda: 1 / 0, (0, 1)),
    ],
)
def test_a_grader_that_hangs_or_breaks_is_counted_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, grader: Callable[[], Grade], counted: tuple[int, int]
) -> None:
    async def grade(problem: Problem, answer: str | None, workers: Workers) -> Grade:
        return grader() if problem.id == "q1" else Grade(correct=True, value=1.0)

    monkeypatch.setattr("ttscale_evals.benchmarks.jsonl.grade_math", grade)

    @virtual_clock
    async def run() -> tuple[int, int, int, float | None]:
        result = await run_eval(make_config(tmp_path), out=tmp_path / "run", backend=FakeBackend(right()))
        (row,) = result.rows
        return row.grader_timeouts, row.grader_failures, row.errors, row.accuracy

    assert run() == (*counted, 0, 0.75)


@virtual_clock
async def test_progress_counts_up_and_estimates_the_time_left(tmp_path: Path) -> None:
    heard = list[Progress]()
    config = make_config(tmp_path, "single", "self_consistency:n=3,stop=never", concurrency=1)
    backend = FakeBackend(right(but={"q3": Reply("", error="down")}))
    await run_eval(config, out=tmp_path / "run", backend=backend, progress=heard.append)
    assert [p.done for p in heard] == sorted(p.done for p in heard)
    assert {p.done for p in heard} == set(range(9))
    assert (heard[0].total, heard[0].seconds_left, heard[0].tokens_per_second) == (8, None, None)
    first = next(p for p in heard if p.done == 1)
    assert (first.benchmark, first.strategy, first.cell_done, first.cell_total) == ("q", "single", 1, 4)
    # One problem of weight 1 took 2 s; left are 3 of weight 1 and 4 of weight 3.
    assert first.seconds_left == pytest.approx(2.0 * 15)
    assert first.tokens_per_second == pytest.approx(len("\\boxed{0}") / 2.0)
    last = heard[-1]
    assert (last.correct, last.errors, last.strategy) == (6, 2, "self_consistency:n=3,stop=never")
    assert last.seconds_left == 0
    assert last.tokens > 0
    # It is heard of about once a second even while no problem ends.
    assert len([p for p in heard if p.done == 0]) >= 2


@pytest.mark.parametrize(
    ("error", "raised", "message"),
    [
        (ConfigError("the grader is not set up; install it."), ConfigError, "install it"),
        (KeyError("gold"), PluginError, "grader of 'q' fails on a reference answer: KeyError"),
    ],
)
def test_a_grader_that_cannot_grade_is_found_before_anything_is_spent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, raised: type[Exception], message: str
) -> None:
    async def grade(problem: Problem, answer: str | None, workers: Workers) -> Grade:
        raise error

    monkeypatch.setattr("ttscale_evals.benchmarks.jsonl.grade_math", grade)
    run = virtual_clock(expect_nothing_made)
    run(raised, message, make_config(tmp_path), tmp_path / "run", FakeBackend(right()))


@virtual_clock
async def test_a_mistake_that_shows_up_only_while_running_comes_out_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def grade(problem: Problem, answer: str | None, workers: Workers) -> Grade:
        if problem.id == "q0":
            return Grade(correct=True, value=1.0)
        raise ConfigError("the grader is not set up; install it.")

    monkeypatch.setattr("ttscale_evals.benchmarks.jsonl.grade_math", grade)
    with pytest.raises(ConfigError, match="install it"):
        await run_eval(make_config(tmp_path), out=tmp_path / "run", backend=FakeBackend(right()))
    assert [row.num_problems for row in load_rows(tmp_path / "run")] == [1]


@virtual_clock
async def test_run_json_says_with_what_and_of_which_model_it_was_made(tmp_path: Path) -> None:
    backend: Backend = FakeBackend(right())
    await run_eval(make_config(tmp_path), out=tmp_path / "run", backend=backend)
    about = json.loads((tmp_path / "run" / "run.json").read_text())
    assert about["backend"] == "fake"
    assert about["profile"]["num_parameters"] == backend.profile.num_parameters
    assert about["packages"]["scipy"]
    assert about["config"]["benchmarks"][0]["label"] == "q"


@pytest.mark.slow
@virtual_clock
async def test_best_of_n_with_the_sets_checker_is_right_wherever_one_sample_is(tmp_path: Path) -> None:
    spec = "countdown:min_numbers=3,max_numbers=3,size=12"
    solutions = {p.prompt.messages[-1].content: p.target for p in create_benchmark(spec).problems()}

    def rule(prompt: Prompt, seed: int, ordinal: int) -> str:
        solved = random.Random(seed).random() < 0.3
        return f"\\boxed{{{solutions[prompt.question] if solved else '1 + 1'}}}"

    strategies = ["single", "best_of_n:n=8,verifier=reasoning_gym,stop=never"]
    config = EvalConfig.load(None, {"benchmarks": [spec], "strategies": strategies})
    backend = FakeBackend(rule, seconds_per_token=0.0)
    one, best = (await run_eval(config, out=tmp_path / "run", backend=backend)).rows
    with ResultStore(tmp_path / "run" / "store.sqlite") as store:
        results = list(store.results(1))
    solvable = [any(c.answer != "1 + 1" for c in result.outcome.candidates) for result in results]
    assert [result.grade.correct for result in results] == solvable
    assert best.num_correct == sum(solvable)
    assert one.num_correct < best.num_correct
    assert (one.errors, best.errors, best.grader_failures, best.samples) == (0, 0, 0, 8 * 12)


@virtual_clock
async def test_a_recorded_run_can_be_replayed_and_gives_the_same_answers(tmp_path: Path) -> None:
    pool = tmp_path / "kept" / "pool.sqlite"
    config = make_config(tmp_path, "self_consistency:n=3,stop=never", record=str(pool))
    backend = FakeBackend(right(but={"q1": Reply("\\boxed{7}", seconds=3.0)}))
    first = await run_eval(config, out=tmp_path / "run", backend=backend)
    again = await run_eval(
        make_config(tmp_path, "self_consistency:n=3,stop=never", model=f"replay:{pool}"), out=tmp_path / "again"
    )
    assert again.rows[0].num_correct == first.rows[0].num_correct == 3
    assert again.rows[0].generated_tokens == first.rows[0].generated_tokens
    with pytest.raises(ConfigError, match="recorded already"):
        await run_eval(
            make_config(tmp_path, model=f"replay:{pool}", record=str(tmp_path / "b.sqlite")), out=tmp_path / "x"
        )
    assert names(tmp_path) == {"questions.jsonl", "kept", "run", "again"}
