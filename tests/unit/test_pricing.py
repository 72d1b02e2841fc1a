"""Dollars of finished runs: by a price file that is named afterwards, by whoever's tokens they are."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from tests.unit.replay_pools import compare, write_pool
from ttscale.backends import Backend, load_backend
from ttscale.budget.prices import PriceFile, prices_for
from ttscale.cli import main
from ttscale.errors import ConfigError, UnknownPrice
from ttscale.testing import FakeBackend, Reply
from ttscale.types import JSON, Outcome, Prompt, SampleUsage, Usage, Work
from ttscale_evals.pricing import priced
from ttscale_evals.result import load_result

EVAL = [
    "eval",
    "--benchmark",
    "jsonl:path=sums.jsonl",
    "--strategy",
    "self_consistency:n=4",
    "--out",
    "run",
    "--display",
    "none",
]
PRICES = "date: 2026-11-01\nmodels:\n  {name}: {{prompt: 1, generated: 100, prompt_cached: 0.5}}\n"


def adding(prompt: Prompt, seed: int, ordinal: int) -> Reply:
    """Add rightly; 3 + 3 fails where there is a file of that name."""
    number = int(prompt.question.split()[2])
    is_broken = number == 3 and Path("broken").is_file()
    return Reply(f"\\boxed{{{2 * number}}}", seconds=0.001, error="gone" if is_broken else None)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with a data file of four sums, price files, and a model that adds."""
    monkeypatch.chdir(tmp_path)
    sums = [{"question": f"What is {n} + {n} ?", "answer": str(2 * n)} for n in range(4)]
    Path("sums.jsonl").write_text("".join(json.dumps(line) + "\n" for line in sums))
    Path("prices.yaml").write_text(PRICES.format(name="abacus"))
    Path("other.yaml").write_text(PRICES.format(name="another"))

    def load(uri: str, options: Mapping[str, JSON] | None = None) -> Backend:
        return load_backend(uri, options or {}) if uri.startswith("replay:") else FakeBackend(adding)

    monkeypatch.setattr("ttscale_evals.sources.load_backend", load)
    return tmp_path


def run(*words: str) -> None:
    assert main([*EVAL, *words, "--json"]) == 0


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, object]:
    capsys.readouterr()
    assert main([*words, "--json"]) == 0
    (row,) = cast("list[dict[str, object]]", json.loads(capsys.readouterr().out)["rows"])
    return row


# ── files ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_price_file_says_what_it_has() -> None:
    file = PriceFile.read(Path("prices.yaml"))
    assert file.price("my:uri", "abacus").generated == 100
    said = (
        r"'prices.yaml' \(of 2026-11-01\) has no price for 'my:uri', only for 'abacus'; add it under `models`"
    )
    with pytest.raises(UnknownPrice, match=said):
        file.price("my:uri", "mine")


def test_the_price_of_a_recording_is_looked_up_when_it_is_open() -> None:
    found = prices_for(Path("other.yaml"), uri="replay:x", name="x", limits=(), is_recording=True)
    assert found is not None
    assert set(found.models) == {"another"}
    with pytest.raises(ConfigError, match="no price for 'abacus'"):
        prices_for(Path("other.yaml"), uri="abacus", name="fake", limits=())


def test_tokens_are_priced_by_model_and_those_of_an_old_run_are_unknown() -> None:
    file = PriceFile.read(Path("prices.yaml"))
    own = SampleUsage(prompt_computed=10, prompt_cached=4, generated=3)
    work = Work(seconds=1, kv_token_steps=1, peak_kv_tokens=1, by_model={"": own, "abacus": own})
    outcome = Outcome(answer="1", usage=Usage(generated=6), work=work)
    found = priced(outcome, file, names=("abacus", "fake"))
    assert found.usage.usd == pytest.approx(2 * (10 + 4 * 0.5 + 300) / 1e6)
    assert found.usage.generated == 6
    assert priced(outcome.with_(work=None), file, names=("abacus",)).usage.usd is None
    with pytest.raises(UnknownPrice, match="no price for 'hf:judge'"):
        priced(outcome.with_(work=replace(work, by_model={"hf:judge": own})), file, names=("abacus",))


# ── runs ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_finished_run_costs_afterwards_what_it_would_have_cost(capsys: pytest.CaptureFixture[str]) -> None:
    run()
    before = printed(capsys, "report", "run")
    assert (before["usd"], before["price_date"], before["price_file"]) == (None, None, None)
    after = printed(capsys, "report", "run", "--prices", "prices.yaml")
    assert (after["price_date"], after["price_file"]) == ("2026-11-01", "prices.yaml")
    run("--out", "priced", "--prices", "prices.yaml")
    measured = printed(capsys, "report", "priced")
    assert measured["price_date"] == "2026-11-01"
    assert Path(str(measured["price_file"])).name == "prices.yaml"
    assert isinstance(after["usd"], float)
    assert measured["usd"] == pytest.approx(after["usd"])
    assert printed(capsys, "compare", "run", "--prices", "prices.yaml")["usd"] == after["usd"]
    assert {name: value for name, value in before.items() if "usd" not in name and "price" not in name} == {
        name: value for name, value in after.items() if "usd" not in name and "price" not in name
    }


