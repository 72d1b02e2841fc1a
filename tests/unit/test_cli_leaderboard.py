"""``ttscale leaderboard``: from a run's directory to a table that can be published and made again."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.unit.comparing import Given, GivenRun, make_run
from ttscale.cli import main
from ttscale.registry import Spec
from ttscale.types import JSON
from ttscale_evals.config import EvalConfig
from ttscale_evals.plan import make_plan

ROWS = (
    Given(strategy="single", marks="1000" * 20, tokens=100, seconds=0.5),
    Given(strategy="self_consistency:n=8", marks="1110" * 20, tokens=900, seconds=2.0),
    Given(strategy="clever:n=4", marks="1111" * 20, tokens=500, seconds=1.0),
    Given(strategy="lavish", marks="11x0" * 20, tokens=5_000, seconds=3.0),
)
ABOUT: Mapping[str, JSON] = {
    "began": "2026-10-01T10:00:00+00:00",
    "revision": "0123456789abcdef0123456789abcdef01234567-dirty",
    "backend": "fake",
    "platform": "Linux-6",
    "python": "3.11.2",
    "packages": {"math-verify": "0.8.0", "vllm": "1.2"},
    "machine": {"processor": "A fast one", "num_cores": 2, "memory_gib": 8.5, "accelerators": []},
}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    make_run(Path("run"), GivenRun(rows=ROWS, about=ABOUT, settings={"limit": 80, "seed": 7}))
    return tmp_path


def written(*words: str) -> str:
    assert main(["leaderboard", *words, "--out", "docs/leaderboard.md"]) == 0
    return Path("docs/leaderboard.md").read_text(encoding="utf-8")


def commands_of(text: str) -> list[list[str]]:
    return [shlex.split(line) for line in text.splitlines() if line.startswith("ttscale eval")]


def test_rows_have_accuracy_cost_commit_and_the_difference_at_equal_tokens() -> None:
    lines = written("run").splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")]
    assert rows[0][0] == "strategy"
    assert [row[0] for row in rows[1:]] == [
        *("**clever:n=4**", r"self\_consistency:n=8", "lavish", "single"),
    ]
    clever, majority, lavish, single = rows[1:]
    assert clever[1:6] == [r"100.0 % \[95.4, 100.0\]", "80", "0", "500", "1.00"]
    # half way between 25 % at 100 and 75 % at 900 tokens
    assert clever[6:8] == ["0123456789ab-dirty", "50.0 %"]
    assert re.fullmatch(r"\+50\.0 \\\[\+4\d\.\d, \+5\d\.\d\\\]", clever[8])
    assert lavish[3] == "20"
    assert lavish[7:] == ["–", "costs more tokens than any measured point"]
    assert majority[7:] == single[7:] == ["", "a plain baseline"]


def test_what_reads_the_reference_answer_is_marked_and_never_bold() -> None:
    oracle = Given(strategy="best_of_n:n=4,verifier=reasoning_gym", marks="1111" * 20, tokens=500, seconds=1.0)
    honest = Given(strategy="best_of_n:n=4,verifier=confidence", marks="1111" * 20, tokens=500, seconds=1.0)
    make_run(Path("marked"), GivenRun(rows=(*ROWS[:2], oracle, honest), about=ABOUT))
    lines = written("marked").splitlines()
    assert any(line.startswith(r"| best\_of\_n:n=4,verifier=reasoning\_gym (oracle) |") for line in lines)
    assert any(line.startswith(r"| **best\_of\_n:n=4,verifier=confidence** |") for line in lines)


def test_a_broken_run_json_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    Path("run/run.json").write_text('{"revision": ', encoding="utf-8")
    assert main(["leaderboard", "run"]) == 2
    assert "run.json' is broken" in capsys.readouterr().err


def test_the_page_says_how_it_was_made() -> None:
    text = written("run")
    for fact in (
        "Written by `ttscale leaderboard run --out docs/leaderboard.md`",
        "date: 2026-10-01",
        "commit: 0123456789abcdef0123456789abcdef01234567-dirty",
        "model: my:model",
        "engine: fake",
        "machine: A fast one, 2 cores, 8.5 GiB, Linux-6, Python 3.11.2",
        "versions: math-verify 0.8.0, vllm 1.2",
        "failed",
    ):
        assert fact in text


def test_every_row_has_a_command_that_makes_it_again() -> None:
    commands = commands_of(written("run"))
    assert len(commands) == 4
    assert commands[1] == [
        *(
            "ttscale",
            "eval",
            "--model",
            "my:model",
            "--benchmark",
            "sums",
            "--strategy",
            "self_consistency:n=8",
        ),
        *("--limit", "80", "--seed", "7", "--concurrency", "64"),
    ]


def test_with_a_config_file_commands_name_it_and_what_differs_from_it() -> None:
    Path("suite.yaml").write_text(
        "model: my:model\nlimit: 20\nseed: 7\nbenchmarks: [sums, products]\n"
        "strategies: [single, 'self_consistency:n=8', 'clever:n=4', lavish]\n"
    )
    commands = commands_of(written("run", "--config", "suite.yaml"))
    assert commands[0] == [
        *("ttscale", "eval", "suite.yaml", "--benchmark", "sums", "--strategy", "clever:n=4", "--limit", "80"),
    ]


def test_a_command_plans_the_very_row(capsys: pytest.CaptureFixture[str]) -> None:
    given = {
        "benchmarks": ["chain_sum:min_terms=2,max_terms=3", "countdown"],
        "strategies": ["single", {"name": "best_of_n", "params": {"n": 4, "verifier": "reasoning_gym"}}],
        "limit": 3,
        "sampling": {"temperature": 0.5},
    }
    plan = make_plan(EvalConfig.load(None, given))
    titles = [(cell.benchmark_title, cell.strategy_title) for cell in plan.cells]
    rows = [Given(strategy=title, marks="101") for title in dict.fromkeys(title for _, title in titles)]
    settings = {
        "benchmarks": [entry.model_dump() for entry in plan.config.benchmarks[:1]],
        "strategies": [entry.model_dump() for entry in plan.config.strategies],
        "limit": 3,
    }
    make_run(Path("resolved"), GivenRun(rows=rows, settings=settings))
    commands = commands_of(written("resolved"))
    for command in commands:
        options = dict(zip(command[2::2], command[3::2], strict=True))
        one = EvalConfig.load(
            None,
            {
                "benchmarks": [options["--benchmark"]],
                "strategies": [options["--strategy"]],
                "limit": int(options["--limit"]),
            },
        )
        (cell,) = make_plan(one).cells
        same = [c for c in plan.cells if (c.strategy, c.problems) == (cell.strategy, cell.problems)]
        assert len(same) == 1, command
        assert Spec.parse(options["--strategy"]).params["temperature"] == 0.5
    assert {Spec.parse(command[7]).name for command in commands} == {"single", "best_of_n"}
    capsys.readouterr()


def test_each_row_is_held_against_its_own_models_baseline() -> None:
    make_run(Path("other"), GivenRun(rows=[ROWS[2]], settings={"model": "their:model", "limit": 80, "seed": 7}))
    text = written("run", "other")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]
    last = {row[0]: row[-1] for row in rows if len(row) == 9}
    assert last["**clever:n=4 · my:model**"].startswith("+50.0 ")
    assert last["clever:n=4 · their:model"] == "–"
    assert last["single · my:model"] == "a plain baseline"
    assert [command[3] for command in commands_of(text)].count("their:model") == 1


def test_without_out_it_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["leaderboard", "run"]) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith("# Leaderboard\n")
    assert captured.err == ""


def test_a_broken_run_beside_a_whole_one_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    make_run(Path("broken"), GivenRun(rows=ROWS[:1]))
    (Path("broken") / "store.sqlite").write_bytes(b"no database" * 100)
    assert main(["leaderboard", "run", "broken", "--out", "l.md"]) == 1
    assert "left out: broken: " in capsys.readouterr().err
    assert "clever" in Path("l.md").read_text()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["nowhere"], "'nowhere' is not a run directory"),
        (["run", "--config", "none.yaml"], "none.yaml"),
        (
            ["run", "--config", "other.yaml"],
            "'other.yaml' does not name 'clever:n=4', which the run in 'run' has",
        ),
        (["optioned"], "has options that no command line says; name the config file"),
    ],
)
def test_wrong_use_is_one_sentence(words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("other.yaml").write_text("model: my:model\nbenchmarks: [sums]\nstrategies: [single]\n")
    make_run(Path("optioned"), GivenRun(rows=ROWS[:1], settings={"model_options": {"effort": "high"}}))
    assert main(["leaderboard", *words]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert captured.err.count("\n") == 1
    assert sentence in captured.err
