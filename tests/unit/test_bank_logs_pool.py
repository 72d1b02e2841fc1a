"""Logs of others and lm-eval files in ``ttscale pool``: imported, shown, exported, replayed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit import test_bank_logs_inspect as inspect_logs
from tests.unit import test_bank_logs_tau2 as tau2_logs
from tests.unit.pool_bench import Bench


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Bench:
    return Bench(tmp_path, monkeypatch, capfd)


def log(path: Path) -> Path:
    said = ("\\boxed{8}", "\\boxed{9}")
    samples = [
        inspect_logs.member(7, epoch, text, scores={"match": {"value": value, "answer": text[7]}})
        for epoch, (text, value) in enumerate(zip(said, "CI", strict=True), start=1)
    ]
    return inspect_logs.write(path, *samples)


def test_a_log_is_imported_and_its_grades_are_said(bench: Bench) -> None:
    log(bench.path / "a.eval")
    said = bench.run("import", "a.eval", "--into", "p.sqlite")
    assert said.out == "2 samples added; p.sqlite holds 2.\n"
    assert said.err.splitlines()[:2] == [
        "a.eval: Inspect log, 2 samples",
        "a.eval: own grades, kept beside the samples: 1 right, 1 wrong",
    ]
    (model,) = bench.read("show", "p.sqlite")["models"]
    assert (model["name"], model["benchmarks"][0]["accuracy"]) == (inspect_logs.MODEL, 0.5)


def test_a_log_is_replayed_as_it_is(bench: Bench) -> None:
    log(bench.path / "a.eval")
    (row,) = bench.read("replay", "a.eval", "-s", "self_consistency:n=2")["rows"]
    assert (row["problem"], row["target"], row["samples"], row["generated_tokens"]) == ("7", "8", 2, 10)
    assert (row["answer"], row["seconds"], row["error"]) == ("8", 2.5, None)


def test_failed_samples_are_not_replayed_as_others(bench: Bench) -> None:
    failed = inspect_logs.member(7, 2, error={"message": "lost"})
    inspect_logs.write(bench.path / "a.eval", inspect_logs.member(7, 1), failed)
    (row,) = bench.read("replay", "a.eval", "-s", "self_consistency:n=2", status=1)["rows"]
    assert "holds 1 whole samples of this prompt (and 1 that were stopped or failed)" in row["error"]


def test_results_of_agents_are_replayed(bench: Bench) -> None:
    tau2_logs.write(bench.path / "results.json", tau2_logs.results(tau2_logs.run()))
    (row,) = bench.read("replay", "results.json", "-s", "single")["rows"]
    assert (row["benchmark"], row["generated_tokens"], row["seconds"]) == ("tau2/airline", 10, 12.5)


def test_an_lm_eval_file_is_written_and_read(bench: Bench) -> None:
    log(bench.path / "a.eval")
    words = ("--format", "lm-eval", "--recorded", inspect_logs.MODEL, "-b", "sums")
    assert bench.read("export", "a.eval", "samples_sums.jsonl", *words)["num_samples"] == 2
    line = json.loads((bench.path / "samples_sums.jsonl").read_text())
    assert (line["exact_match"], line["filtered_resps"]) == (0.5, [["8", "9"]])
    (row,) = bench.read("replay", "samples_sums.jsonl", "-s", "self_consistency:n=2")["rows"]
    assert (row["problem"], row["answer"], row["seconds"]) == ("7", "8", 2.5)


def test_choices_that_our_own_form_does_not_know_are_refused(bench: Bench) -> None:
    log(bench.path / "a.eval")
    assert "add --format lm-eval, or leave" in bench.refuse("export", "a.eval", "o.jsonl", "-b", "sums")
    refused = bench.refuse("export", "a.eval", "o.jsonl", "--format", "lm-eval", "--recorded", "x")
    assert "no model called 'x'" in refused


def test_nothing_is_imported_where_one_log_is_damaged(bench: Bench) -> None:
    log(bench.path / "a.eval")
    (bench.path / "b.eval").write_bytes(b"gone")
    assert "'b.eval' begins with b'gone'" in bench.refuse("import", "a.eval", "b.eval", "--into", "p.sqlite")
    assert "p.sqlite" not in bench.files()
