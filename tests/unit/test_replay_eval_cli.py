"""``ttscale eval --replay``: from a file of recorded samples to tables, and every kind of wrong use."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from tests.unit.eval_bench import EVAL, ROW_KEYS, assert_refused
from ttscale.cli import main


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of its own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def pool(here: Path) -> str:
    """Recorded samples of two models: three problems, four samples each, the right answer is 4."""
    answers = {"p": ("4", "4", "5", "4"), "q": ("5", "4", "4", None), "r": ("6", "5", "6", "6")}
    rows = [
        {
            "model": model,
            "benchmark": "b",
            "problem": problem,
            "prediction": said,
            "length": 10 * at,
            "target": "4",
        }
        for model in ("one", "two")
        for problem, samples in answers.items()
        for at, said in enumerate(samples, start=1)
    ]
    (here / "pool.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return "pool.jsonl"


REPLAY = ["--out", "run", "--display", "none"]


def test_strategies_are_compared_on_recorded_samples(
    pool: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["eval", "--replay", pool, "--strategy", "single", "--orders", "2", *REPLAY, "--json"]) == 0
    captured = capsys.readouterr()
    document = json.loads(captured.out)
    assert document["run_dirs"] == ["run/one", "run/two"]
    singles = [row for row in document["rows"] if row["strategy"] == "single"]
    assert [row["model"] for row in singles] == ["one", "two"]
    for row in singles:
        assert row.keys() >= ROW_KEYS | {"samples", "matched"}
        assert row["accuracy"] == pytest.approx(1 / 3)
        assert row["matched"]["at_equal_tokens"]["difference"] == pytest.approx(0.0)
    assert (
        "resume with: ttscale eval --replay pool.jsonl --strategy single --orders 2 --out run" in captured.err
    )
    for folder in ("run", "run/one"):
        assert "= tokens" in (here / folder / "report.html").read_text()


@pytest.mark.slow
def test_the_tables_of_a_comparison_are_printed_and_the_resume_command_does_nothing_twice(
    pool: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["eval", "--replay", pool, "--orders", "1", *REPLAY]) == 0
    captured = capsys.readouterr()
    assert "one · b (3 problems, one order)" in captured.out
    assert "all models and benchmarks, in the recorded order" in captured.out
    assert "left out: esc:n=4,window=4 (two): it takes 5 samples" in captured.err
    before = (here / "run" / "one" / "store.sqlite").read_bytes()
    command = captured.out.strip().splitlines()[-1].split("resume with: ")[1]
    assert main([*shlex.split(command)[1:], "--display", "none"]) == 0
    assert capsys.readouterr().out == captured.out
    assert (here / "run" / "one" / "store.sqlite").read_bytes() == before


def test_one_model_is_one_run_that_its_config_repeats(
    pool: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--recorded", "two", "--benchmark", "b", "--strategy", "single", "--limit", "2"]
    assert main(["eval", "--replay", pool, *words, *REPLAY, "--json"]) == 0
    first = json.loads(capsys.readouterr().out)
    assert first["run_dirs"] == ["run"]
    assert main(["eval", "run/config.yaml", "--out", "again", "--display", "none", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == first["rows"]
    assert first["rows"][0]["num_problems"] == 2
    assert main(["report", "run", "again", "--json"]) == 0


def test_a_refused_row_is_listed_and_exits_with_1(pool: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--recorded", "one", "--strategy", "self_consistency:n=9", "--strategy", "single"]
    assert main(["eval", "--replay", pool, *words, *REPLAY]) == 1
    captured = capsys.readouterr()
    assert "refused (one, b): self_consistency:n=9 cannot be replayed on the problem 'p': " in captured.out
    (failed,) = [line for line in captured.err.splitlines() if line.startswith("failed: ")]
    assert failed.startswith("failed: b p (self_consistency:n=9): ")
    assert "holds 4 whole samples of this prompt, and 9 were asked for" in failed


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--recorded", "three"], "no model called 'three'; it holds 'one'"),
        (["--benchmark", "c"], "has no benchmark 'c'; it has: 'b'"),
        (["--strategy", "best_of_n"], "ConfidenceVerifier needs logprobs, which the recording of 'one'"),
        (["--orders", "-1"], "--orders must be >= 0, got -1"),
        (
            ["--model", "abacus"],
            "--replay POOL makes its own configuration, so it cannot be joined with --model",
        ),
        (["--budget", "usd=1"], "without the price"),
    ],
)
def test_wrong_words_about_recorded_samples(
    words: list[str], sentence: str, pool: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert_refused(["eval", "--replay", pool, *REPLAY, *words], sentence, capsys)
    assert not (here / "run").exists()


def test_options_of_recorded_samples_without_a_pool(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert_refused([*EVAL, "--recorded", "one"], "name that with --replay POOL", capsys)
    assert_refused(["eval", "--replay", "nowhere.jsonl"], "there is no data file", capsys)
    (here / "config.yaml").write_text("benchmarks: ['jsonl:path=sums.jsonl']\n")
    sentence = "there is no data file"
    assert_refused(["eval", "config.yaml", "--replay", "nowhere.jsonl", "--out", "run"], sentence, capsys)
    assert_refused(["eval", "--replay", "pool.jsonl", "--dry-run"], "a replay takes none", capsys)
    words = ["--replay", "pool.jsonl", "--budget", "tokens=1", "--budget", "tokens=2"]
    assert_refused(["eval", *words], "takes one --budget", capsys)
