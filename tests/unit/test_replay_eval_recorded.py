"""``ttscale eval --replay`` on recorded traces of four reasoning models, against the tables made of them.

The recordings carry no licence and are not part of this repository: they are read where they lie, beside it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from ttscale.cli import main

POOL = Path(__file__).parents[3] / "shared" / "data" / "pools" / "art_of_tts_half.jsonl.gz"
BENCHMARKS = ("aime2024", "aime2025-i", "aime2025-ii", "gpqa")
STRATEGIES = {
    "mean": "mean@8",
    "majority": "self_consistency:n=8,stop=never",
    "ln": "shortest_majority:n=8",
    "sqrt": "shortest_majority:n=8,law=sqrt",
    "linear": "shortest_majority:n=8,law=linear",
    "first 1": "first_finish:n=8,k=1",
    "first 3": "first_finish:n=8,k=3",
    "last 1": "last_finish:n=8,k=1",
    "pass": "pass@8",
}
ADAPTIVE = "adaptive_consistency:n=8"
WINDOWS = "esc:n=8,window=4"

# Per cent, in the order of STRATEGIES; then thousand tokens a problem of all samples, and of the longest.
CELLS = {
    ("R1", "aime2024"): ((75.0, 86.7, 86.7, 86.7, 86.7, 86.7, 90.0, 70.0, 90.0), 74.3, 13.2),
    ("R1", "aime2025-i"): ((56.7, 73.3, 73.3, 73.3, 73.3, 66.7, 73.3, 53.3, 73.3), 99.9, 20.1),
    ("R1", "aime2025-ii"): ((71.7, 86.7, 93.3, 93.3, 93.3, 73.3, 93.3, 46.7, 93.3), 91.4, 17.2),
    ("R1", "gpqa"): ((71.4, 74.2, 74.7, 74.7, 74.7, 73.7, 72.7, 71.7, 85.9), 48.3, 8.0),
    ("R1DistilQwen", "aime2024"): ((68.3, 80.0, 86.7, 86.7, 86.7, 83.3, 80.0, 53.3, 86.7), 86.0, 19.0),
    ("R1DistilQwen", "gpqa"): ((58.6, 65.7, 65.2, 65.2, 61.6, 52.5, 63.1, 60.1, 83.8), 48.4, 12.0),
    ("QwQ", "aime2024"): ((79.6, 86.7, 83.3, 83.3, 83.3, 80.0, 80.0, 76.7, 86.7), 106.4, 17.7),
    ("QwQ", "gpqa"): ((63.1, 65.7, 67.2, 67.2, 67.2, 66.2, 67.7, 61.6, 82.8), 66.7, 11.2),
    ("Qwen3", "aime2024"): ((70.8, 90.0, 90.0, 90.0, 70.0, 40.0, 76.7, 83.3, 90.0), 91.5, 21.5),
    ("Qwen3", "gpqa"): ((56.8, 67.7, 68.2, 68.2, 65.7, 63.1, 66.7, 66.7, 89.9), 52.1, 11.9),
}

Document = Mapping[str, Any]
Rows = Mapping[tuple[str, str, str], Mapping[str, Any]]


NAMES = (*(name for name in STRATEGIES.values() if "@" not in name), ADAPTIVE, WINDOWS)

all_of_it = pytest.mark.integration
"""Whatever replays all four models takes a minute; two cells of one are replayed with the quick tests."""


def run(out: Path, benchmarks: Sequence[str], strategies: Sequence[str], *words: str) -> Document:
    """Run the command and return its document."""
    if not POOL.is_file():
        pytest.skip("the recorded traces are not here: ../shared/data/pools/art_of_tts_half.jsonl.gz")
    named = [word for name in benchmarks for word in ("--benchmark", name)]
    named += [word for name in strategies for word in ("--strategy", name)]
    assert main(["eval", "--replay", str(POOL), *named, *words, "--out", str(out), "--display", "none"]) == 0
    document: Document = json.loads((out / "comparison.json").read_text())
    return document


@pytest.fixture(scope="module")
def two_cells(tmp_path_factory: pytest.TempPathFactory) -> Document:
    out = tmp_path_factory.mktemp("replay") / "run"
    return run(out, ("aime2024", "aime2025-i"), NAMES, "--recorded", "R1", "--orders", "0")


@pytest.fixture(scope="module")
def every_cell(tmp_path_factory: pytest.TempPathFactory) -> Document:
    return run(tmp_path_factory.mktemp("replay") / "run", BENCHMARKS, NAMES, "--orders", "0")


def rows_of(document: Document) -> Rows:
    return {(row["model"], row["benchmark"], row["strategy"]): row for row in document["rows"]}


def assert_cell(document: Document, cell: tuple[str, str]) -> None:
    """Hold a cell's accuracies, and what a full vote costs in it, against the table."""
    rows, (accuracies, thousand_tokens, thousand_in_a_row) = rows_of(document), CELLS[cell]
    found = [100 * rows[*cell, strategy]["accuracy"] for strategy in STRATEGIES.values()]
    assert found == pytest.approx(accuracies, abs=0.0501)
    full = rows[*cell, STRATEGIES["majority"]]
    assert full["tokens_per_problem"] / 1000 == pytest.approx(thousand_tokens, abs=0.0501)
    assert full["critical_path_tokens_per_problem"] / 1000 == pytest.approx(thousand_in_a_row, abs=0.0501)


