"""From a pool to what is compared on it: choices, broken pools, wrong names, and the reports."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.replay_pools import EASY, SPLIT, compare, config_of, write_pool
from ttscale import Engine
from ttscale.answers import answer_key
from ttscale.bank import Recorder, run_replay
from ttscale.errors import ConfigError, DataError
from ttscale.strategies import SelfConsistency
from ttscale.testing import FakeBackend, noisy_answers
from ttscale.types import JSON, Problem
from ttscale_evals.benchmarks import create_benchmark
from ttscale_evals.replay.expand import Comparison, expand
from ttscale_evals.replay.pool import read_pool
from ttscale_evals.replay.table import render_comparison
from ttscale_evals.report import load_report, render_csv, render_html, render_markdown
from ttscale_evals.runner import evaluate

# ── what is compared ──────────────────────────────────────────────────────────────────────────────────────


def test_the_usual_strategies_draw_what_was_recorded_and_others_are_left_out(tmp_path: Path) -> None:
    expanded = expand(Comparison(pool=write_pool(tmp_path)))
    (made,) = expanded.expansions
    assert [strategy.title for strategy in made.config.strategies] == [
        "single",
        "self_consistency:n=4,stop=never",
        "self_consistency:n=4",
        "shortest_majority:n=4",
        "first_finish:n=4,k=1",
        "first_finish:n=4,k=3",
        "last_finish:n=4,k=1",
    ]
    left_out = [one.what for one in expanded.left_out]
    assert left_out == ["adaptive_consistency:n=4", "esc:n=4,window=4"]
    assert {one.why for one in expanded.left_out} == {
        "it takes 5 samples to make a difference, and the problem 'easy' has 4"
    }


def test_every_model_is_a_run_of_its_own_and_so_are_other_numbers_of_samples(tmp_path: Path) -> None:
    pool = tmp_path / "pool.jsonl"
    rows = [
        {"model": model, "benchmark": b, "problem": 1, "prediction": "4", "length": 9, "target": "4"}
        for model, b, count in (
            ("m/one", "long", 5),
            ("m/one", "short", 2),
            ("m/one", "more", 5),
            ("two", "long", 5),
        )
        for _ in range(count)
    ]
    pool.write_text("".join(json.dumps(row) + "\n" for row in rows))
    expanded = expand(Comparison(pool=pool, strategies=("self_consistency",)))
    assert [
        (made.name, [b.title for b in made.config.benchmarks], [s.title for s in made.config.strategies])
        for made in expanded.expansions
    ] == [
        ("one", ["long", "more"], ["self_consistency:n=5"]),
        ("one-2", ["short"], ["self_consistency:n=2"]),
        ("two", ["long"], ["self_consistency:n=5"]),
    ]
    (chosen,) = expand(Comparison(pool=pool, recorded=("two",), benchmarks=("long",))).expansions
    assert (chosen.name, chosen.config.model_title) == ("two", "two")


def test_problems_with_more_samples_than_others_are_said(tmp_path: Path) -> None:
    pool = write_pool(tmp_path, {"few": EASY[:2], "many": SPLIT})
    (made,) = expand(Comparison(pool=pool)).expansions
    assert made.notes == [
        "toy, b: strategies draw at most 2 samples, since the problem 'few' has no more; others have up to 4."
    ]


def record(folder: Path, *, n: int = 6, max_tokens: int | None = None) -> Path:
    """Record a fake model at two temperatures, more samples at the first."""
    path = folder / "bank.sqlite"

    async def run() -> None:
        script = noisy_answers("4", 0.7, ["5", "6"], seconds=(1.0, 9.0))
        recorder = Recorder(FakeBackend(script), path)
        async with Engine(recorder) as engine:
            for temperature, count in ((0.3, n), (0.9, 2)):
                vote = SelfConsistency(n=count, stop="never", temperature=temperature, max_tokens=max_tokens)
                for number in range(3):
                    problem = replace(Problem.ask(f"{number}+{4 - number}?", id=f"p{number}"), target="4")
                    recorder.add_problem(problem, benchmark="sums")
                    await engine.solve(problem, strategy=vote)

    run_replay(run())
    return path


def test_a_bank_is_replayed_at_the_settings_it_was_recorded_at(tmp_path: Path) -> None:
    pool = record(tmp_path, max_tokens=30)
    made = compare(pool, tmp_path / "run", strategies=("single", "self_consistency:stop=never"), orders=2)
    (result,) = made.results
    assert not made.failures
    assert [strategy.params.get("temperature") for strategy in result.config.strategies] == [0.3, 0.3]
    assert [strategy.params.get("max_tokens") for strategy in result.config.strategies] == [30, 30]
    vote = next(row for row in result.rows if row.strategy.startswith("self_consistency"))
    assert (vote.samples, vote.benchmark) == (18, "sums")
    assert vote.prompt_tokens_computed > 0
    assert vote.matched is not None
    assert vote.matched.at_equal_tokens.reference_samples == pytest.approx(6.0)
    assert made.notes == [
        "fake, sums: these are the samples drawn at temperature=0.3, max_tokens=30; there are others at "
        "temperature=0.9."
    ]


def test_a_recorded_benchmark_can_be_graded_by_another_one_with_the_same_questions(tmp_path: Path) -> None:
    pool, questions = record(tmp_path), tmp_path / "sums.jsonl"
    lines = [{"id": f"p{n}", "question": f"{n}+{4 - n}?", "answer": "5"} for n in range(3)]
    questions.write_text("".join(json.dumps(line) + "\n" for line in lines))
    spec = f"jsonl:path={questions},instruction=''"
    wrong = compare(pool, tmp_path / "run", benchmarks=(spec,), strategies=("self_consistency",), orders=0)
    right = compare(pool, tmp_path / "other", benchmarks=("sums",), strategies=("self_consistency",), orders=0)
    assert [row.samples_per_problem for row in wrong.rows if row.strategy == "pass@6"] == [6.0]
    assert next(row.accuracy for row in right.rows) == 1.0
    assert next(row.accuracy for row in wrong.rows) == 0.0


@pytest.mark.slow
def test_a_recorded_set_of_reasoning_gym_is_graded_by_its_own_checker(tmp_path: Path) -> None:
    """To say the number itself is no solution of countdown, though it has the target's value."""
    pytest.importorskip("reasoning_gym")
    spec, path = "countdown:min_numbers=3,max_numbers=3,size=2", tmp_path / "bank.sqlite"
    problems = list(create_benchmark(spec).problems())
    right, value = (str(problem.target) for problem in problems)
    script = {problem.prompt.question: "" for problem in problems}
    script |= {problems[0].prompt.question: f"\\boxed{{{right}}}"}
    script |= {problems[1].prompt.question: f"\\boxed{{{answer_key(value)}}}"}

    async def run() -> None:
        recorder = Recorder(FakeBackend(script), path)
        async with Engine(recorder) as engine:
            for problem in problems:
                recorder.add_problem(problem, benchmark=spec)
                await engine.solve(problem, strategy=SelfConsistency(n=2, stop="never"))

    run_replay(run())
    made = compare(path, tmp_path / "run", strategies=("self_consistency",), orders=1)
    row = made.rows[0]
    assert (row.benchmark, row.accuracy, row.num_problems) == (spec, 0.5, 2)
    assert [row.accuracy for row in made.rows if row.is_bound] == [0.5, 0.5]
    by_target = config_of(path, "self_consistency:n=2")
    assert evaluate(by_target, out=tmp_path / "other").rows[0].accuracy == 1.0


