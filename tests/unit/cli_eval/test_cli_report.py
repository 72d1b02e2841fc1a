"""``ttscale report`` on finished runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.eval_bench import EVAL, ROW_KEYS, UseBackend, adding, assert_refused
from ttscale.cli import main
from ttscale.testing import FakeBackend


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