@pytest.mark.parametrize("command", ["report", "compare"])
def test_a_price_file_without_the_model_is_one_clear_error(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run()
    capsys.readouterr()
    assert main([command, "run", "--prices", "other.yaml", "--json"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert "'other.yaml' (of 2026-11-01) has no price for 'abacus', only for 'another'" in captured.err


def test_a_run_with_a_price_file_without_its_model_does_not_begin(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*EVAL, "--prices", "other.yaml"]) == 2
    assert "has no price for 'abacus', only for 'another'" in capsys.readouterr().err
    assert not (here / "run").exists()


def test_prices_are_dated_in_reports_and_dollars_are_an_axis(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run()
    words = ["report", "run", "--prices", "prices.yaml"]
    assert main([*words, "--md", "r.md", "--tex", "r.tex", "--html", "r.html", "--csv", "r.csv"]) == 0
    assert "Dollars are by the prices of 2026-11-01 (prices.yaml)." in capsys.readouterr().out
    assert "Dollars are by the prices of 2026{-}11{-}01" in (here / "r.tex").read_text()
    assert " USD |" in (here / "r.md").read_text()
    assert 'value="usd" id="plot-usd"' in (here / "r.html").read_text()
    (row,) = csv.DictReader((here / "r.csv").read_text().splitlines())
    assert float(row["usd"]) > 0
    assert main(["compare", "run", "--prices", "prices.yaml", "--by", "usd", "--json"]) == 0


# ── what else a run's row says ────────────────────────────────────────────────────────────────────────────


def test_a_run_says_how_its_numbers_are_known_and_whether_it_is_complete(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("--concurrency", "1")
    document = json.loads(capsys.readouterr().out)
    assert document["is_complete"] is True
    assert document["how_known"]["latency_p50_seconds"] == "measured"
    (row,) = document["rows"]
    assert row["concurrency"] == 1
    assert 0 < row["critical_path_seconds"] <= row["work_seconds"]
    assert row["kv_token_steps"] > row["generated_tokens"]
    assert row["peak_kv_bytes"] > row["peak_kv_tokens"] > 0
    assert json.loads((here / "run" / "results.json").read_text())["how_known"] == document["how_known"]
    assert load_result(here / "run").is_complete


def test_of_recorded_samples_seconds_are_modelled_and_the_recorded_model_has_the_price(here: Path) -> None:
    pool = write_pool(here)
    (here / "toy.yaml").write_text(PRICES.format(name="toy"))
    asked = {"strategies": ("self_consistency:n=4,stop=never",), "orders": 0}
    compared = compare(pool, here / "replayed", settings={"prices": str(here / "toy.yaml")}, **asked)
    document = compared.to_json()
    assert cast("dict[str, str]", document["how_known"])["latency_p50_seconds"] == "modelled"
    row = next(row for row in compared.rows if not row.is_bound)
    assert row.is_replayed
    assert row.usd == pytest.approx((row.prompt_tokens_computed + 100 * row.generated_tokens) / 1e6)
    assert row.critical_path_seconds == pytest.approx((400 + 600 + 500) / 50)  # the longest samples
    assert row.work_seconds == pytest.approx((1000 + 1300 + 1150) / 50)
    assert load_result(here / "replayed").rows[0].usd == row.usd
    again = load_result(here / "replayed", prices=PriceFile.read(here / "toy.yaml"))
    assert again.rows[0].usd == pytest.approx(row.usd)
    with pytest.raises(UnknownPrice, match="no price for 'toy'"):
        compare(pool, here / "other", settings={"prices": str(here / "other.yaml")}, **asked)


def test_a_run_with_a_failed_problem_is_not_complete(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "broken").touch()
    words = [*EVAL[:3], "--strategy", "single", "--out", "run", "--json"]
    assert main(words) == 1
    document = json.loads(capsys.readouterr().out)
    (row,) = document["rows"]
    assert document["is_complete"] is row["is_complete"] is False
    assert (row["accuracy"], row["accuracy_errors_excluded"]) == (0.75, 1.0)
    assert (row["accuracy_supportable_low"], row["accuracy_supportable_high"]) == (0.75, 1.0)
    assert (row["latency_failed"]["num_problems"], row["latency_finished"]["num_problems"]) == (1, 3)
    assert main(["report", "run"]) == 0
    said = "failed (accuracy without them 100.0 %, between 75.0 % and 100.0 % whatever they would have been): 1"
    assert said in " ".join(capsys.readouterr().out.split())


def test_a_comparison_is_written_as_csv_with_a_line_for_each_statement(here: Path) -> None:
    assert main([*EVAL, "--strategy", "single"]) == 0
    assert main(["compare", "run", "--csv", "c.csv"]) == 0
    lines = list(csv.DictReader((here / "c.csv").read_text().splitlines()))
    kinds = [line["kind"] for line in lines]
    assert kinds == sorted(kinds, key=["system", "pair", "matched", "front"].index)
    assert kinds.count("system") == 2
    (pair,) = [line for line in lines if line["kind"] == "pair"]
    assert {pair["system"], pair["against"]} == {"single", "self_consistency:n=4"}
    assert float(pair["difference"]) == 0.0
    assert pair["tokens"] == ""