# ── wrong pools and names ─────────────────────────────────────────────────────────────────────────────────


def broken(folder: Path, kind: str) -> Path:
    path = write_pool(folder)
    lines = path.read_text().splitlines()
    changed = {
        "empty": [],
        "corrupt": [*lines[:3], lines[3].replace("400", '"many"'), *lines[4:]],
        "missing": [lines[0], *lines[2:]],
        "duplicate": [*lines, lines[5]],
        "no json": [*lines[:2], "{"],
    }[kind]
    path.write_text("".join(line + "\n" for line in changed))
    return path


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("empty", "is empty; a pool has at least one sample"),
        ("corrupt", r"line 4 of .*length='many' is not a whole number"),
        ("missing", "lacks sample 1 of problem 'b/easy' of 'toy'"),
        ("duplicate", r"line 13 of .* is sample 1 of problem 'b/split' of 'toy', as line 6 of"),
        ("no json", "line 3 of .* is not JSON"),
    ],
)
def test_a_broken_pool_names_the_row(tmp_path: Path, kind: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        compare(broken(tmp_path, kind), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_pool_without_targets_cannot_be_graded(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match="no target for the problem 'easy', nor samples with an answer and a grade"
    ):
        compare(write_pool(tmp_path, target=None), tmp_path / "run")


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"recorded": ("tiny",)}, r"no model called 'tiny'; it holds 'toy' \("),
        (
            {"benchmarks": ("c",)},
            r"has no benchmark 'c'; it has: 'b'. Nor is it another benchmark: No benchmark",
        ),
        ({"strategies": ("singel",)}, "No strategy is called 'singel'; did you mean 'single'"),
        ({"strategies": ("esc:windows=3",)}, "has no parameter 'windows'"),
        ({"strategies": ("esc", "esc:n=4")}, "'esc:n=4' is listed twice"),
    ],
)
def test_an_unknown_name_is_answered_with_those_there_are(
    tmp_path: Path, asked: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        compare(write_pool(tmp_path), tmp_path / "run", **asked)
    assert not (tmp_path / "run").exists()


def test_a_directory_that_is_taken_is_found_out_before_the_first_run(tmp_path: Path) -> None:
    pool = write_pool(tmp_path, models=("one", "two"))
    compare(pool, tmp_path / "run", recorded=("two",), strategies=("single",), orders=0)
    (tmp_path / "all").mkdir()
    (tmp_path / "run").rename(tmp_path / "all" / "two")
    with pytest.raises(ConfigError, match="holds a run already; add --resume"):
        compare(pool, tmp_path / "all", strategies=("single",), orders=0)
    assert [path.name for path in (tmp_path / "all").iterdir()] == ["two"]


def test_the_benchmark_of_a_pool_must_be_told_where_there_are_several(tmp_path: Path) -> None:
    pool = tmp_path / "pool.jsonl"
    rows = [{"benchmark": b, "problem": 1, "prediction": "4", "length": 9, "target": "4"} for b in "xy"]
    pool.write_text("".join(json.dumps(row) + "\n" for row in rows))
    held = read_pool(pool)
    with pytest.raises(ConfigError, match=r"no benchmark is chosen of the recorded ones in .*: 'x', 'y'"):
        held.find(None, None)
    assert held.find(None, "y").benchmark == "y"


def test_a_pool_is_read_once_until_it_changes(tmp_path: Path) -> None:
    first = read_pool(write_pool(tmp_path))
    assert read_pool(tmp_path / "pool.jsonl") is first
    changed = read_pool(write_pool(tmp_path, {"easy": EASY}))
    assert [len(recording.problems) for recording in changed.recordings] == [1]


# ── reports ───────────────────────────────────────────────────────────────────────────────────────────────


def test_reports_of_a_replay_have_its_columns_and_others_have_not(tmp_path: Path) -> None:
    strategies = ("single", "self_consistency:n=4", "self_consistency:n=9")
    made = compare(write_pool(tmp_path), tmp_path / "run", strategies=strategies, orders=2)
    data = load_report([tmp_path / "run"])
    page, text = render_html(data), render_markdown(data)
    for report in (page, text):
        assert "= tokens" in report
        assert "over orders" in report
        assert "cannot be replayed on the problem" in report
    assert "mean@4" in text
    header, *lines = render_csv(data.rows).splitlines()
    assert "matched.at_equal_tokens.difference" in header
    assert not {"matched", "average"} & set(header.split(","))
    assert len(lines) == len(made.rows) == 5
    plain = [replace(row, matched=None, average=None) for row in data.rows if not row.is_bound]
    assert "matched." not in render_csv(plain)
    assert "= tokens" not in render_markdown(replace(data, rows=tuple(plain)))


def test_a_bound_is_never_the_best_row(tmp_path: Path) -> None:
    compare(write_pool(tmp_path), tmp_path / "run", strategies=("single",), orders=0)
    text = render_markdown(load_report([tmp_path / "run"]))
    assert "**single**" in text
    assert "**pass" not in text


@pytest.mark.slow
@pytest.mark.parametrize("width", [60, 100, 140])
def test_the_table_fits_its_terminal_and_shows_no_control_characters(tmp_path: Path, width: int) -> None:
    pool = write_pool(tmp_path, models=("evil\x1b[2J\nname",))
    made = compare(pool, tmp_path / "run", orders=2)
    shown = render_comparison(made.rows, num_orders=2, width=width)
    assert max(map(len, shown.splitlines())) <= width
    assert "\x1b" not in shown
    assert ("= path" in shown.split("mean@4")[0]) == (width == 140)


def test_the_document_has_rows_with_what_they_are_matched_with_and_totals(tmp_path: Path) -> None:
    pool = write_pool(tmp_path, models=("one", "two"))
    made = compare(pool, tmp_path / "run", orders=2)
    document: Mapping[str, JSON] = json.loads((tmp_path / "run" / "comparison.json").read_text())
    assert document == json.loads(json.dumps(made.to_json()))
    assert {row.model for row in made.rows} == {"one", "two"}
    rows = [row for row in made.rows if not row.is_bound]
    assert all(row.matched is not None and row.average is not None for row in rows)
    single = next(total for total in document["totals"] if total["strategy"] == "single")  # type: ignore[union-attr,index,call-overload]
    assert (single["num_rows"], single["num_problems"], single["samples_per_problem"]) == (2, 6, 1.0)  # type: ignore[index,call-overload]
