"""Banks go out to files and come back the same; a file that is not whole is refused where it breaks."""

from __future__ import annotations

import builtins
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.bank_samples import ASKED, bank_file, fill, model, sample
from ttscale.bank import Bank, RecordedProblem, export_pool, import_pool, open_pool
from ttscale.errors import DataError, MissingExtra
from ttscale.types import Prompt

ENDINGS = ("jsonl", "jsonl.gz", "parquet")
SAMPLES = [
    sample(0, "ab<é", num_logprobs=2, first=0.5),
    sample(1, "", reason="stop"),
    sample(2, "abc", reason="abort", num_logprobs=0),
    sample(3, "a", reason="error"),
]


@pytest.fixture
def bank(tmp_path: Path) -> Bank:
    bank = Bank(tmp_path / "bank")
    fill(bank, SAMPLES)
    fill(bank, [sample(9, "xyz")], of=model("other", seeds=False), prompt=Prompt(text="Else?"))
    bank.add_problem(RecordedProblem(benchmark="sums", id="1", prompt=ASKED, question="How much?", target="4"))
    return bank


def content(bank: Bank) -> object:
    return (
        [(series, list(bank.samples(series.key))) for series in bank.series()],
        [(m, bank.vocabulary(m.fingerprint), bank.sources(m.fingerprint)) for m in bank.models()],
        bank.problems(),
    )


@pytest.mark.parametrize("ending", ENDINGS)
def test_an_export_holds_everything(bank: Bank, tmp_path: Path, ending: str) -> None:
    path = tmp_path / "out" / f"pool.{ending}"
    if ending == "parquet":
        pytest.importorskip("pyarrow")
    assert export_pool(bank, path) == 5
    with open_pool(path) as read:
        assert content(read) == content(bank)
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_half_a_character_fits_into_json_and_not_into_parquet(tmp_path: Path) -> None:
    with Bank() as bank:
        key = fill(bank, [sample(0, "a\ud83d")])
        export_pool(bank, tmp_path / "pool.jsonl")
        with open_pool(tmp_path / "pool.jsonl") as read:
            assert next(read.samples(key)).text == "a\ud83d"
        pytest.importorskip("pyarrow")
        with pytest.raises(DataError, match=r"half a character.*\.jsonl"):
            export_pool(bank, tmp_path / "pool.parquet")


def test_equal_banks_make_equal_files(bank: Bank, tmp_path: Path) -> None:
    for name in ("one", "two"):
        export_pool(bank, tmp_path / name / "pool.jsonl.gz")
    assert (tmp_path / "one" / "pool.jsonl.gz").read_bytes() == (
        tmp_path / "two" / "pool.jsonl.gz"
    ).read_bytes()


def test_a_bank_is_opened_as_it_is(tmp_path: Path) -> None:
    path = bank_file(tmp_path / "bank", [sample()])
    with open_pool(path) as opened:
        assert opened.path == path


def test_seeded_samples_are_imported_once(bank: Bank, tmp_path: Path) -> None:
    export_pool(bank, tmp_path / "pool.jsonl")
    with Bank() as target:
        fill(target, [sample(77, "ab", seed=0, reason="abort")])
        fill(target, [sample(9)], of=model("other", seeds=False), prompt=Prompt(text="Else?"))
        with pytest.raises(DataError, match="already holds samples"):
            import_pool(tmp_path / "pool.jsonl", target)
        assert target.num_samples() == 2  # nothing of the file is left
    with Bank() as target:
        fill(target, [sample(77, "ab", seed=0, reason="abort")])
        import_pool(tmp_path / "pool.jsonl", target)
        assert target.num_samples() == 6
        import_one = bank_file(tmp_path / "third", [sample(5, "new", seed=50)])
        import_pool(import_one, target)
        assert target.num_samples() == 7


# ── files that are not whole ──────────────────────────────────────────────────────────────────────────────


