"""``ttscale pool show``, ``import`` and ``export``: what a pool holds is said, and goes into files and out."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.unit.bank_samples import bank_file, fill, model, sample
from tests.unit.pool_bench import Bench
from ttscale.bank import Bank, Settings


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Bench:
    return Bench(tmp_path, monkeypatch, capfd)


# ── show ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_table_says_what_a_pool_holds(bench: Bench) -> None:
    with Bank(Path("p.sqlite")) as bank:
        fill(bank, [sample(0, num_logprobs=2), sample(1, "ab", reason="abort")], of=model("me/to\x1b[2Jy"))
        fill(bank, [sample(7, "xyz")], of=model("other"), settings=Settings(temperature=0.5))
    said = bench.run("show", "p.sqlite")
    lines = said.out.splitlines()
    cells = [re.split(r"\s{2,}", line.strip()) for line in lines]
    assert lines[0] == "p.sqlite: 3 samples"
    assert ["toy", "temperature=1.0", "0", "1", "1", "1", "0", "6", "2", "2"] in cells
    assert ["other", "temperature=0.5", "0", "1", "1", "0", "0", "3", "1", "none"] in cells
    assert "\x1b" not in said.out


def test_a_table_by_benchmark_compares_answers_with_targets(bench: Bench) -> None:
    plain(bench, "a.jsonl", {"benchmark": "b"}, {"benchmark": "b", "said": "5"})
    plain(bench, "c.jsonl", {"out": "It is 4."}, {"out": "It is 5."})
    bench.read("import", "a.jsonl", "--into", "p.sqlite", *COLUMNS)
    bench.read(
        "import", "c.jsonl", "--into", "p.sqlite", *COLUMNS[:2], "--column=length=cost", "--column=text=out"
    )
    cells = [re.split(r"\s{2,}", line.strip()) for line in bench.run("show", "p.sqlite").out.splitlines()]
    assert ["model", "benchmark", "problems", "samples", "tokens", "answer is target"] in cells
    assert ["a", "b", "1", "2", "21", "50.0 %"] in cells
    assert ["c", "none", "1", "2", "21", "–"] in cells


def test_an_empty_bank_holds_nothing_and_an_empty_file_is_refused(bench: Bench) -> None:
    Bank(bench.path / "empty.sqlite").close()
    assert bench.read("show", "empty.sqlite") == {"pool": "empty.sqlite", "num_samples": 0, "models": []}
    (bench.path / "e.jsonl").write_text("")
    assert "'e.jsonl' is empty; a pool has at least one sample." in bench.refuse("show", "e.jsonl")
    (bench.path / "e.sqlite").write_text("")
    assert "'e.sqlite' is no sample bank, it is empty or damaged" in bench.refuse("show", "e.sqlite")


@pytest.mark.parametrize("words", [["show"], ["export", "out.jsonl"], ["replay", "-s", "single"]])
def test_a_pool_that_is_missing_or_damaged_is_named_as_it_was_typed(words: list[str], bench: Bench) -> None:
    command, *others = words
    missing = "error: there is no data file '../none.sqlite'; check the path.\n"
    assert bench.refuse(command, "../none.sqlite", *others) == missing
    path = bank_file(bench.path / "p.sqlite", [sample(index, "abc" * 500) for index in range(50)])
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))
    assert bench.refuse(command, "p.sqlite", *others).startswith("error: 'p.sqlite' is not a sample bank: ")


def test_a_bank_that_is_damaged_further_in_is_named(bench: Bench) -> None:
    path = bank_file(bench.path / "p.sqlite", [sample(index, "abc" * 500) for index in range(200)])
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2] + b"\xff" * (len(content) - len(content) // 2))
    sentence = bench.refuse("export", "p.sqlite", "out.jsonl")
    assert re.match(
        r"error: (the sample bank 'p.sqlite' cannot be read|sample \d+ in the sample bank 'p.s)", sentence
    )
    assert "out.jsonl" not in bench.files()


# ── import and export ─────────────────────────────────────────────────────────────────────────────────────

COLUMNS = ("--column=problem=qid", "--column=sample=k", "--column=length=cost", "--column=prediction=said")


def plain(bench: Bench, name: str, *changes: dict[str, Any]) -> None:
    """Write a plain pool of two samples, its rows changed."""
    rows = [{"qid": "p", "k": k, "said": "4", "cost": 10 + k, "target": "4"} for k in range(2)]
    changed = [{**row, **change} for row, change in zip(rows, changes or ({}, {}), strict=True)]
    (bench.path / name).write_text("".join(json.dumps(row) + "\n" for row in changed))


@pytest.mark.parametrize("name", ["out.jsonl.gz", "out.parquet"])
def test_a_plain_pool_goes_in_and_out_and_in_again(bench: Bench, name: str) -> None:
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    plain(bench, "a.jsonl")
    document = bench.read("import", "a.jsonl", "--into", "p.sqlite", *COLUMNS, "--model", "theirs")
    assert document == {"pool": "p.sqlite", "files": ["a.jsonl"], "num_added": 2, "num_samples": 2}
    assert bench.read("export", "p.sqlite", name) == {"pool": "p.sqlite", "file": name, "num_samples": 2}
    assert bench.run("import", name, "--into", "q.sqlite").out == "2 samples added; q.sqlite holds 2.\n"
    (held,) = bench.read("show", "q.sqlite")["models"]
    assert [held] == bench.read("show", "p.sqlite")["models"]
    assert (held["name"], held["benchmarks"][0]["accuracy"]) == ("theirs", 1.0)


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.parquet"])
def test_a_plain_pool_may_be_rows_of_any_kind(bench: Bench, name: str) -> None:
    plain(bench, "a.jsonl")
    if name.endswith("csv"):
        (bench.path / name).write_text("qid,k,said,cost,target\np,0,4,10,4\np,1,4,11,4\n")
    elif name.endswith("parquet"):
        pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
        rows = [json.loads(line) for line in (bench.path / "a.jsonl").read_text().splitlines()]
        parquet.write_table(pyarrow.Table.from_pylist(rows), bench.path / name)
    assert bench.read("import", name, "--into", "p.sqlite", *COLUMNS)["num_added"] == 2
    (held,) = bench.read("show", "p.sqlite")["models"]
    assert (held["name"], held["benchmarks"][0]["accuracy"]) == ("a", 1.0)


def test_seeded_samples_of_two_banks_are_merged(bench: Bench) -> None:
    bank_file(bench.path / "one", [sample(1, seed=1), sample(2, seed=2)])
    bank_file(bench.path / "two", [sample(8, seed=2), sample(9, seed=3)])
    assert bench.read("import", "one", "two", "--into", "p.sqlite")["num_added"] == 3
    assert bench.read("import", "two", "--into", "p.sqlite")["num_added"] == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ["good.jsonl", "twice.jsonl"],
            "line 2 of 'twice.jsonl' is sample 0 of problem 'p' of 'twice', as line 1",
        ),
        (["good.jsonl", "gap.jsonl"], "'gap.jsonl' lacks sample 1 of problem 'p' of 'gap'"),
        (["good.jsonl", "long.jsonl"], "line 2 of 'long.jsonl': cost='x' is not a whole number"),
        (["good.jsonl", "cut.jsonl"], "line 2 of 'cut.jsonl' is not JSON"),
        (["good.jsonl", "none.jsonl"], "there is no data file 'none.jsonl'"),
        (["good.jsonl", "good.jsonl"], "'good.jsonl': 'p.sqlite' already holds samples of 'p' from 'good'"),
        (
            ["good.jsonl", "goal.jsonl"],
            "the target of problem 'p' is '5', and 'p.sqlite' holds it with the target '4'",
        ),
        (["good.jsonl", "--column", "prize=k"], "a pool has no column for 'prize'"),
        (["good.jsonl", "--column", "cost"], "--column 'cost' is not ROLE=FIELD"),
        (["good.jsonl", "--column", "length=k"], "--column names the length twice"),
        (["bank", "--model", "m"], "'bank' is no plain pool"),
        (["named.jsonl", "--model", "m"], "the rows of 'named.jsonl' name their models, in the field 'model'"),
    ],
)
@pytest.mark.parametrize("is_new", [True, False])
def test_of_files_with_a_mistake_nothing_is_imported(
    words: list[str], sentence: str, is_new: bool, bench: Bench
) -> None:
    plain(bench, "good.jsonl")
    plain(bench, "twice.jsonl", {}, {"k": 0})
    plain(bench, "gap.jsonl", {}, {"k": 2})
    plain(bench, "long.jsonl", {}, {"cost": "x"})
    plain(bench, "goal.jsonl", {"target": "5"}, {"target": "5"})
    plain(bench, "named.jsonl", {"model": "a"}, {"model": "a"})
    (bench.path / "cut.jsonl").write_text((bench.path / "good.jsonl").read_text()[:-5])
    bank_file(bench.path / "bank", [sample()])
    if not is_new:
        bank_file(bench.path / "p.sqlite", [sample()])
    columns = () if words[0] == "bank" else COLUMNS
    assert sentence in bench.refuse("import", *words, *columns, "--into", "p.sqlite", "--json")
    assert (bench.path / "p.sqlite").exists() != is_new
    if not is_new:
        with Bank(bench.path / "p.sqlite", writable=False) as bank:
            assert (bank.num_samples(), bank.problems()) == (1, [])


def test_samples_go_into_a_bank_and_exports_have_a_known_ending(bench: Bench) -> None:
    bank_file(bench.path / "p.sqlite", [sample()])
    assert "'out.txt' has no known ending; use .jsonl" in bench.refuse("export", "p.sqlite", "out.txt")
    assert "write other files with `ttscale pool export`" in bench.refuse(
        "import", "p.sqlite", "--into", "p.csv"
    )
