"""Benchmarks from data files: formats, field names, broken lines, the hub's schemas from local copies."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from ttscale.errors import DataError, ParameterError, UnknownPlugin
from ttscale.types import Problem
from ttscale.workers import Workers
from ttscale_evals.benchmarks import Benchmark, Grade, create_benchmark
from ttscale_evals.benchmarks.questions import INSTRUCTION, target_of

DATA = Path(__file__).parents[1] / "data"
ROWS: Sequence[Mapping[str, object]] = (
    {"id": "a", "question": "1+1?", "answer": "2"},
    {"id": "b", "question": "Täglich 3?", "answer": 3},
)


def problems(spec: str, **arguments: int) -> list[Problem]:
    return list(create_benchmark(spec).problems(**arguments))


def write(path: Path, rows: Sequence[Mapping[str, object]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def asked(problem: Problem) -> str:
    return problem.prompt.messages[-1].content


def write_in_every_format(folder: Path) -> list[Path]:
    import pyarrow as pa
    from pyarrow import parquet

    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n\n" for row in ROWS)
    (folder / "rows.jsonl").write_text("\ufeff" + lines, encoding="utf-8")
    with gzip.open(folder / "rows.jsonl.gz", "wt", encoding="utf-8") as file:
        file.write(lines)
    (folder / "rows.json").write_text(json.dumps(ROWS, indent=1), encoding="utf-8")
    table = "id,question,answer\na,1+1?,2\nb,Täglich 3?,3\n"
    (folder / "rows.csv").write_text("\ufeff" + table, encoding="utf-8")
    with gzip.open(folder / "rows.csv.gz", "wt", encoding="utf-8") as file:
        file.write(table)
    texts = [{key: str(value) for key, value in row.items()} for row in ROWS]
    parquet.write_table(pa.Table.from_pylist(texts), folder / "rows.parquet")
    (folder / "split").mkdir()
    parquet.write_table(pa.Table.from_pylist(texts[:1]), folder / "split" / "test-0.parquet")
    parquet.write_table(pa.Table.from_pylist(texts[1:]), folder / "split" / "test-1.parquet")
    return sorted(folder.iterdir())


def test_every_format_gives_the_same_problems(tmp_path: Path) -> None:
    for path in write_in_every_format(tmp_path):
        found = [
            (p.id, asked(p).removesuffix("\n" + INSTRUCTION), p.target) for p in problems(f"jsonl:path={path}")
        ]
        assert found == [("a", "1+1?", "2"), ("b", "Täglich 3?", "3")], path.name


def test_usual_field_names_are_found_whatever_their_case(tmp_path: Path) -> None:
    path = write(
        tmp_path / "x.jsonl", [{"ID": 7, "Problem": "How many?", "Solution": "So \\boxed{\\frac{1}{2}}."}]
    )
    (problem,) = problems(f"jsonl:path={path}")
    assert (problem.id, problem.target) == ("7", "\\frac{1}{2}")


def test_named_fields_win_and_rows_without_ids_are_numbered(tmp_path: Path) -> None:
    path = write(
        tmp_path / "mine.jsonl", [{"q": "x?", "a": "1", "question": "not this"}, {"q": "y?", "a": "2"}]
    )
    found = problems(f"jsonl:path={path},question=q,answer=a,instruction=''")
    assert [(p.id, asked(p), p.target) for p in found] == [("mine-1", "x?", "1"), ("mine-2", "y?", "2")]


def test_the_instruction_can_be_replaced(tmp_path: Path) -> None:
    path = write(tmp_path / "x.jsonl", ROWS)
    assert asked(problems(f"jsonl:path={path},instruction=Answer briefly.")[0]) == "1+1?\nAnswer briefly."
    assert asked(problems(f"jsonl:path={path}")[0]) == f"1+1?\n{INSTRUCTION}"


def test_a_limit_takes_the_first_and_with_a_seed_draws_repeatably_in_file_order(tmp_path: Path) -> None:
    path = write(tmp_path / "x.jsonl", [{"question": f"{i}?", "answer": str(i), "id": i} for i in range(50)])
    benchmark = create_benchmark(f"jsonl:path={path}")
    assert [p.id for p in benchmark.problems(limit=3)] == ["0", "1", "2"]
    drawn = [int(p.id) for p in benchmark.problems(limit=10, seed=1)]
    assert drawn == [int(p.id) for p in benchmark.problems(limit=10, seed=1)] == sorted(drawn)
    assert drawn != [int(p.id) for p in benchmark.problems(limit=10, seed=2)]
    assert drawn == [int(p.id) for p in create_benchmark(f"jsonl:path={path},seed=1").problems(limit=10)]
    assert len(set(drawn)) == 10


@pytest.mark.parametrize(
    ("name", "content", "place"),
    [
        ("x.jsonl", b'{"question": "a", "answer": "1"}\n{"question": "b", "answer"\n', "line 2"),
        ("x.jsonl", b'{"question": "a", "answer": "1"}\n\n["b", "1"]\n', "line 3"),
        ("x.jsonl", b'{"question": "a", "answer": "1"}\n{"question": "\xff", "answer": "1"}\n', "line 2"),
        ("x.jsonl", b'{"question": "a", "answer": "1"}\n{"question": "b", "answer": null}\n', "line 2"),
        ("x.jsonl", b'{"question": "a", "answer": "1"}\n{"answer": "1"}\n', "line 2"),
        ("x.jsonl", b'{"question": "a", "answer": "1"}\n' + b"[" * 100_000, "line 2"),
        ("x.json", b'[{"question": "a",\n "answer" "1"}]', "line 2"),
        ("x.json", b'[{"question": "a", "answer": "1"}, 3]', "item 2"),
        ("x.csv", b"question,answer\na,1\nb\n", "line 3"),
        ("x.csv", b"question,answer\na,1\nb,2,3\n", "line 3"),
        ("x.csv", b'question,answer\na,1\n"b"c,2\n', "line 3"),
    ],
)
def test_a_broken_line_is_named(tmp_path: Path, name: str, content: bytes, place: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError, match=place) as caught:
        problems(f"jsonl:path={path}")
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.json", b'{"question": "a"}'),
        ("x.parquet", b"PAR1 no"),
        ("x.jsonl.gz", b"no gzip"),
        ("x.txt", b"a\n"),
    ],
)
def test_a_file_that_cannot_be_read_at_all_is_named(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=name):
        problems(f"jsonl:path={tmp_path / name}")


def test_a_gzip_file_that_was_cut_off_is_an_error_and_not_a_short_benchmark(tmp_path: Path) -> None:
    whole = gzip.compress("".join(f'{{"question": "{i}?", "answer": "{i}"}}\n' for i in range(999)).encode())
    (tmp_path / "x.jsonl.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"x\.jsonl\.gz"):
        problems(f"jsonl:path={tmp_path / 'x.jsonl.gz'}")


def test_missing_empty_and_ambiguous_files_say_how_to_mend_them(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no data file"):
        problems(f"jsonl:path={tmp_path / 'nowhere.jsonl'}")
    with pytest.raises(DataError, match="no problems"):
        problems(f"jsonl:path={write(tmp_path / 'empty.jsonl', [])}")
    with pytest.raises(DataError, match="question=FIELD"):
        problems(f"jsonl:path={write(tmp_path / 'a.jsonl', [{'ask': 'x', 'answer': '1'}])}")
    with pytest.raises(DataError, match=r"no field 'ask'.*question, answer"):
        problems(f"jsonl:path={write(tmp_path / 'b.jsonl', [{'question': 'x', 'answer': '1'}])},question=ask")
    twice = write(tmp_path / "c.jsonl", [{"question": "x", "answer": "1", "id": 1}] * 2)
    with pytest.raises(DataError, match=r"line 1 .* and line 2 .*same id"):
        problems(f"jsonl:path={twice}")


def test_wrong_parameters_of_a_file_benchmark_are_named() -> None:
    with pytest.raises(ParameterError, match="path"):
        create_benchmark("jsonl")
    with pytest.raises(ParameterError, match="'file'"):
        create_benchmark("jsonl:file=x.jsonl")
    with pytest.raises(UnknownPlugin, match="gsm8k"):
        create_benchmark("gsm8")


@pytest.mark.parametrize(
    ("answer", "target"),
    [
        ("Janet sells 9.\n#### 18", "18"),
        ("#### 2,125", "2125"),
        ("#### -1,234,567", "-1234567"),
        ("First \\boxed{1}, then \\boxed{\\sqrt{2}}.", "\\sqrt{2}"),
        ("\\left( 3, \\frac{\\pi}{2} \\right)", "\\left( 3, \\frac{\\pi}{2} \\right)"),
        ("(1,234)", "(1,234)"),
        ("open \\boxed{1", "open \\boxed{1"),
    ],
)
def test_the_target_is_taken_out_of_a_worked_solution(answer: str, target: str) -> None:
    assert target_of(answer) == target


@pytest.mark.parametrize(
    ("spec", "targets", "first_id"),
    [
        ("gsm8k:path={data}/gsm8k_sample.jsonl", ["18", "3", "2125"], "gsm8k-1"),
        (
            "math500:path={data}/math500_sample.jsonl",
            ["\\left( 3, \\frac{\\pi}{2} \\right)", "\\frac{14}{3}", "3\\sqrt{13}"],
            "test/precalculus/807.json",
        ),
        ("aime24:path={data}/aime24_schema.jsonl", ["030", "001"], "60"),
        ("aime25:path={data}/aime25_schema.jsonl", ["60", "27"], "0"),
        ("amc23:path={data}/amc23_schema.jsonl", ["30", "0.375"], "0"),
    ],
)
async def test_local_copies_of_the_hubs_sets_load_and_are_graded(
    spec: str, targets: list[str], first_id: str, grading_workers: Workers
) -> None:
    benchmark = create_benchmark(spec.format(data=DATA))
    found = list(benchmark.problems())
    assert [problem.target for problem in found] == targets
    assert found[0].id == first_id
    assert all(asked(problem).endswith(INSTRUCTION) for problem in found)
    right = [await benchmark.grade(problem, problem.target, grading_workers) for problem in found]
    wrong = [await benchmark.grade(problem, "-777", grading_workers) for problem in found]
    assert [grade.correct for grade in right] == [True] * len(found)
    assert [grade.correct for grade in wrong] == [False] * len(found)
    assert await benchmark.grade(found[0], None, grading_workers) == Grade(
        correct=False, value=0.0, reason="no answer"
    )


async def test_equivalent_forms_are_right_and_a_hostile_formula_is_no_crash(grading_workers: Workers) -> None:
    benchmark = create_benchmark(f"math500:path={DATA}/math500_sample.jsonl")
    problem = list(benchmark.problems())[2]
    assert (await benchmark.grade(problem, "\\sqrt{117}", grading_workers)).correct
    assert not (await benchmark.grade(problem, "9^{9^{9^{9^{9}}}}", grading_workers)).correct


def test_folders_saved_by_datasets_and_folders_of_splits_are_read(tmp_path: Path) -> None:
    import datasets

    rows = [{"question": "1+1?", "answer": "#### 2"}]
    datasets.Dataset.from_list(rows).save_to_disk(str(tmp_path / "one"))
    whole = datasets.DatasetDict(
        {"train": datasets.Dataset.from_list(rows * 3), "test": datasets.Dataset.from_list(rows)}
    )
    whole.save_to_disk(str(tmp_path / "all"))
    (tmp_path / "files").mkdir()
    write(tmp_path / "files" / "train.jsonl", rows * 3)
    write(tmp_path / "files" / "test.jsonl", rows)
    for name in ("one", "all", "files"):
        assert [p.target for p in problems(f"gsm8k:path={tmp_path / name}")] == ["2"], name
    datasets.DatasetDict({"train": whole["train"]}).save_to_disk(str(tmp_path / "half"))
    with pytest.raises(DataError, match=r"no split 'test'.*train"):
        problems(f"gsm8k:path={tmp_path / 'half'}")


def test_a_hub_that_cannot_be_reached_says_to_give_a_path(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    def unreachable(*arguments: object, **options: object) -> object:
        raise ConnectionError(f"no route to {arguments[0]}\nwith a long tail")

    monkeypatch.setattr(datasets, "load_dataset", unreachable)
    with pytest.raises(DataError, match=r"no route to openai/gsm8k\. .*gsm8k:path=FILE"):
        problems("gsm8k")


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("gsm8k", ("openai/gsm8k", "main", "test")),
        ("math500", ("HuggingFaceH4/MATH-500", None, "test")),
        ("aime24", ("HuggingFaceH4/aime_2024", None, "train")),
        ("aime25", ("math-ai/aime25", None, "test")),
        ("amc23", ("math-ai/amc23", None, "test")),
    ],
)
def test_the_hub_is_asked_for_the_right_set(
    name: str, call: tuple[str, str | None, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import datasets

    calls: list[object] = []

    def load_dataset(repository: str, configuration: str | None, *, split: str, revision: str | None) -> object:
        calls.append((repository, configuration, split))
        return [{"question": f"at {revision}?", "answer": "1"}]

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    (problem,) = problems(f"{name}:revision=abc")
    assert calls == [call]
    assert asked(problem).startswith("at abc?")


def test_file_benchmarks_fulfil_the_contract(tmp_path: Path) -> None:
    assert isinstance(create_benchmark(f"jsonl:path={tmp_path}"), Benchmark)


@pytest.mark.integration  # imports the whole `datasets` library anew
def test_the_real_library_offline_gives_that_error_too(tmp_path: Path) -> None:
    code = "from ttscale_evals.benchmarks import create_benchmark; list(create_benchmark('amc23').problems())"
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    ended = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    last = ended.stderr.strip().splitlines()[-1]
    assert last.startswith("ttscale.errors.DataError: the benchmark 'amc23' cannot be loaded from the hub")
    assert "amc23:path=FILE" in last
