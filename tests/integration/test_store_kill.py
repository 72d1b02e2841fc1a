"""A run that is killed again and again, wherever it is, ends like one that was not."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
import yaml

from ttscale_evals.result import load_rows
from ttscale_evals.store import Result, ResultStore, RunDirectory

pytestmark = pytest.mark.integration

SCRIPT = Path(__file__).with_name("slow_eval.py")
NUM_PROBLEMS = 120
STRATEGIES = {"single": 1, "self_consistency:n=3,stop=never": 3}
"""Strategies and the samples that each draws for a problem."""


def write_config(folder: Path) -> Path:
    questions = folder / "questions.jsonl"
    rows = ({"id": f"q{i}", "question": f"q{i}", "answer": str(i)} for i in range(NUM_PROBLEMS))
    questions.write_text("".join(json.dumps(row) + "\n" for row in rows))
    benchmark = {"name": "jsonl", "params": {"path": str(questions), "instruction": ""}, "label": "numbers"}
    path = folder / "config.yaml"
    path.write_text(
        yaml.safe_dump({"benchmarks": [benchmark], "strategies": list(STRATEGIES), "concurrency": 4})
    )
    return path


def start(config: Path, out: Path, log: Path, point: str = "") -> subprocess.Popen[str]:
    command = [sys.executable, str(SCRIPT), str(config), str(out), str(log), point]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def run_to_the_end(config: Path, out: Path, log: Path) -> None:
    with start(config, out, log) as process:
        process.communicate()
    assert process.returncode == 0


def kill_after(config: Path, out: Path, log: Path, seconds: float) -> None:
    """Start a run, and kill it so long after its first problem was done."""
    with start(config, out, log) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(seconds)
        process.kill()


def die_at(config: Path, out: Path, log: Path, point: str) -> None:
    with start(config, out, log, point) as process:
        process.communicate()
    assert process.returncode == -9, f"never came to {point}"


def results(out: Path) -> dict[tuple[int, str], Result]:
    if not RunDirectory(out).is_run:
        return {}
    with ResultStore(RunDirectory(out).store_path) as store:
        found = [*store.results(), *store.results(superseded=True)]
    assert max(Counter((r.cell, r.problem_id) for r in found).values(), default=1) == 1
    return {(r.cell, r.problem_id): r for r in found}


def timeless(result: Result) -> tuple[object, ...]:
    outcome = result.outcome
    usage = (outcome.usage.generated, outcome.usage.prompt_computed, outcome.usage.calls)
    return result.key, result.grade, outcome.answer, outcome.text, outcome.stop_reason, usage


def test_a_run_killed_at_any_moment_loses_nothing_and_does_nothing_twice(tmp_path: Path) -> None:
    config, out, whole = write_config(tmp_path), tmp_path / "run", tmp_path / "whole"
    draw, done = random.Random(20), dict[tuple[int, str], Result]()
    for number in range(9):
        log = tmp_path / f"asked-{number}.log"
        log.touch()
        if number < 2:
            die_at(config, out, log, ("before-config", "after-config")[number])
        elif number == 4:
            die_at(config, out, log, "inside-commit")
        else:
            kill_after(config, out, log, draw.uniform(0.0, 0.25))
        after = results(out)
        assert done.items() <= after.items(), "a committed result was lost or changed"
        asked = Counter(log.read_text().split())
        for _, problem in done:
            left = (n for cell, n in enumerate(STRATEGIES.values()) if (cell, problem) not in done)
            assert asked[problem] <= sum(left), "a finished problem was done again"
        done = after
    assert 0 < len(done) < len(STRATEGIES) * NUM_PROBLEMS, "killed too early or too late to prove anything"
    run_to_the_end(config, out, tmp_path / "last.log")
    run_to_the_end(config, whole, tmp_path / "whole.log")
    final, expected = results(out), results(whole)
    assert len(final) == len(STRATEGIES) * NUM_PROBLEMS
    assert done.items() <= final.items()
    assert {place: timeless(result) for place, result in final.items()} == {
        place: timeless(result) for place, result in expected.items()
    }
    assert [row.accuracy for row in load_rows(out)] == [row.accuracy for row in load_rows(whole)]
