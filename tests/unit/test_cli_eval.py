"""``ttscale eval`` and ``ttscale report``: from a data file to a leaderboard, and every kind of wrong use."""

from __future__ import annotations

import csv
import json
import re
import shlex
import socket
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from ttscale.backends import Backend, Capabilities
from ttscale.cli import main
from ttscale.testing import FakeBackend, Reply
from ttscale.types import JSON, Prompt

ROW_KEYS = {
    *("benchmark", "strategy", "model", "num_problems", "accuracy", "accuracy_low", "accuracy_high"),
    *("generated_tokens", "prompt_tokens_computed", "prompt_tokens_cached", "cancelled_tokens"),
    *("verifier_tokens", "flops", "latency_p50_seconds", "latency_p95_seconds", "critical_path_tokens"),
    *("wall_seconds", "errors"),
}

UseBackend = Callable[[Backend], None]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of its own, with a data file of four sums."""
    monkeypatch.chdir(tmp_path)
    lines = [json.dumps({"question": f"What is {n} + {n}?", "answer": str(2 * n)}) for n in range(4)]
    (tmp_path / "sums.jsonl").write_text("\n".join(lines) + "\n")
    return tmp_path


@pytest.fixture
def use_backend(monkeypatch: pytest.MonkeyPatch) -> UseBackend:
    """Let every model URI mean one backend."""

    def use(backend: Backend) -> None:
        def load_backend(uri: str, options: Mapping[str, JSON] | None = None) -> Backend:
            return backend

        monkeypatch.setattr("ttscale_evals.sources.load_backend", load_backend)

    return use


def adding(prompt: Prompt, seed: int, ordinal: int) -> Reply:
    """Add rightly, but take 3 + 3 for 7."""
    found = re.search(r"What is (\d+)", prompt.question)
    assert found is not None
    n = int(found[1])
    return Reply(f"\\boxed{{{7 if n == 3 else 2 * n}}}", seconds=0.001)


EVAL = ["eval", "--benchmark", "jsonl:path=sums.jsonl", "--out", "run", "--display", "none"]


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


# ── wrong use: one sentence that names the mend, exit status 2, nothing lost ──────────────────────────────────


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--strategy", "singel"], "No strategy is called 'singel'; did you mean 'single'?"),
        (["--strategy", "best_of_n:m=4"], "strategy 'best_of_n' has no parameter 'm'; it has: n, verifier"),
        (["--strategy", "best_of_n:n=many"], "strategy 'best_of_n': n='many' is wrong"),
        (["--strategy", "best_of_n:4"], "'4' in 'best_of_n:4' is not key=value"),
        (["--benchmark", "no_such_set"], "No benchmark is called 'no_such_set'"),
        (["--benchmark", "jsonl:path=nowhere.jsonl"], "nowhere.jsonl"),
        (["--budget", "tokens=1"], "; raise tokens in the budget to at least "),
        (["--budget", "usd=1"], "without the price of 'abacus'; name a price file with --prices FILE"),
        (["--prices", "nowhere.yaml"], "nowhere.yaml' cannot be read"),
        (["--limit", "0"], "limit=0 is wrong"),
        (["--display", "3d"], "--display '3d' is unknown; choose one of auto, bar, plain, none."),
    ],
)
def test_wrong_words(
    words: list[str], sentence: str, use_backend: UseBackend, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    backend = FakeBackend(adding)
    use_backend(backend)
    assert_refused([*EVAL, *words], sentence, capsys)
    assert not backend.requests
    assert not (here / "run").exists()


def assert_refused(words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words, "--json"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert captured.err.count("\n") == 1
    assert sentence in captured.err


def test_a_model_without_what_the_strategy_needs(
    use_backend: UseBackend, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    use_backend(FakeBackend(adding, capabilities=Capabilities(token_ids=True, seeds=True)))
    assert_refused([*EVAL, "--strategy", "best_of_n"], "ConfidenceVerifier needs logprobs", capsys)
    assert not (here / "run").exists()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("benchmarks: [unclosed\n", "is not YAML"),
        ("- a list\n", "must hold keys and values"),
        ("benchmarks: [countdown]\nstrategie: [single]\n", "the key 'strategie' is unknown"),
        ("model: abacus\n", "'benchmarks' is missing"),
        ("benchmarks: [countdown]\n\nlimit: many\n", "line 3 of 'config.yaml'"),
    ],
)
def test_a_broken_config_file(text: str, sentence: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "config.yaml").write_text(text)
    assert_refused(["eval", "config.yaml", "--out", "run"], sentence, capsys)


def test_a_config_file_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert_refused(
        ["eval", "nowhere.yaml"],
        "'nowhere.yaml' cannot be read: No such file or directory; check the path.",
        capsys,
    )


def test_nothing_to_evaluate(capsys: pytest.CaptureFixture[str]) -> None:
    assert_refused(["eval"], "there is nothing to evaluate; give a config file, or a benchmark", capsys)


def test_resume_without_a_directory(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["eval", "--benchmark", "jsonl:path=sums.jsonl", "--resume"]
    sentence = "--resume does not know which run; name its directory with --out DIR."
    assert_refused(words, sentence, capsys)
    (here / "config.yaml").write_text("benchmarks: ['jsonl:path=sums.jsonl']\n")  # of no run
    assert_refused(["eval", "config.yaml", "--resume"], sentence, capsys)
    assert sorted(path.name for path in here.iterdir()) == ["config.yaml", "sums.jsonl"]


def test_a_directory_that_holds_another_run_is_left_as_it_is(
    use_backend: UseBackend, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    use_backend(FakeBackend(adding))
    assert main([*EVAL, "--strategy", "single"]) == 0
    capsys.readouterr()
    before = {path.name: path.read_bytes() for path in (here / "run").iterdir()}
    assert_refused([*EVAL, "--strategy", "single"], "holds a run already; add --resume", capsys)
    assert_refused(
        [*EVAL, "--strategy", "single", "--seed", "1", "--resume"], "has another config: seed was 0", capsys
    )
    assert {path.name: path.read_bytes() for path in (here / "run").iterdir()} == before


def test_a_server_that_is_not_there(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}/v1"
    assert_refused([*EVAL, "--model", f"openai:some-model@{url}"], url, capsys)
    assert not (here / "run").exists()


def test_a_data_file_with_a_broken_line(
    use_backend: UseBackend, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (here / "sums.jsonl").open("a") as file:
        file.write('{"question": "What is 4 + 4?", "answer"\n')
    use_backend(FakeBackend(adding))
    sentence = (
        "line 5 of '{}' is not JSON (Expecting ':' delimiter at column 40); mend the line or take it out."
    )
    assert_refused(EVAL, sentence.format(here / "sums.jsonl"), capsys)
    assert not (here / "run").exists()


def test_only_a_replay_has_drawn_orders(
    use_backend: UseBackend, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    use_backend(FakeBackend(adding))
    assert_refused([*EVAL, "--orders", "3"], "orders=3 is of recorded samples only", capsys)
    assert not (here / "run").exists()


# ── report ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_report_draws_runs_anew_and_tells_equal_titles_apart(
    use_backend: UseBackend, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    use_backend(FakeBackend(adding))
    for out in ("first", "second"):
        assert main(["eval", "-b", "jsonl:path=sums.jsonl", "--out", out, "--display", "none"]) == 0
    capsys.readouterr()
    files = ["--html", "out/page.html", "--md", "out/page.md", "--csv", "out/rows.csv"]
    assert main(["report", "first", "second", *files, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [row["model"] for row in document["rows"]] == ["abacus · first", "abacus · second"]
    assert all(row.keys() >= ROW_KEYS for row in document["rows"])
    assert document["runs"][1]["resume"] == "ttscale eval second/config.yaml --out second --resume"
    page = (here / "out" / "page.html").read_text()
    assert "What is 3 + 3?" in page
    assert "abacus · first" in (here / "out" / "page.md").read_text()
    assert len((here / "out" / "rows.csv").read_text().splitlines()) == 3
    assert main(["report", "first"]) == 0
    assert "75.0 % [30.1, 95.4]" in capsys.readouterr().out


def test_a_report_needs_the_store_but_not_the_data(
    use_backend: UseBackend, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    use_backend(FakeBackend(adding))
    assert main([*EVAL, "--strategy", "single"]) == 0
    (here / "sums.jsonl").unlink()
    assert main(["report", "run", "--html", "page.html"]) == 0
    assert "75.0 %" in capsys.readouterr().out
    assert "What is 3 + 3?" in (here / "page.html").read_text()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["report", "nowhere"], "'nowhere' is not a run directory"),
        (["report", "."], "is not a run directory"),
    ],
)
def test_a_report_of_what_is_no_run(
    words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert_refused(words, sentence, capsys)


def test_a_report_that_cannot_be_written(use_backend: UseBackend, capsys: pytest.CaptureFixture[str]) -> None:
    use_backend(FakeBackend(adding))
    assert main([*EVAL, "--strategy", "single"]) == 0
    capsys.readouterr()
    assert_refused(["report", "run", "--md", "sums.jsonl/x.md"], "cannot be written", capsys)


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
