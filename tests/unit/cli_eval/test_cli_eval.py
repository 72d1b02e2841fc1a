"""``ttscale eval``: from a data file to a leaderboard."""

from __future__ import annotations

import csv
import json
import re
import shlex
from pathlib import Path

import pytest

from tests.unit.eval_bench import EVAL, ROW_KEYS, UseBackend, adding, assert_refused
from ttscale.cli import main
from ttscale.testing import FakeBackend, Reply
from ttscale.types import Problem, Prompt
from ttscale.workers import Workers
from ttscale_evals.benchmarks.base import Grade
from ttscale_evals.benchmarks.jsonl import JsonlBenchmark


def test_json_holds_the_rows_and_nothing_else_is_printed(
    use_backend: UseBackend, capfd: pytest.CaptureFixture[str]
) -> None:
    use_backend(FakeBackend(adding))
    words = ["--strategy", "single", "--strategy", "self_consistency:n=3", "--model", "my:model", "--json"]
    assert main([*EVAL, *words]) == 0
    document = json.loads(capfd.readouterr().out)
    assert [row["strategy"] for row in document["rows"]] == ["single", "self_consistency:n=3"]
    for row in document["rows"]:
        assert row.keys() >= ROW_KEYS
        assert row["accuracy"] == 0.75
        assert row["accuracy_low"] < 0.75 < row["accuracy_high"]
        assert row["num_problems"] == 4
        assert row["model"] == "my:model"
        assert row["errors"] == 0


