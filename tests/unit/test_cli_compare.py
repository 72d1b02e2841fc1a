"""``ttscale compare``: from run directories to a verdict, and every kind of wrong use."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.unit.comparing import Given, GivenRun, make_run
from ttscale.backends import Backend
from ttscale.cli import main
from ttscale.testing import FakeBackend, Reply
from ttscale.types import JSON, Prompt

ROWS = (
    Given(strategy="single", marks="1000" * 10, tokens=100),
    Given(strategy="self_consistency:n=8", marks="1110" * 10, tokens=800),
)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    make_run(Path("a"), GivenRun(rows=ROWS))
    make_run(Path("b"), GivenRun(rows=[Given(strategy="other", marks="1100" * 10, tokens=450)]))
    return tmp_path


def assert_refused(words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", *words, "--json"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert captured.err.count("\n") == 1
    assert sentence in captured.err


def test_json_is_one_document_with_everything(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "a", "b", "--json"]) == 0
    captured = capsys.readouterr()
    document = json.loads(captured.out)
    assert captured.err == ""
    assert [(row["label"], row["run_dir"], row["is_plain_baseline"]) for row in document["rows"]] == [
        ("single", "a", True),
        ("self_consistency:n=8", "a", True),
        ("other", "b", False),
    ]
    assert [row["accuracy"] for row in document["rows"]] == [0.25, 0.75, 0.5]
    assert document["pairs"][0]["verdict"] == "self_consistency:n=8 is better than single"
    (matched,) = [found for found in document["matched"] if found["axis"] == "tokens"]
    assert matched["difference"] == pytest.approx(0.0)
    assert [point["system"] for point in matched["nearest"]] == ["single", "self_consistency:n=8"]
    assert {point["axis"] for point in document["fronts"]} == {"tokens", "seconds"}
    assert (document["unreadable"], document["left_out"], document["baseline"]) == ([], [], None)


def test_the_same_comparison_is_printed_twice_and_another_seed_draws_others(
    capsys: pytest.CaptureFixture[str],
) -> None:
    shown = list[str]()
    for seed in ("1", "1", "2"):
        assert main(["compare", "a", "b", "--seed", seed, "--json"]) == 0
        shown.append(capsys.readouterr().out)
    assert shown[0] == shown[1]
    first, other = (json.loads(text) for text in shown[1:])
    for name in ("p_value", "difference"):
        assert [pair[name] for pair in first["pairs"]] == [pair[name] for pair in other["pairs"]]
    assert first["matched"] != other["matched"]


def test_the_verdict_is_printed_and_markdown_written(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--baseline", "single", "--by", "tokens", "--by", "critical_path", "--md", "out/compared.md"]
    assert main(["compare", "a", "b", *words]) == 0
    captured = capsys.readouterr()
    assert "self_consistency:n=8 is better than single" in captured.out
    assert "at equal critical-path tokens, against the plain majority" in captured.out
    assert "seconds" not in captured.out.partition("points:")[0]
    assert "wrote out/compared.md" in captured.err
    assert (here / "out" / "compared.md").read_text().startswith("# ttscale comparison\n")


def test_a_corrupt_store_is_named_and_the_rest_compared(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "b" / "store.sqlite").write_bytes(b"no database" * 100)
    assert main(["compare", "a", "b", "--json"]) == 1
    captured = capsys.readouterr()
    document = json.loads(captured.out)
    assert len(document["pairs"]) == 1
    assert [entry["what"] for entry in document["unreadable"]] == ["b"]
    assert captured.err.startswith("left out: b: ")
    assert "not a run store" in captured.err


def test_a_store_that_is_corrupt_inside_is_named_too(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    connection = sqlite3.connect(here / "b" / "store.sqlite")
    with connection:
        connection.execute("UPDATE results SET outcome = '{\"answer\": ' WHERE position = 3")
    connection.close()
    assert main(["compare", "a", "b"]) == 1
    captured = capsys.readouterr()
    assert "left out: b: its store is broken (" in captured.err
    assert "self_consistency:n=8 is better than single" in captured.out
    assert_refused(["b"], "there is nothing to compare; 'b': its store is broken", capsys)


def test_nothing_but_corrupt_stores_is_an_error(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "b" / "store.sqlite").unlink()
    assert_refused(["b"], "there is nothing to compare; 'b': 'b' holds no results", capsys)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["nowhere"], "'nowhere' is not a run directory"),
        (["a", "a/../a"], "is given twice"),
        (["a", "--by", "usd"], "--prices FILE"),
        (["a", "--by", "joules"], "--by 'joules' is unknown"),
        (["a", "--baseline", "none"], "--baseline 'none' names no system"),
        (["a", "--md", "a/config.yaml/x.md"], "cannot be written"),
    ],
)
def test_wrong_use_is_one_sentence(words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert_refused(words, sentence, capsys)


def test_runs_of_different_benchmarks_are_refused(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_run(Path("c"), GivenRun(rows=ROWS, benchmark="products"))
    assert_refused(["a", "c"], "'a' and 'c' are of different benchmarks", capsys)


@pytest.mark.parametrize(("seed", "words"), [(1, ["--by-seed"]), (0, [])])
def test_the_same_strategy_of_two_runs_is_told_apart_by_its_directory(
    seed: int, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    make_run(Path("again"), GivenRun(rows=ROWS, settings={"seed": seed}))
    assert main(["compare", "a", "again", *words, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    labels = [row["label"] for row in document["rows"]]
    said = (
        "a and again have strategies in common and the same seed 0: these are compared as systems of their own"
    )
    assert any(note.startswith(said) for note in document["notes"]) == (seed == 0)
    assert labels[:2] == ["single · a", "self_consistency:n=8 · a"]
    assert labels[2:] == ["single · again", "self_consistency:n=8 · again"]


@pytest.mark.parametrize("runs", [["a", "again"], ["again", "a"]])
def test_runs_that_differ_in_their_seed_are_one_system_whatever_their_order(
    runs: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [Given(strategy=row.strategy, marks="0100" * 10, tokens=row.tokens * 3) for row in ROWS]
    make_run(Path("again"), GivenRun(rows=rows, settings={"seed": 1}))
    assert main(["compare", *runs, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    single, majority = document["rows"]
    assert (single["label"], majority["label"]) == ("single", "self_consistency:n=8")
    assert (single["seeds"], single["num_seeds"], single["run_dirs"]) == ([0, 1], 2, ["a", "again"])
    assert (single["seed"], single["run_dir"]) == (None, None)
    assert (single["num_problems"], single["accuracy"], majority["accuracy"]) == (40, 0.25, 0.5)
    assert (single["tokens_per_problem"], single["samples_per_problem"], single["samples"]) == (200, 1, 80)
    (pair,) = document["pairs"]
    assert (pair["difference"], pair["test"]) == (0.25, "sign_flips")
    assert any(note.startswith("Several seeds are one system") for note in document["notes"])
    assert main(["compare", *runs]) == 0
    assert re.search(r"system +│? *seeds", capsys.readouterr().out)


def test_budgets_are_points_of_one_curve(capsys: pytest.CaptureFixture[str]) -> None:
    for name, tokens, marks in (("low", 200, "1000"), ("high", 500, "1110")):
        row = Given(strategy="self_consistency:n=8", marks=marks * 10, tokens=tokens)
        make_run(Path(name), GivenRun(rows=[row], settings={"budget": f"tokens={tokens}"}))
    assert main(["compare", "low", "high", "b", "--by", "tokens", "--json"]) == 0
    (matched,) = json.loads(capsys.readouterr().out)["matched"]
    assert matched["system"] == "other · no budget"
    assert [point["system"] for point in matched["nearest"]] == [
        "self_consistency:n=8 · tokens=200",
        "self_consistency:n=8 · tokens=500",
    ]


def test_a_run_of_the_runner_is_compared(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [json.dumps({"question": f"What is {n} + {n}?", "answer": str(2 * n)}) for n in range(4)]
    (here / "sums.jsonl").write_text("\n".join(lines) + "\n")

    def adding(prompt: Prompt, seed: int, ordinal: int) -> Reply:
        found = re.search(r"What is (\d+)", prompt.question)
        assert found is not None
        n = int(found[1])
        return Reply(f"\\boxed{{{7 if n == 3 else 2 * n}}}", seconds=0.001)

    def load_backend(uri: str, options: Mapping[str, JSON] | None = None) -> Backend:
        return FakeBackend(adding)

    monkeypatch.setattr("ttscale_evals.sources.load_backend", load_backend)
    strategies = ["-s", "single", "-s", "self_consistency:n=3", "-s", "esc:n=4,window=2"]
    assert main(["eval", "-b", "jsonl:path=sums.jsonl", "--out", "run", "--display", "none", *strategies]) == 0
    capsys.readouterr()
    assert main(["compare", "run", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [row["is_plain_baseline"] for row in document["rows"]] == [True, True, False]
    assert [pair["difference"] for pair in document["pairs"]] == [0.0, 0.0, 0.0]
    assert {matched["reference"] for matched in document["matched"]} == {"plain majority"}
