"""Plain pools of (problem, sample, prediction, length) are read as they are, and their mistakes are named."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from ttscale.answers import extract_answer
from ttscale.bank import Bank, Columns, export_pool, import_pool, open_pool, summarise
from ttscale.errors import ConfigError, DataError
from ttscale.types import Prompt

POOL = Path(__file__).parents[3] / "shared" / "data" / "pools" / "art_of_tts_half.jsonl.gz"


def row(sample: int, prediction: object = "4", length: object = 10, **others: object) -> dict[str, Any]:
    return {"problem": "p", "sample": sample, "prediction": prediction, "length": length, **others}


def pool(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(one) + "\n" for one in rows))
    return path


def test_a_pool_is_read_by_the_usual_names(tmp_path: Path) -> None:
    rows = [
        {
            "model": "m",
            "benchmark": "b",
            "problem": 3,
            "sample": 1,
            "target": "4",
            "prediction": None,
            "tokens": 7,
        },
        {
            "model": "m",
            "benchmark": "b",
            "problem": 3,
            "sample": 0,
            "target": "4",
            "prediction": 4,
            "tokens": 5,
        },
    ]
    with open_pool(pool(tmp_path / "pool.jsonl", *rows)) as bank:
        (series,) = bank.series()
        first, second = bank.samples(series.key)
        (problem,) = bank.problems()
        (model,) = bank.models()
    assert (first.prediction, first.head.usage.generated, first.text) == ("4", 5, None)
    assert (second.prediction, second.head.usage.generated) == (None, 7)
    assert (problem.benchmark, problem.id, problem.target) == ("b", "3", "4")
    assert problem.prompt == Prompt.user("b/3") == series.prompt
    assert (model.profile.name, model.is_imported, series.settings) == ("m", True, None)


def test_columns_can_be_named(tmp_path: Path) -> None:
    rows = [{"qid": "x", "k": 1, "said": "4", "cost": 9, "ask": "2+2?", "took": 1.5, "out": "It is 4."}]
    columns = Columns.parse(
        {
            "problem": "qid",
            "sample": "k",
            "prediction": "said",
            "length": "cost",
            "question": "ask",
            "seconds": "took",
            "text": "out",
        }
    )
    with open_pool(pool(tmp_path / "my.jsonl", *rows), columns=columns) as bank:
        (series,) = bank.series()
        (one,) = bank.samples(series.key)
        (model,) = bank.models()
    assert series.prompt == Prompt.user("2+2?")
    assert (one.text, one.head.seconds, one.head.draw, model.profile.name) == ("It is 4.", 1.5, 1, "my")


def test_csv_and_compressed_pools_are_read_too(tmp_path: Path) -> None:
    (tmp_path / "pool.csv").write_text("problem,sample,prediction,length\np,0,4,10\np,1,,12\n")
    with gzip.open(tmp_path / "pool.jsonl.gz", "wt") as file:
        file.write(json.dumps(row(0)) + "\n" + json.dumps(row(1, None, 12)))
    for name in ("pool.csv", "pool.jsonl.gz"):
        with open_pool(tmp_path / name) as bank:
            (series,) = bank.series()
            assert [(one.prediction, one.head.usage.generated) for one in bank.samples(series.key)] == [
                ("4", 10),
                (None, 12),
            ]


def test_samples_without_numbers_are_numbered_as_they_come(tmp_path: Path) -> None:
    rows = [{"id": "p", "pred": "a", "length": 1}, {"id": "q", "pred": "b", "length": 1}]
    with open_pool(pool(tmp_path / "pool.jsonl", *rows, rows[0])) as bank:
        assert [[one.head.draw for one in bank.samples(s.key)] for s in bank.series()] == [[0, 1], [0]]


@pytest.mark.parametrize("prediction", ["204", "A", "-1/2", "\\frac{1}{2}", "3\\sqrt{2}", "x"])
def test_an_answer_without_a_text_is_shown_so_that_it_is_found(tmp_path: Path, prediction: str) -> None:
    with open_pool(pool(tmp_path / "pool.jsonl", row(0, prediction), row(1, None))) as bank:
        (series,) = bank.series()
        given, none = bank.samples(series.key)
    assert (extract_answer(given.shown), extract_answer(none.shown)) == (prediction, None)


def test_two_problems_with_one_question_stay_two(tmp_path: Path) -> None:
    rows = [row(0, question="2+2?"), {**row(0, "5", question="2+2?"), "problem": "q"}]
    with open_pool(pool(tmp_path / "pool.jsonl", *rows)) as bank:
        assert [series.prompt for series in bank.series()] == [Prompt.user("2+2?"), Prompt.user("q")]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            [row(0), row(1), row(0)],
            r"line 3 of .*pool.jsonl' is sample 0 of problem 'p' of 'pool', as line 1 of",
        ),
        ([row(0), row(2)], r"lacks sample 1 of problem 'p' of 'pool'"),
        ([row(3), row(4)], r"lacks sample 1 of problem 'p'"),
        ([row(0), row(1, length=None)], r"line 2 of .*length=None is not a whole number"),
        ([row(0), row(1, length=-1)], r"line 2 of .*length=-1 is not a whole number"),
        ([row(0), row(1, length=1.5)], r"line 2 of .*length=1.5 is not a whole number"),
        ([row(0), row(1, length=True)], r"line 2 of .*length=True is not a whole number"),
        ([row(0), row(1, length="many")], r"line 2 of .*length='many' is not a whole number"),
        ([row(0), row(1, ["4"])], r"line 2 of .*prediction=\['4'\] is not text or a number"),
        ([row(0), {"problem": "p", "sample": 1, "length": 3}], r"line 2 of .* has no field 'prediction'"),
        ([row(0), {**row(1), "problem": None}], r"line 2 of .*problem=None is not an id"),
        ([{**row(0), "sample": "a"}], r"line 1 of .*sample='a' is not a whole number"),
        ([row(0, target="4"), row(1, target="5")], r"line 2 of .*the question or target of problem 'p'"),
        ([row(0, seconds=-1)], r"line 1 of .*seconds=-1 is not a number of seconds"),
        ([row(0, seconds="nan")], r"line 1 of .*seconds='nan' is not a number of seconds"),
        ([row(0, finish_reason="eos")], r"line 1 of .*finish_reason='eos' is not one of stop, length"),
        ([row(0, text=3)], r"line 1 of .*text=3 is not text"),
        (
            [{"problem": "p", "prediction": "4"}],
            r"line 1 of .*no field 'length' or 'completion_tokens'.*length=FIELD",
        ),
        ([{"problem": "p", "length": 4}], r"line 1 of .*no field 'prediction'.*prediction=FIELD"),
        ([{"length": 4, "text": "x"}], r"line 1 of .*no field 'problem'.*it has 'length', 'text'"),
        ([row(0), row(0, problem="\ud800")], r"line 2 of .*'\\ud800' is no text: surrogates not allowed"),
    ],
)
def test_a_wrong_row_is_named(tmp_path: Path, rows: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(DataError, match=message):
        open_pool(pool(tmp_path / "pool.jsonl", *rows))


def test_a_named_column_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"line 1 of .*has no field 'gold'.*target=FIELD"):
        open_pool(pool(tmp_path / "pool.jsonl", row(0)), columns=Columns(target="gold"))
    with pytest.raises(ConfigError, match="no column for 'answer'; it has: problem, sample, prediction"):
        Columns.parse({"answer": "x"})


def test_the_model_can_be_named_where_nothing_else_names_it(tmp_path: Path) -> None:
    unnamed, named = pool(tmp_path / "a.jsonl", row(0)), pool(tmp_path / "b.jsonl", row(0, model="m"))
    with open_pool(unnamed, model="mine") as bank:
        assert [one.profile.name for one in bank.models()] == ["mine"]
        export_pool(bank, tmp_path / "c.jsonl")
    with pytest.raises(ConfigError, match=r"the rows of .*b.jsonl' name their models, in the field 'model'"):
        open_pool(named, model="mine")
    with pytest.raises(ConfigError, match=r"c.jsonl' is no plain pool"):
        open_pool(tmp_path / "c.jsonl", model="mine")
    with pytest.raises(ConfigError, match=r"c.jsonl' is no plain pool"):
        open_pool(tmp_path / "c.jsonl", columns=Columns(length="tokens"))
    open_pool(tmp_path / "c.jsonl", columns=Columns()).close()


def test_a_line_that_is_no_json_is_named(tmp_path: Path) -> None:
    path = pool(tmp_path / "pool.jsonl", row(0))
    path.write_text(path.read_text() + '{"problem": "p", \n')
    with pytest.raises(DataError, match=r"line 2 of .* is not JSON"):
        open_pool(path)


def test_importing_a_pool_twice_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    path = pool(tmp_path / "pool.jsonl", row(0), row(1))
    with Bank(tmp_path / "bank") as bank:
        import_pool(path, bank)
        with pytest.raises(DataError, match="already holds samples"):
            import_pool(path, bank)
        assert bank.num_samples() == 2


@pytest.mark.slow
@pytest.mark.skipif(not POOL.is_file(), reason="the shared pool is not here; it has no licence to be copied")
def test_the_shared_pool_is_read_whole() -> None:
    with open_pool(POOL) as bank:
        held = {summary.name: summary for summary in summarise(bank)}
        assert bank.num_samples() == 10_256
    assert {name: summary.num_problems for name, summary in held.items()} == {
        "QwQ": 258,
        "Qwen3": 258,
        "R1": 758,
        "R1DistilQwen": 258,
    }
    assert [group.min_samples for group in held["QwQ"].groups] == [8]