# ── two cells ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
@pytest.mark.parametrize("benchmark", ["aime2024", "aime2025-i"])
def test_a_cell_of_one_model_is_the_tables(two_cells: Document, benchmark: str) -> None:
    assert_cell(two_cells, ("R1", benchmark))


@pytest.mark.slow
def test_the_first_finishers_true_cost_has_the_aborted_traces_in_it(two_cells: Document) -> None:
    row = rows_of(two_cells)["R1", "aime2024", STRATEGIES["first 1"]]
    assert row["tokens_per_problem"] / 1000 == pytest.approx(49.9, abs=0.0501)
    assert row["generated_tokens"] / row["num_problems"] / 1000 == pytest.approx(7.4, abs=0.0501)
    assert row["samples_per_problem"] == 8


def test_every_row_is_matched_in_the_recorded_order(two_cells: Document) -> None:
    rows = [row for row in two_cells["rows"] if not row["is_bound"]]
    assert len(rows) == 2 * len(NAMES)
    for row in rows:
        matched, strategy = row["matched"], row["strategy"]
        if strategy == STRATEGIES["majority"]:
            same = matched["at_equal_tokens"]
            assert (same["reference_samples"], same["difference"]) == (pytest.approx(8), pytest.approx(0))
        if strategy == STRATEGIES["first 1"]:
            assert matched["at_equal_critical_path"]["note"] == "it costs less than one sample"


@pytest.mark.slow
def test_one_model_in_drawn_orders_has_intervals_and_reports(tmp_path: Path) -> None:
    names = (STRATEGIES["majority"], ADAPTIVE)
    words = ("--recorded", "R1", "--orders", "2", "--limit", "15")
    rows = rows_of(run(tmp_path / "run", ("aime2024",), names, *words))
    full, adaptive = (rows["R1", "aime2024", name] for name in names)
    assert full["average"]["accuracy"] == pytest.approx(full["accuracy"], abs=0.07)  # ties go another way
    assert full["average"]["accuracy_low"] < full["average"]["accuracy"] < full["average"]["accuracy_high"]
    assert full["matched"]["at_equal_tokens"]["difference"] == pytest.approx(0.0)
    assert adaptive["average"]["samples_per_problem"] < 8
    assert adaptive["matched"]["at_equal_tokens"]["difference_low"] <= 0.0
    for name in ("report.html", "report.md", "rows.csv"):
        assert (tmp_path / "run" / name).stat().st_size > 1000


# ── all of it ─────────────────────────────────────────────────────────────────────────────────────────────


@all_of_it
@pytest.mark.parametrize("cell", CELLS, ids=" ".join)
def test_every_cell_is_the_tables(every_cell: Document, cell: tuple[str, str]) -> None:
    assert_cell(every_cell, cell)


@all_of_it
@pytest.mark.parametrize(
    ("column", "by_cell", "by_problem"),
    [
        ("mean", 64.24, 63.53),
        ("majority", 76.45, 71.22),
        ("ln", 76.79, 71.71),
        ("first 1", 62.43, 64.05),
        ("first 3", 73.14, 69.67),
        ("pass", 83.90, 85.37),
    ],
)
def test_the_totals_over_all_cells_and_over_all_problems_are_the_recomputed_ones(
    every_cell: Document, column: str, by_cell: float, by_problem: float
) -> None:
    (total,) = [total for total in every_cell["totals"] if total["strategy"] == STRATEGIES[column]]
    assert (total["num_rows"], total["num_problems"]) == (16, 1032)
    assert 100 * total["mean_accuracy"] == pytest.approx(by_cell, abs=0.0051)
    assert 100 * total["accuracy"] == pytest.approx(by_problem, abs=0.0051)


@all_of_it
@pytest.mark.parametrize(("strategy", "num_samples"), [(ADAPTIVE, 5.607), (WINDOWS, 5.767)])
def test_early_stops_draw_fewer_samples_for_the_majoritys_accuracy(
    every_cell: Document, strategy: str, num_samples: float
) -> None:
    (total,) = [total for total in every_cell["totals"] if total["strategy"] == strategy]
    assert total["samples_per_problem"] == pytest.approx(num_samples, abs=0.0005)
    assert 100 * total["accuracy"] == pytest.approx(71.22, abs=0.0051)
