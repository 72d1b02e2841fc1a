"""Grades that samples bring from elsewhere: kept, shown, exported, and used where there are no targets."""

from __future__ import annotations

import gzip
import json
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.unit import test_bank_logs_inspect as inspect_logs
from tests.unit.bank_samples import bank_file, fill, sample
from tests.unit.pool_bench import Bench
from ttscale.bank import Bank, Columns, copy_bank, export_pool, open_pool, own_grades, summarise
from ttscale.bank.grades import AnswerGrade, grades_by_answer
from ttscale.cli import main
from ttscale.errors import DataError
from ttscale.types import Prompt

EPOCH = Path(__file__).parents[3] / "shared" / "data" / "pools" / "epoch"
GRADES = {"model_graded": 1.0, "strict/exact": None, "é": 0.25}
GRADED = replace(sample(1, "It is \\boxed{8}."), grades=GRADES)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Bench:
    return Bench(tmp_path, monkeypatch, capfd)


def log(path: Path, *said: tuple[str, str], target: object = ("8", "eight"), problem: int = 7) -> Path:
    """Write a log of a problem's samples: what each says, and its grade by a judge; a rule says I of all."""
    samples = [
        inspect_logs.member(
            problem,
            epoch,
            f"\\boxed{{{answer}}}",
            target=list(target) if isinstance(target, tuple) else target,
            scores={"judge": {"value": grade, "answer": answer}, "rule": {"value": "I", "answer": answer}},
        )
        for epoch, (answer, grade) in enumerate(said, start=1)
    ]
    return inspect_logs.write(path, *samples)


def make_old(path: Path) -> Path:
    """Give a bank the layout of version 1."""
    with sqlite3.connect(path) as connection:
        connection.execute("ALTER TABLE samples DROP COLUMN grades")
        connection.execute("PRAGMA user_version = 1")
    connection.close()
    return path


def version_of(path: Path) -> int:
    with sqlite3.connect(path) as connection:
        found: int = connection.execute("PRAGMA user_version").fetchone()[0]
    connection.close()
    return found


