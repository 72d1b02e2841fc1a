"""The reference suite on replayed samples, killed ten times, ends with the table of a run that was not."""

from __future__ import annotations

import json
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from ttscale.backends import Backend
from ttscale.testing import FakeBackend, Reply, run_virtual
from ttscale.testing.fake import TOY
from ttscale.types import JSON, Prompt
from ttscale_evals.config import EvalConfig
from ttscale_evals.plan import make_plan
from ttscale_evals.result import load_rows
from ttscale_evals.runner import run_eval
from ttscale_evals.store import ResultStore, RunDirectory

pytestmark = pytest.mark.integration

SUITE = Path(__file__).parents[2] / "configs" / "reference.yaml"
LIMIT = 6
NUM_KILLS = 10


def answering(targets: Mapping[str, str]) -> Callable[[Prompt, int, int], Reply]:
    """Answer by question and seed alone: rightly in two of five samples."""

    def rule(prompt: Prompt, seed: int, ordinal: int) -> Reply:
        draw = random.Random(f"{prompt.question} {seed}")
        answer = targets[prompt.question] if draw.random() < 0.4 else str(draw.randrange(20))
        thought = "so " * draw.randrange(1, 12)
        return Reply(f"{thought}\\boxed{{{answer}}}", seconds=draw.uniform(0.1, 3.0))

    return rule


def record(bank: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Record what the suite asks of its models, each of them scripted."""
    config = EvalConfig.load(SUITE, {"limit": LIMIT, "record": str(bank)})
    problems = [problem for cell in make_plan(config).cells for problem in cell.problems]
    script = answering({problem.prompt.question: str(problem.target) for problem in problems})

    def scripted(uri: str, options: Mapping[str, JSON] | None = None) -> Backend:
        return FakeBackend(script, profile=replace(TOY, name=uri))

    with monkeypatch.context() as patch:
        patch.setattr("ttscale_evals.sources.load_backend", scripted)
        result = run_virtual(run_eval(config, out=bank.parent / "recorded"))
    assert not result.failures


def command(bank: Path, out: Path) -> list[str]:
    words = ["eval", str(SUITE), "--replay", str(bank), "--limit", str(LIMIT), "--out", str(out), "--resume"]
    return [sys.executable, "-m", "ttscale", *words, "--display", "none", "--json"]


def num_results(out: Path) -> int:
    if not RunDirectory(out).is_run:
        return 0
    with closing(sqlite3.connect(f"file:{out / 'store.sqlite'}?mode=ro", uri=True)) as connection:
        return int(connection.execute("SELECT COUNT(*) FROM results").fetchone()[0])


def kill_at_work(bank: Path, out: Path, draw: random.Random, num_new: int) -> None:
    """Start the run, and kill it some milliseconds after so many further results."""
    wanted = num_results(out) + num_new
    with subprocess.Popen(command(bank, out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while num_results(out) < wanted:
            assert process.poll() is None, "it ended before it was killed"
            time.sleep(0.002)
        time.sleep(draw.uniform(0.0, 0.05))
        assert process.poll() is None, "it ended before it was killed"
        process.kill()
    assert process.returncode == -signal.SIGKILL


def table(out: Path) -> list[JSON]:
    """Return the rows without what clocks had a part in."""
    return [rounded(replace(row, wall_seconds=0.0).to_json()) for row in load_rows(out)]


def rounded(document: JSON) -> JSON:
    if isinstance(document, Mapping):
        return {name: rounded(value) for name, value in document.items()}
    return round(document, 6) if isinstance(document, float) else document


def traced_tokens(out: Path) -> Mapping[int, int]:
    """Add up the tokens of every sample that a trace knows, by cell."""
    found = Counter[int]()
    with ResultStore(RunDirectory(out).store_path) as store:
        for trace in store.traces():
            for span in trace.spans:
                attributes = span["attributes"]
                assert isinstance(attributes, Mapping)
                if span["kind"] == "sample":
                    found[trace.cell] += sum(tokens(attributes))
    return found


def tokens(attributes: Mapping[str, JSON]) -> Iterator[int]:
    for name in ("prompt_computed", "generated"):
        value = attributes[name]
        assert isinstance(value, int)
        yield value


def test_the_reference_suite_killed_ten_times_gives_the_table_of_an_uninterrupted_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bank, out, whole = tmp_path / "samples.sqlite", tmp_path / "run", tmp_path / "whole"
    record(bank, monkeypatch)
    draw, plan = random.Random(5), make_plan(EvalConfig.load(SUITE, {"limit": LIMIT}))
    planned = sum(len(cell.problems) for cell in plan.cells)
    done = set[tuple[str, int]]()
    for number in range(NUM_KILLS):
        kill_at_work(bank, out, draw, draw.randrange(1, 2 * planned // (3 * NUM_KILLS)))
        with ResultStore(RunDirectory(out).store_path) as store:
            after = {(result.key, result.attempt) for result in store.results()}
        assert done < after, f"kill {number}: a committed result was lost"
        done = after
    assert len(done) < planned, "it was done before the last kill"
    for directory in (out, whole):
        said = subprocess.run(command(bank, directory), capture_output=True, text=True, check=True).stdout
        assert json.loads(said)["failures"] == []

    assert table(out) == table(whole)
    with ResultStore(RunDirectory(out).store_path) as store:
        cells, results = RunDirectory(out).cells(store), list(store.results())
        assert list(store.results(superseded=True)) == []
    places = Counter((result.cell, result.problem_id) for result in results)
    assert len(places) == len(results) == planned, "a problem is missing, or there twice"
    ours = [row for row in load_rows(out) if not row.is_bound]
    rows = {(row.benchmark, row.strategy, row.model, row.budget): row for row in ours}
    assert len(rows) == len(ours) == len(cells), "a row is missing, or there twice"
    assert {cell.number: rows[cell.identity].tokens for cell in cells} == traced_tokens(out)
    assert traced_tokens(out) == traced_tokens(whole)
