"""Sweeps: several models and budgets, work without barriers, runs that are raised afterwards."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from ttscale.backends import Backend, load_backend
from ttscale.bank import run_replay
from ttscale.errors import ConfigError
from ttscale.testing import FakeBackend, Reply, virtual_clock
from ttscale.testing.fake import TOY
from ttscale.types import JSON, Prompt
from ttscale_evals.compare.loading import load_runs
from ttscale_evals.config import EvalConfig
from ttscale_evals.progress import Progress
from ttscale_evals.replay.trials import TrialStore
from ttscale_evals.report import load_report, render_markdown
from ttscale_evals.result import EvalResult
from ttscale_evals.runner import evaluate, run_eval
from ttscale_evals.store import ResultStore

NUM_QUESTIONS = 4


def write_questions(folder: Path, count: int = NUM_QUESTIONS) -> Path:
    """Write questions ``q0`` … whose answers are their numbers."""
    path = folder / "questions.jsonl"
    rows = ({"id": f"q{i}", "question": f"q{i}", "answer": str(i)} for i in range(count))
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def make_config(folder: Path, **given: object) -> EvalConfig:
    spec = {
        "name": "jsonl",
        "params": {"path": str(folder / "questions.jsonl"), "instruction": ""},
        "label": "q",
    }
    return EvalConfig.load(None, {"benchmarks": [spec], **given})


def knowing(prompt: Prompt, seed: int, ordinal: int) -> Reply:
    return Reply(f"\\boxed{{{prompt.question[1:]}}}", seconds=2.0)


class Engines:
    """Scripted engines by URI: what each was asked, and how many ran at once."""

    def __init__(self) -> None:
        self.loaded: list[tuple[str, FakeBackend]] = []
        self.running = 0
        self.peak_running = 0

    def load(self, uri: str, options: Mapping[str, JSON] | None = None) -> Backend:
        engines = self

        class Counted(FakeBackend):
            async def start(self) -> None:
                engines.running += 1
                engines.peak_running = max(engines.peak_running, engines.running)
                await super().start()

            async def aclose(self) -> None:
                engines.running -= self.is_open
                self.is_open = False
                await super().aclose()

            is_open = True

        made = Counted(knowing, profile=replace(TOY, name=uri.removeprefix("my:")))
        self.loaded.append((uri, made))
        return made

    def asked(self) -> Mapping[str, int]:
        """Return how many requests each URI got, of those that got any."""
        counts = Counter[str]()
        for uri, backend in self.loaded:
            counts[uri] += len(backend.requests)
        return dict(+counts)


@pytest.fixture
def engines(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Engines:
    made = Engines()
    monkeypatch.setattr("ttscale_evals.sources.load_backend", made.load)
    write_questions(tmp_path)
    return made


@pytest.fixture
def real_loading(monkeypatch: pytest.MonkeyPatch) -> Callable[[Engines], None]:
    """Let banks be opened, and every other model be a scripted one."""

    def use(engines: Engines) -> None:
        def load(uri: str, options: Mapping[str, JSON] | None = None) -> Backend:
            return load_backend(uri, options) if uri.startswith("replay:") else engines.load(uri, options)

        monkeypatch.setattr("ttscale_evals.sources.load_backend", load)

    return use


def titles(result: EvalResult) -> list[tuple[str, str, str, int]]:
    return [(row.strategy, row.model, row.budget, row.num_correct) for row in result.rows]


# ── models and budgets ────────────────────────────────────────────────────────────────────────────────────


@virtual_clock
async def test_every_model_and_budget_has_rows_of_its_own(tmp_path: Path, engines: Engines) -> None:
    models = ["my:a", {"model": "my:b", "label": "the other"}]
    config = make_config(tmp_path, models=models, budgets=["none", "tokens=30"], strategies=["single"])
    heard = list[Progress]()
    result = await run_eval(config, out=tmp_path / "run", progress=heard.append)
    assert titles(result) == [
        ("single", "my:a", "", 4),
        ("single", "my:a", "tokens=30", 4),
        ("single", "the other", "", 4),
        ("single", "the other", "tokens=30", 4),
    ]
    assert engines.asked() == {"my:a": 8, "my:b": 8}
    assert (engines.peak_running, engines.running) == (1, 0), "two engines ran side by side"
    assert [progress.model for progress in (heard[0], heard[-1])] == ["my:a", "the other"]
    assert (heard[-1].done, heard[-1].total, heard[-1].correct) == (16, 16, 16)
    document = result.to_json()
    assert (document["models"], document["budgets"]) == (["my:a", "the other"], ["", "tokens=30"])
    about = json.loads((tmp_path / "run" / "run.json").read_text())
    assert {title: model["profile"]["name"] for title, model in about["models"].items()} == {
        "my:a": "a",
        "the other": "b",
    }


@virtual_clock
async def test_reports_tell_models_and_budgets_apart(tmp_path: Path, engines: Engines) -> None:
    config = make_config(tmp_path, models=["my:a", "my:b"], budgets=["none", "tokens=30"])
    await run_eval(config, out=tmp_path / "run")
    data = load_report([tmp_path / "run"])
    whose = {(answer.model, answer.budget) for answer in data.answers}
    assert whose == {("my:a", ""), ("my:a", "tokens=30"), ("my:b", ""), ("my:b", "tokens=30")}
    text = render_markdown(data, title="t")
    for name in ("my:a", "my:b", "tokens=30", "none"):
        assert name in text


@virtual_clock
async def test_a_comparison_takes_each_model_and_budget_for_a_system(tmp_path: Path, engines: Engines) -> None:
    models = ["my:a", {"model": "my:b", "options": {"effort": "low"}, "label": "b"}]
    config = make_config(tmp_path, models=models, budgets=["none", "tokens=30"])
    await run_eval(config, out=tmp_path / "run")
    systems = load_runs([tmp_path / "run"]).systems
    assert [system.label for system in systems] == [
        "single · my:a · no budget",
        "single · my:a · tokens=30",
        "single · b · no budget",
        "single · b · tokens=30",
    ]
    assert [system.source.options for system in systems] == [{}, {}, {"effort": "low"}, {"effort": "low"}]


@virtual_clock
async def test_a_failure_says_of_which_model_and_budget_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(uri: str, options: Mapping[str, JSON] | None = None) -> Backend:
        failing = {f"q{i}": Reply("x", error="down" if uri == "my:b" and i == 2 else None) for i in range(4)}
        return FakeBackend(failing, profile=replace(TOY, name=uri))

    monkeypatch.setattr("ttscale_evals.sources.load_backend", load)
    write_questions(tmp_path)
    config = make_config(tmp_path, models=["my:a", "my:b"], budget="tokens=90")
    (failure,) = (await run_eval(config, out=tmp_path / "run")).failures
    assert (failure.model, failure.budget, failure.problem) == ("my:b", "tokens=90", "q2")


@virtual_clock
async def test_a_model_of_which_everything_is_done_is_not_started_again(
    tmp_path: Path, engines: Engines
) -> None:
    config, out = make_config(tmp_path, models=["my:a", "my:b"]), tmp_path / "run"
    await run_eval(config, out=out)
    with closing(sqlite3.connect(out / "store.sqlite", isolation_level=None)) as store:
        store.execute("DELETE FROM results WHERE cell = 1 AND position = 2")  # as if killed before it
    engines.loaded.clear()
    again = await run_eval(config, out=out, resume=True)
    assert engines.asked() == {"my:b": 1}
    assert [row.num_correct for row in again.rows] == [4, 4]


@virtual_clock
async def test_the_total_budget_is_of_all_models_together(tmp_path: Path, engines: Engines) -> None:
    config = make_config(tmp_path, models=["my:a", "my:b"], total_budget="samples=5", concurrency=1)
    result = await run_eval(config, out=tmp_path / "run")
    assert [row.num_problems for row in result.rows] == [4, 1]


@virtual_clock
async def test_a_wrong_second_model_is_found_before_the_first_one_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_questions(tmp_path)
    with pytest.raises(ConfigError, match="'nonsense' is not a model"):
        await run_eval(make_config(tmp_path, models=["abacus", "nonsense"]), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


# ── without barriers ──────────────────────────────────────────────────────────────────────────────────────


def staggered(prompt: Prompt, seed: int, ordinal: int) -> Reply:
    """Take long for the last question only."""
    return Reply(f"\\boxed{{{prompt.question[1:]}}}", seconds=9.0 if prompt.question == "q3" else 1.0)


async def timed(config: EvalConfig, out: Path) -> tuple[EvalResult, FakeBackend]:
    backend = FakeBackend(staggered)
    return await run_eval(config, out=out, backend=backend), backend


@virtual_clock
async def test_whoever_is_done_with_a_row_goes_on_with_the_next_one(tmp_path: Path) -> None:
    write_questions(tmp_path)
    strategies = ["single", "single:temperature=0.5"]
    flowing = make_config(tmp_path, strategies=strategies, concurrency=2)
    strict = make_config(tmp_path, strategies=strategies, concurrency=2, turns=True)
    first, backend = await timed(flowing, tmp_path / "flowing")
    second, other = await timed(strict, tmp_path / "strict")
    # One takes q0 and q2, then all of the second row up to its q3; the other q1 and the long q3.
    assert ([row.wall_seconds for row in first.rows], seconds(backend)) == ([10.0, 12.0], 14.0)
    assert ([row.wall_seconds for row in second.rows], seconds(other)) == ([10.0, 10.0], 20.0)
    assert backend.peak_running == other.peak_running == 2
    assert [comparable(row.to_json()) for row in first.rows] == [
        comparable(row.to_json()) for row in second.rows
    ]


def seconds(backend: FakeBackend) -> float:
    """Return the time from the first sample's start to the last one's end."""
    return max(r.ended or 0.0 for r in backend.records) - min(r.started or 0.0 for r in backend.records)


def comparable(row: dict[str, JSON]) -> dict[str, JSON]:
    """Leave out wall clocks."""
    return {
        name: round(v, 6) if isinstance(v, float) else v for name, v in row.items() if name != "wall_seconds"
    }


@virtual_clock
async def test_seconds_of_rows_that_overlapped_count_once_for_the_total_budget(tmp_path: Path) -> None:
    write_questions(tmp_path)
    config = make_config(tmp_path, strategies=["single", "single:temperature=0.5"], concurrency=8)
    await run_eval(config, out=tmp_path / "run", backend=FakeBackend(knowing))
    with ResultStore(tmp_path / "run" / "store.sqlite") as store:
        assert [store.wall_seconds(cell.number) for cell in store.cells()] == [2.0, 2.0]
        assert store.seconds_at_work() == 2.0


# ── raising ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "num_new", "num_rows"),
    [
        ({"strategies": ["single:temperature=0.5", "single"]}, {"my:a": 3}, 2),
        ({"models": ["my:b", "my:a"]}, {"my:b": 3}, 2),
        ({"budgets": ["tokens=50", "none"]}, {"my:a": 3}, 2),
        ({"limit": 4}, {"my:a": 1}, 1),
        ({"limit": None}, {"my:a": 1}, 1),
        ({"limit": 4, "models": ["my:b", "my:a"], "strategies": ["single", "single:temperature=0.5"]}, None, 4),
        ({"turns": True, "concurrency": 1}, {}, 1),
    ],
)
def test_a_raised_run_does_what_is_new_and_nothing_twice(
    tmp_path: Path,
    engines: Engines,
    changes: dict[str, object],
    num_new: dict[str, int] | None,
    num_rows: int,
) -> None:
    given: dict[str, object] = {"models": ["my:a"], "strategies": ["single"], "limit": 3}
    out = tmp_path / "run"

    @virtual_clock
    async def run(**given: object) -> EvalResult:
        return await run_eval(make_config(tmp_path, **given), out=out, resume=True)

    before = run(**given)
    engines.loaded.clear()
    after = run(**{**given, **changes})
    assert engines.asked() == ({"my:a": 1 + 4, "my:b": 8} if num_new is None else num_new)
    assert len(after.rows) == num_rows
    assert all(row.num_missing == 0 and row.num_correct == row.num_problems for row in after.rows)
    with ResultStore(out / "store.sqlite") as store:
        results = list(store.results())
    assert (
        len({result.key for result in results}) == len(results) == sum(row.num_problems for row in after.rows)
    )
    (same,) = [row for row in after.rows if (row.strategy, row.model, row.budget) == ("single", "my:a", "")]
    assert same.samples >= before.rows[0].samples
    engines.loaded.clear()
    assert run(**{**given, **changes}).rows == after.rows
    assert engines.loaded == []
    if num_rows > 1:
        with pytest.raises(ConfigError, match="which is gone"):
            run(**given)


@virtual_clock
async def test_rows_that_only_change_places_start_nothing(tmp_path: Path, engines: Engines) -> None:
    strategies, out = ["single", "single:temperature=0.5"], tmp_path / "run"
    one = await run_eval(make_config(tmp_path, strategies=strategies), out=out)
    engines.loaded.clear()
    other = await run_eval(make_config(tmp_path, strategies=strategies[::-1]), out=out, resume=True)
    assert engines.loaded == []
    assert list(other.rows) == list(one.rows)[::-1]


@virtual_clock
async def test_raising_the_limit_of_changed_data_is_refused(tmp_path: Path, engines: Engines) -> None:
    out = tmp_path / "run"
    await run_eval(make_config(tmp_path, limit=2), out=out)
    path = tmp_path / "questions.jsonl"
    path.write_text(path.read_text().replace('"answer": "0"', '"answer": "9"'))
    with pytest.raises(ConfigError, match="'q' have changed"):
        await run_eval(make_config(tmp_path, limit=3), out=out, resume=True)


def test_a_raised_replay_replays_its_orders_anew(
    tmp_path: Path, engines: Engines, real_loading: Callable[[Engines], None]
) -> None:
    real_loading(engines)
    bank, out = tmp_path / "bank.sqlite", tmp_path / "again"
    vote = "self_consistency:n=3,stop=never"

    async def record() -> None:
        await run_eval(
            make_config(tmp_path, model="my:a", strategies=[vote], record=str(bank)), out=tmp_path / "run"
        )

    run_replay(record())
    replayed: dict[str, object] = {"model": "my:a", "replay": str(bank), "orders": 2}
    one = evaluate(make_config(tmp_path, **replayed, strategies=[vote], limit=3), out=out)
    two = evaluate(make_config(tmp_path, **replayed, strategies=["single", vote]), out=out, resume=True)
    assert [(row.strategy, row.num_problems) for row in one.rows if not row.is_bound] == [(vote, 3)]
    assert [(row.strategy, row.num_problems) for row in two.rows if not row.is_bound] == [
        ("single", 4),
        (vote, 4),
    ]
    assert all(row.average is not None for row in two.rows if not row.is_bound)
    with TrialStore(out) as trials:
        assert dict(trials.counts()) == {0: 2, 1: 2}
        assert {len(measured.correct) for measured in trials.trials(1).values()} == {4}


# ── recorded samples in place of models ───────────────────────────────────────────────────────────────────


def test_a_bank_takes_the_place_of_all_models_those_that_strategies_ask_too(
    tmp_path: Path, engines: Engines, real_loading: Callable[[Engines], None]
) -> None:
    real_loading(engines)
    given: dict[str, object] = {
        "models": ["my:a", "my:b"],
        "strategies": ["single", "model_switch:model_uris=[null, 'my:b'],n=2"],
    }
    out = tmp_path / "run"

    async def record() -> EvalResult:
        return await run_eval(make_config(tmp_path, **given, record=True), out=out)

    recorded = run_replay(record())
    assert (out / "samples.sqlite").is_file()
    engines.loaded.clear()
    replayed = evaluate(
        make_config(tmp_path, **given, replay=str(out / "samples.sqlite")), out=tmp_path / "again"
    )
    assert engines.loaded == []
    rows = [row for row in replayed.rows if not row.is_bound]
    assert [(r.strategy, r.model, r.num_correct, r.samples) for r in rows] == [
        (r.strategy, r.model, r.num_correct, r.samples) for r in recorded.rows
    ]
    with pytest.raises(ConfigError, match="holds no model called 'other'"):
        evaluate(
            make_config(tmp_path, model="my:other", replay=str(out / "samples.sqlite")), out=tmp_path / "third"
        )


def test_recordings_and_models_do_not_mix(
    tmp_path: Path, engines: Engines, real_loading: Callable[[Engines], None]
) -> None:
    real_loading(engines)
    config = make_config(tmp_path, models=["my:a", "replay:bank.sqlite"])
    with pytest.raises(ConfigError, match="are recordings and some are not"):
        evaluate(config, out=tmp_path / "run")