def test_the_leaderboard_is_printed_and_the_reports_are_written(
    use_backend: UseBackend, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    use_backend(FakeBackend(adding))
    assert main([*EVAL, "--strategy", "single"]) == 0
    shown = capsys.readouterr().out
    assert "75.0 % [30.1, 95.4]" in shown
    last = shown.strip().splitlines()[-1]
    assert last == (
        "Results and report.html are in run; resume with: ttscale eval run/config.yaml --out run --resume"
    )
    assert "75.0 %" in (here / "run" / "report.md").read_text()
    assert 'id="packets"' in (here / "run" / "report.html").read_text()
    with (here / "run" / "rows.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert row["accuracy"] == "0.75"


def test_the_resume_command_runs_as_it_is_written_and_does_nothing_twice(
    use_backend: UseBackend, capsys: pytest.CaptureFixture[str]
) -> None:
    use_backend(FakeBackend(adding))
    assert main([*EVAL, "--strategy", "single"]) == 0
    command = capsys.readouterr().out.strip().splitlines()[-1].split("resume with: ")[1]
    again = FakeBackend(adding)
    use_backend(again)
    assert main(shlex.split(command)[1:]) == 0
    assert not again.requests
    assert "75.0 %" in capsys.readouterr().out


def test_resume_finds_the_config_in_the_run_directory(
    use_backend: UseBackend, capsys: pytest.CaptureFixture[str]
) -> None:
    use_backend(FakeBackend(adding))
    assert main([*EVAL, "--strategy", "single"]) == 0
    assert main(["eval", "--out", "run", "--resume", "--json"]) == 0
    assert '"accuracy": 0.75' in capsys.readouterr().out


def test_the_config_of_a_run_is_enough_to_resume_it(
    use_backend: UseBackend, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    use_backend(FakeBackend(adding))
    assert main([*EVAL, "--strategy", "single"]) == 0
    capsys.readouterr()
    again = FakeBackend(adding)
    use_backend(again)
    assert main(["eval", "run/config.yaml", "--resume", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["run_dir"] == "run"
    assert not again.requests
    assert sorted(path.name for path in here.iterdir()) == ["run", "sums.jsonl"]


def test_the_default_directory_is_named_after_the_time(
    use_backend: UseBackend, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    use_backend(FakeBackend(adding))
    words = ["eval", "-b", "jsonl:path=sums.jsonl", "--limit", "1", "--display", "none"]
    assert main(words) == 0
    assert main(words) == 0
    names = sorted(path.name for path in (here / "runs").iterdir())
    assert len(names) == 2
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d(_2)?", name) for name in names)
    assert f"runs/{names[-1]}" in capsys.readouterr().out


def test_options_win_over_the_config_file(
    use_backend: UseBackend, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "config.yaml").write_text(
        "model: from:file\nlimit: 1\nbenchmarks: ['jsonl:path=sums.jsonl']\nstrategies: [single]\n"
    )
    use_backend(FakeBackend(adding))
    words = ["--limit", "2", "--log-dir", "run", "--max-connections", "1", "--display", "none", "--json"]
    assert main(["eval", "config.yaml", *words]) == 0
    (row,) = json.loads(capsys.readouterr().out)["rows"]
    assert (row["num_problems"], row["model"], row["strategy"]) == (2, "from:file", "single")


def test_failed_problems_are_listed_and_exit_with_1(
    use_backend: UseBackend, capsys: pytest.CaptureFixture[str]
) -> None:
    def failing(prompt: Prompt, seed: int, ordinal: int) -> Reply:
        return (
            Reply("x", error="engine\x1b[2J broke")
            if "2 + 2" in prompt.question
            else adding(prompt, seed, ordinal)
        )

    use_backend(FakeBackend(failing))
    assert main([*EVAL, "--strategy", "single", "--json"]) == 1
    captured = capsys.readouterr()
    (row,) = json.loads(captured.out)["rows"]
    assert (row["errors"], row["accuracy"], row["num_problems"]) == (1, 0.5, 4)
    (failed,) = [line for line in captured.err.splitlines() if line.startswith("failed: ")]
    assert failed.startswith("failed: jsonl:path=sums.jsonl ")
    assert failed.endswith("(single): engine broke")


def test_answers_that_were_not_judged_are_listed_and_exit_with_1(
    use_backend: UseBackend, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    reasons = {"0": "timeout", "2": "grader failed: ValueError"}

    async def grade(self: object, problem: Problem, answer: str | None, workers: Workers) -> Grade:
        reason = reasons.get(answer or "", "")
        return Grade(correct=not reason, value=None, reason=reason)

    monkeypatch.setattr(JsonlBenchmark, "grade", grade)
    use_backend(FakeBackend(adding))
    assert main([*EVAL, "--strategy", "single", "--json"]) == 1
    captured = capsys.readouterr()
    document = json.loads(captured.out)
    assert (document["is_complete"], document["failures"]) == (False, [])
    said = [line for line in captured.err.splitlines() if line.startswith("not judged: ")]
    assert [line.partition("(single): ")[2] for line in said] == ["grader timeout", "grader failed: ValueError"]
    assert [entry["error"] for entry in document["not_judged"]] == [
        "grader timeout",
        "grader failed: ValueError",
    ]
    assert [line.split()[2] for line in said] == ["jsonl:path=sums.jsonl"] * 2


def test_a_model_comes_from_the_environment_and_the_command_line_wins(
    use_backend: UseBackend, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    use_backend(FakeBackend(adding))
    monkeypatch.setenv("TTSCALE_EVAL_MODEL", "hf:abacus")
    monkeypatch.setenv("TTSCALE_EVAL_STRATEGY", "single  self_consistency:n=3,temperature=0.5")
    monkeypatch.setenv("TTSCALE_EVAL_JSON", "1")
    assert main(EVAL) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [(row["model"], row["strategy"]) for row in rows] == [
        ("hf:abacus", "single"),
        ("hf:abacus", "self_consistency:n=3,temperature=0.5"),
    ]
    assert main([*EVAL, "--out", "other", "--model", "my:b"]) == 0
    assert {row["model"] for row in json.loads(capsys.readouterr().out)["rows"]} == {"my:b"}


def test_interrupting_keeps_what_is_done_and_says_how_to_go_on(
    use_backend: UseBackend, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupting(prompt: Prompt, seed: int, ordinal: int) -> Reply:
        if ordinal == 2:
            raise KeyboardInterrupt
        return adding(prompt, seed, ordinal)

    use_backend(FakeBackend(interrupting))
    assert main([*EVAL, "--strategy", "single", "--concurrency", "1"]) == 130
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert (
        said == "interrupted; what is done is kept. Go on with: ttscale eval run/config.yaml --out run --resume"
    )
    rest = FakeBackend(adding)
    use_backend(rest)
    assert main(["eval", "--out", "run", "--resume", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["rows"]
    assert (row["num_problems"], row["accuracy"]) == (4, 0.75)
    assert len(rest.records) == 2


def test_progress_is_plain_lines_where_there_is_no_terminal(
    use_backend: UseBackend, capsys: pytest.CaptureFixture[str]
) -> None:
    use_backend(FakeBackend(adding))
    assert main([*EVAL[:-2], "--strategy", "single"]) == 0
    lines = [line for line in capsys.readouterr().err.splitlines() if " · " in line]
    assert lines[0].startswith("0/4 · ")
    assert lines[-1].startswith("4/4 · ")
    assert lines[-1].endswith("jsonl:path=sums.jsonl, single")


def test_a_price_file_gives_rows_dollars_and_limits_them(
    use_backend: UseBackend, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "prices.yaml").write_text("date: '2026-11-01'\nmodels: {abacus: {prompt: 1, generated: 2}}\n")
    use_backend(FakeBackend(adding))
    assert main([*EVAL, "--prices", "prices.yaml", "--budget", "usd=0.01", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["rows"]
    assert row["usd"] == pytest.approx((row["prompt_tokens_computed"] + 2 * row["generated_tokens"]) / 1e6)
    table = json.loads((here / "run" / "run.json").read_text())["prices"]
    price = {"prompt": 1, "generated": 2, "prompt_cached": None}
    assert table == {"date": "2026-11-01", "models": {"abacus": price, "fake": price}}
    capsys.readouterr()
    use_backend(FakeBackend(adding))
    assert_refused(
        [*EVAL, "--out", "other", "--prices", "prices.yaml", "--budget", "usd=1e-9"], "raise usd", capsys
    )


# ── sweeps ────────────────────────────────────────────────────────────────────────────────────────────────


def test_models_and_budgets_may_be_repeated(
    use_backend: UseBackend, capsys: pytest.CaptureFixture[str]
) -> None:
    use_backend(FakeBackend(adding))
    words = ["--model", "my:a", "--budget", "none", "--budget", "tokens=99", "--turns"]
    assert main([*EVAL, *words, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [(row["model"], row["budget"]) for row in rows] == [("my:a", ""), ("my:a", "tokens=99")]
    assert (
        main(["eval", "run/config.yaml", "--dry-run", "--model", "abacus", "--model", "abacus-s", "--out", "x"])
        == 0
    )
    shown = capsys.readouterr().out
    assert "abacus-s" in shown
    assert "tokens=99" in shown


def test_a_config_is_raised_and_what_is_recorded_is_reused(
    use_backend: UseBackend, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = here / "suite.yaml"
    config.write_text("model: my:a\nlimit: 2\nbenchmarks: ['jsonl:path=sums.jsonl']\nstrategies: [single]\n")
    command = ["eval", "suite.yaml", "--out", "run", "--resume", "--display", "none", "--json"]
    use_backend(FakeBackend(adding))
    assert main(command) == 0
    before = json.loads(capsys.readouterr().out)["rows"]
    config.write_text(
        config.read_text()
        .replace("limit: 2", "limit: 4")
        .replace("[single]", "['single:temperature=0', single]")
    )
    again = FakeBackend(adding)
    use_backend(again)
    assert main(command) == 0
    other, same = json.loads(capsys.readouterr().out)["rows"]
    assert len(again.requests) == 4 + 2
    assert (other["num_problems"], same["num_problems"], same["num_correct"]) == (4, 4, 3)
    assert same["tokens"] > before[0]["tokens"]
    config.write_text(config.read_text().replace(", single]", "]"))
    assert main(command) == 2
    assert "strategies had 'single', which is gone" in capsys.readouterr().err


def test_a_config_runs_on_recorded_samples(
    use_backend: UseBackend, here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "suite.yaml").write_text(
        "models: [my:fake]\nrecord: true\nbenchmarks: ['jsonl:path=sums.jsonl']\n"
        "strategies: ['self_consistency:n=3']\n"
    )
    with monkeypatch.context() as patch:
        backend = FakeBackend(adding)
        patch.setattr("ttscale_evals.sources.load_backend", lambda *_: backend)
        assert main(["eval", "suite.yaml", "--out", "run", "--display", "none"]) == 0
    words = [
        "eval",
        "suite.yaml",
        "--replay",
        "run/samples.sqlite",
        "--out",
        "again",
        "--display",
        "none",
        "--json",
    ]
    capsys.readouterr()
    assert main(words) == 0
    rows = [row for row in json.loads(capsys.readouterr().out)["rows"] if not row["is_bound"]]
    assert [(row["model"], row["num_correct"], row["samples"]) for row in rows] == [("my:fake", 3, 12)]
    assert not (here / "again" / "samples.sqlite").exists()