def damaged(bank: Bank, path: Path, change: Callable[[list[dict[str, Any]]], object]) -> Path:
    """Export a bank, its lines changed; `change` gets the header and the rows."""
    export_pool(bank, path)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    change(lines)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda lines: lines[0].update(ttscale_pool=3),
            r"line 1 of .*has version 3, this ttscale reads 1 to 2",
        ),
        (lambda lines: lines[0].pop("models"), r"the first line of .* is damaged"),
        (lambda lines: lines[0]["models"][0].pop("profile"), r"the first line of .* is damaged .*profile"),
        (lambda lines: lines.pop(), r"says it has 5 samples and has 4: rows are missing"),
        (lambda lines: lines.append(lines[1]), r"line 7 of .* is the same sample as line 2 of"),
        (lambda lines: lines[3].pop("seed"), r"line 4 of .*seed: Field required"),
        (lambda lines: lines[3].update(sead=1), r"line 4 of .*sead: Extra inputs"),
        (
            lambda lines: lines[3].update(generated="3"),
            r"line 4 of .*generated: Input should be a valid integer",
        ),
        (lambda lines: lines[3].update(finish_reason="bored"), r"line 4 of .*finish_reason"),
        (lambda lines: lines[3].update(seconds=-1.0), r"line 4 of .*-1.0 is no number of seconds"),
        (lambda lines: lines[3].update(seed=2**63), r"line 4 of .* is not in \[0, 2\*\*63\)"),
        (lambda lines: lines[3].update(prompt={}), r"line 4 of .*a prompt needs"),
        (lambda lines: lines[3].update(prompt={"token_ids": ["a"]}), r"line 4 of .*a prompt needs"),
        (lambda lines: lines[3].update(model="nobody"), r"line 4 of .*'nobody' is not among those"),
        (lambda lines: lines[3]["token_ids"].pop(), r"line 4 of .*2 token_ids, but generated=3"),
        (lambda lines: lines[3]["logprobs"].pop(), r"line 4 of .*2 logprobs of 3 tokens"),
        (lambda lines: lines[1]["top_ids"].pop(), r"line 2 of .*zip"),
        (lambda lines: lines[1].update(top_ids=None), r"line 2 of .*top_ids and top_logprobs"),
        (lambda lines: lines[3].update(error="x"), r"line 4 of .*'abort' with error 'x'"),
        (lambda lines: lines[3]["logprobs"].__setitem__(0, float("nan")), r"line 4 of .*not a number"),
        (lambda lines: lines[3].update(settings={"temperature": "hot"}), r"line 4 of .*temperature"),
    ],
)
def test_a_damaged_row_is_named(
    bank: Bank, tmp_path: Path, change: Callable[[list[dict[str, Any]]], object], message: str
) -> None:
    path = damaged(bank, tmp_path / "pool.jsonl", change)
    with pytest.raises(DataError, match=message):
        open_pool(path)


def test_a_line_that_breaks_off_is_named(bank: Bank, tmp_path: Path) -> None:
    path = tmp_path / "pool.jsonl"
    export_pool(bank, path)
    path.write_text(path.read_text()[:-20])
    with pytest.raises(DataError, match=r"line 6 of .* is not JSON"):
        open_pool(path)


def test_a_compressed_file_that_breaks_off_is_refused(bank: Bank, tmp_path: Path) -> None:
    path = tmp_path / "pool.jsonl.gz"
    export_pool(bank, path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"pool.jsonl.gz' cannot be read"):
        open_pool(path)


def test_parquet_of_another_version_is_refused(bank: Bank, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    export_pool(bank, tmp_path / "pool.parquet")
    table = parquet.read_table(tmp_path / "pool.parquet")
    metadata = {b"ttscale_pool": json.dumps({"ttscale_pool": 3}).encode()}
    parquet.write_table(table.replace_schema_metadata(metadata), tmp_path / "pool.parquet")
    with pytest.raises(DataError, match=r"the metadata of .*has version 3"):
        open_pool(tmp_path / "pool.parquet")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no data file"):
        open_pool(tmp_path / "none.jsonl")


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pool.jsonl").write_text("")
    with pytest.raises(DataError, match="is empty"):
        open_pool(tmp_path / "pool.jsonl")


def test_an_unknown_ending_is_refused(bank: Bank, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no known ending"):
        export_pool(bank, tmp_path / "pool.txt")


def test_without_pyarrow_the_mend_is_named(bank: Bank, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def blocked(name: str, *args: Any, **kwargs: Any) -> object:
        if name.split(".")[0] == "pyarrow":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", blocked)
    with pytest.raises(MissingExtra, match=r"pip install 'ttscale\[evals\]'"):
        export_pool(bank, tmp_path / "pool.parquet")
    (tmp_path / "pool.parquet").write_bytes(b"PAR1")
    with pytest.raises(MissingExtra, match=r"pip install 'ttscale\[evals\]'"):
        open_pool(tmp_path / "pool.parquet")