def plain(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


# ── kept ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("ending", ["sqlite", "jsonl", "jsonl.gz", "parquet"])
def test_grades_come_back_as_they_were_in_their_order(tmp_path: Path, ending: str) -> None:
    if ending == "parquet":
        pytest.importorskip("pyarrow")
    path = tmp_path / f"pool.{ending}"
    with Bank(path if ending == "sqlite" else tmp_path / "bank") as bank:
        key = fill(bank, [GRADED, sample(2)])
        if ending != "sqlite":
            export_pool(bank, path)
    with open_pool(path) as read, Bank() as copied:
        assert list(read.samples(key)) == [GRADED, sample(2)]
        copy_bank(read, copied)
        for bank in (read, copied):
            assert {draw: list(grades.items()) for draw, grades in bank.grades(key).items()} == {
                1: list(GRADES.items())
            }
    assert (GRADED.grade, sample(2).grade) == (1.0, None)


def test_a_bank_without_a_place_for_grades_is_read_as_it_is_and_gets_one_when_it_is_written(
    tmp_path: Path,
) -> None:
    path = make_old(bank_file(tmp_path / "bank", [sample(1), sample(2)]))
    with Bank(path, writable=False) as bank:
        (series,) = bank.series()
        assert list(bank.samples(series.key)) == [sample(1), sample(2)]
        assert bank.grades(series.key) == {}
        assert summarise(bank)[0].groups[0].num_whole == 2
    assert version_of(path) == 1
    with Bank(path) as bank:
        bank.add_sample(series.key, replace(sample(3), grades=GRADES))
        assert list(bank.samples(series.key)) == [sample(1), sample(2), replace(sample(3), grades=GRADES)]
    assert version_of(path) == 2


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_an_export_of_version_1_is_still_read(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"pool.{ending}"
    with Bank() as bank:
        key = fill(bank, [sample(1)])
        export_pool(bank, tmp_path / "new.jsonl")
    header, row = map(json.loads, (tmp_path / "new.jsonl").read_text().splitlines())
    header["ttscale_pool"] = 1
    assert row.pop("grades") is None
    if ending == "jsonl":
        plain(path, header, row)
    else:
        pyarrow = pytest.importorskip("pyarrow")
        texts = {name: json.dumps(row[name]) for name in ("prompt", "settings")}
        table = pyarrow.Table.from_pylist([{**row, **texts}])
        metadata = {"ttscale_pool": json.dumps(header)}
        pyarrow.parquet.write_table(table.replace_schema_metadata(metadata), path)
    with open_pool(path) as read:
        assert list(read.samples(key)) == [sample(1)]


def test_a_grade_that_is_no_number_is_refused(tmp_path: Path) -> None:
    with Bank() as bank:
        fill(bank, [GRADED])
        export_pool(bank, tmp_path / "pool.jsonl")
    written = (tmp_path / "pool.jsonl").read_text()
    for wrong, message in (
        ("NaN", "a grade is not a number"),
        ('"C"', "grades.é: Input should be a valid number"),
    ):
        (tmp_path / "wrong.jsonl").write_text(written.replace("0.25", wrong))
        with pytest.raises(DataError, match=message):
            open_pool(tmp_path / "wrong.jsonl")


# ── logs ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_scorer_of_a_log_is_kept_the_chosen_one_first(tmp_path: Path) -> None:
    path = log(tmp_path / "a.eval", ("8", "C"), ("9", "P"))
    for chosen, order in ((None, ["judge", "rule"]), ("rule", ["rule", "judge"])):
        with open_pool(path, columns=Columns(prediction=chosen)) as bank:
            (series,) = bank.series()
            grades = list(bank.grades(series.key).values())
        assert [list(one) for one in grades] == [order] * 2
        assert [one["judge"] for one in grades] == [1.0, 0.5]


def test_a_pool_shows_what_its_samples_were_graded_elsewhere(bench: Bench) -> None:
    log(bench.path / "a.eval", ("8", "C"), ("9", "I"), ("8", "N"), ("8", "?"))
    assert bench.run("import", "a.eval", "--into", "p.sqlite").status == 0
    (model,) = bench.read("show", "p.sqlite")["models"]
    judged, ruled = model["benchmarks"][0]["grades"]
    assert judged == {"name": "judge", "num_graded": 3, "num_right": 1, "mean": pytest.approx(1 / 3)}
    assert ruled == {"name": "rule", "num_graded": 4, "num_right": 0, "mean": 0.0}
    shown = bench.run("show", "p.sqlite").out
    assert "graded elsewhere by" in shown
    assert "judge" in shown
    plain(bench.path / "rows.jsonl", {"problem": "p", "prediction": "4", "length": 3})
    assert "graded elsewhere by" not in bench.run("show", "rows.jsonl").out


def test_an_lm_eval_file_has_the_grades_and_brings_them_back(bench: Bench) -> None:
    log(bench.path / "a.eval", ("8", "C"), ("9", "I"), target="8")
    assert bench.run("export", "a.eval", "samples_sums.jsonl", "--format", "lm-eval").status == 0
    line = json.loads((bench.path / "samples_sums.jsonl").read_text())
    assert line["metrics"] == ["exact_match", "judge", "rule"]
    assert (line["exact_match"], line["judge"], line["rule"]) == (0.5, 0.5, 0.0)
    assert [one["grades"]["judge"] for one in line["ttscale"]["samples"]] == [1.0, 0.0]
    with open_pool(bench.path / "samples_sums.jsonl") as read, open_pool(bench.path / "a.eval") as before:
        assert [list(bank.grades(one.key).values()) for bank in (read, before) for one in bank.series()] == [
            [{"judge": 1.0, "rule": 0.0}, {"judge": 0.0, "rule": 0.0}]
        ] * 2


def test_a_grade_of_the_name_of_another_key_does_not_take_its_place(bench: Bench) -> None:
    graded = {"problem": "p", "prediction": "4", "length": 3, "target": "4"}
    plain(bench.path / "rows.jsonl", {**graded, "grades": {"doc": 1, "exact_match": 0}})
    assert bench.run("export", "rows.jsonl", "samples_p.jsonl", "--format", "lm-eval").status == 0
    line = json.loads((bench.path / "samples_p.jsonl").read_text())
    assert (line["doc"]["id"], line["metrics"], line["exact_match"]) == ("p", ["exact_match"], 0.0)
    with open_pool(bench.path / "samples_p.jsonl") as read:
        assert [read.grades(one.key)[0] for one in read.series()] == [{"doc": 1.0, "exact_match": 0.0}]


# ── replays ───────────────────────────────────────────────────────────────────────────────────────────────


def test_an_answer_is_right_if_most_samples_that_gave_it_were() -> None:
    def said(draw: int, text: str, grade: float | None) -> Any:
        return replace(sample(draw, text), grades={"judge": grade, "other": 1.0})

    found = grades_by_answer(
        [
            *(said(0, "\\boxed{8}", 1.0), said(1, "\\boxed{8.0}", 0.0), said(2, "so \\boxed{8}", 1.0)),
            *(said(3, "\\boxed{9}", 1.0), said(4, "\\boxed{9}", 0.5)),
            *(said(5, "no answer", 1.0), said(6, "\\boxed{10}", None), sample(7, "\\boxed{11}")),
        ]
    )
    assert found == {
        "8": AnswerGrade(num_graded=3, num_right=2, mean=2 / 3),
        "9": AnswerGrade(num_graded=2, num_right=1, mean=0.75),
    }
    assert [one.is_right for one in found.values()] == [True, False]
    with Bank() as bank:
        fill(bank, [sample(1)])
        assert own_grades(bank, "of toy") == {}
        fill(bank, [GRADED], prompt=Prompt(text="8?"))
        assert list(own_grades(bank, "of toy")) == [Prompt(text="8?")]


def test_a_replay_says_what_its_answer_was_graded(bench: Bench) -> None:
    log(bench.path / "a.eval", ("8", "C"), ("9", "I"), ("8", "I"))
    (row,) = bench.read("replay", "a.eval", "-s", "self_consistency:n=3,stop=never")["rows"]
    assert (row["answer"], row["target"], row["own_grade"]) == ("8", None, 0.5)
    assert "own grade" in bench.run("replay", "a.eval", "-s", "single").out
    plain(bench.path / "rows.jsonl", {"problem": "p", "prediction": "4", "length": 3})
    assert "own grade" not in bench.run("replay", "rows.jsonl", "-s", "single").out


def replayed(pool: Path, capsys: pytest.CaptureFixture[str], *, status: int = 0) -> tuple[dict[str, Any], str]:
    words = ["eval", "--replay", str(pool), "--strategy", "self_consistency:n=3,stop=never", "--orders", "0"]
    capsys.readouterr()
    assert main([*words, "--out", str(pool.with_suffix(".run")), "--display", "none", "--json"]) == status
    captured = capsys.readouterr()
    return json.loads(captured.out or "{}"), captured.err


def test_where_there_is_no_target_strategies_are_graded_as_the_log_did_and_it_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = log(tmp_path / "a.eval", ("8", "C"), ("9", "I"), ("8", "C"))
    document, said = replayed(path, capsys)
    (vote,) = [row for row in document["rows"] if row["strategy"].startswith("self_consistency")]
    (one,) = [row for row in document["rows"] if row["strategy"].startswith("mean@")]
    assert (vote["accuracy"], one["accuracy"]) == (1.0, pytest.approx(2 / 3))
    assert (
        "1 of 1 problems have no target; an answer to these is graded as most of the recorded samples" in said
    )


def test_where_there_is_a_target_it_counts_whatever_the_log_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document, said = replayed(log(tmp_path / "a.eval", *[("9", "C")] * 3, target="8"), capsys)
    assert {row["accuracy"] for row in document["rows"]} == {0.0}
    assert "no target" not in said


def test_without_target_and_grades_a_replay_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, said = replayed(log(tmp_path / "a.eval", *[("8", "?")] * 3), capsys, status=2)
    assert "has no target for the problem '7', nor samples with an answer and a grade" in said


# ── plain pools ───────────────────────────────────────────────────────────────────────────────────────────


def test_rows_bring_their_grades_by_the_usual_names_or_others(tmp_path: Path) -> None:
    row = {"problem": "p", "prediction": "4", "length": 3}
    rows = [
        {**row, "sample": 0, "correct": 1, "alt": {"judge": "C", "rule": "I"}},
        {**row, "sample": 1, "correct": False},
        {**row, "sample": 2, "correct": None},
        {**row, "sample": 3, "alt": {"judge": "no"}},
        {**row, "sample": 4, "correct": "who knows"},
    ]
    with open_pool(plain(tmp_path / "a.jsonl", *rows)) as bank:
        (series,) = bank.series()
        assert [one.grades for one in bank.samples(series.key)] == [
            {"correct": 1.0, "judge": 1.0, "rule": 0.0},
            {"correct": 0.0},
            {},
            {"judge": 0.0},
            {"correct": None},
        ]
    columns = Columns(grade="mark", grades="marks")
    named = plain(tmp_path / "b.jsonl", {**row, "mark": 0.5, "marks": {"a": 1}, "correct": 1})
    with open_pool(named, columns=columns) as bank:
        (series,) = bank.series()
        assert next(bank.samples(series.key)).grades == {"mark": 0.5, "a": 1.0}
    with pytest.raises(DataError, match=r"line 1 of .*alt=3 is not an object of grades by name"):
        open_pool(plain(tmp_path / "c.jsonl", {**row, "alt": 3}))
    with pytest.raises(DataError, match=r"line 1 of .* has no field 'mark'.*grade=FIELD"):
        open_pool(plain(tmp_path / "d.jsonl", row), columns=Columns(grade="mark"))


def test_rows_that_failed_or_whose_tokens_nobody_counted_are_kept_as_such(tmp_path: Path) -> None:
    rows = [
        {"problem": "p", "sample": 0, "prediction": None, "text": "Hm, four."},
        {"problem": "p", "sample": 1, "prediction": None, "text": None, "error": "connection reset"},
        {"problem": "p", "sample": 2, "prediction": "4", "text": None, "tout": 7, "error": ""},
        {"problem": "p", "sample": 3, "prediction": "4", "text": "4", "tout": None, "error": {"why": "lost"}},
    ]
    path, notes = plain(tmp_path / "a.jsonl", *rows), list[str]()
    with open_pool(path, columns=Columns(length="tout"), listener=notes.append) as bank:
        (series,) = bank.series()
        heads = bank.heads(series.key)
        (model,) = bank.models()
    assert [(head.finish_reason, head.usage.generated) for head in heads] == [
        *(("stop", 3), ("error", 0), ("stop", 7), ("error", 0))
    ]
    assert heads[1].error == "connection reset"
    assert model.version == "some token counts are estimates"
    assert notes == [
        "samples that failed, and are kept as failed: 2",
        "samples of which nobody counted the tokens: 1; one for every four bytes of text is taken",
    ]
    with pytest.raises(DataError, match=r"line 1 of .* has no field 'length' or 'completion_tokens'"):
        open_pool(path)
    with pytest.raises(DataError, match=r"line 1 of .* has no field 'tokns'.*length=FIELD"):
        open_pool(path, columns=Columns(length="tokns"))


@pytest.mark.slow
def test_what_several_graders_published_of_a_run_comes_out_of_its_rows_again(tmp_path: Path) -> None:
    if not EPOCH.is_dir():
        pytest.skip("the recordings are not here: ../shared/data/pools/epoch")
    with gzip.open(EPOCH / "otis_mock_aime.jsonl.gz", "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    run_ids = {row["run"] for row in rows if "alt" in row}
    path = plain(tmp_path / "a.jsonl", *(row for row in rows if row["run"] in run_ids))
    with open_pool(path, columns=Columns(length="tout", seconds="wtime")) as bank:
        found = {
            (model.name, grades.name): grades.mean
            for model in summarise(bank)
            for grades in model.benchmarks[0].grades
        }
    num_checked = 0
    for run in json.loads((EPOCH / "otis_runs.json").read_text(encoding="utf-8")):
        for published in run["published_scores"] if run["run_id"] in run_ids else ():
            if published["reducer"] == "mean":
                mean = found[run["run_id"], published["name"]]
                assert mean == pytest.approx(published["metrics"]["accuracy"], abs=1e-9)
                num_checked += 1
    assert num_checked == 2 * len(run_ids) > 0
