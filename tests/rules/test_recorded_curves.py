"""``ttscale pool curves`` on recorded evaluations: what was published of them comes out of the command.

The recordings are not part of this repository: they are read where they lie, beside it.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from ttscale.cli import main

POOLS = Path(__file__).parents[3] / "shared" / "data" / "pools"
EXACT = 1e-9

Row = Mapping[str, Any]


def paths_of(pattern: str) -> list[str]:
    found = sorted(map(str, POOLS.glob(pattern)))
    if not found:
        pytest.skip(f"the recordings are not here: ../shared/data/pools/{pattern}")
    return found


def rows_of(capsys: pytest.CaptureFixture[str], *words: str) -> list[Row]:
    assert main(["pool", "curves", *words, "--json"]) == 0
    captured = capsys.readouterr()
    rows: list[Row] = json.loads(captured.out)["rows"]
    return rows


def values(row: Row, measure: str) -> Mapping[int, float]:
    return {point["k"]: point[measure]["value"] for point in row["points"] if point[measure] is not None}


@pytest.mark.slow
def test_every_published_mean_standard_error_and_pass_at_16_comes_out(
    capsys: pytest.CaptureFixture[str],
) -> None:
    (pool,) = paths_of("epoch/otis_mock_aime.jsonl.gz")
    (described,) = paths_of("epoch/otis_runs.json")
    found = {(row["model"], row["grader"]): row for row in rows_of(capsys, pool)}
    checked = {"mean": 0, "pass_at_16": 0}
    for run in json.loads(Path(described).read_text(encoding="utf-8")):
        for published in run["published_scores"]:
            named = (run["run_id"], published["name"])
            row = found[named if named in found else (run["run_id"], None)]
            assert row["graded_by"] == "the pool's own grades"
            expected = published["metrics"]["accuracy"], published["metrics"]["stderr"]
            if published["reducer"] == "mean":
                shown = row["accuracy"], row["stderr"]
                if row["num_not_graded"]:  # they were left out of what was published
                    shown = row["accuracy_errors_excluded"], row["stderr_errors_excluded"]
                    assert (
                        row["supportable_low"] == row["accuracy"] <= shown[0] <= row["supportable_high"] + EXACT
                    )
            else:
                point = next(point["pass"] for point in row["points"] if point["k"] == 16)
                shown = point["value"], point["stderr"]
            assert shown == pytest.approx(expected, abs=EXACT), run["run_id"]
            checked[published["reducer"]] += 1
    assert checked == {"mean": 54, "pass_at_16": 13}


@pytest.mark.slow
def test_the_four_published_values_of_samples_with_rewards_are_printed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    (pool,) = paths_of("qwen25math_rm8/math_cot_100.jsonl.gz")
    (row,) = rows_of(capsys, pool)
    everything = row["all_samples"]
    shown = [row["accuracy"], everything["maj"], everything["best"], everything["pass"]]
    assert shown == pytest.approx([0.910, 0.930, 0.940, 0.960], abs=5e-4)
    assert main(["pool", "curves", pool]) == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if "100" in line and "8" in line)
    assert [cell for cell in line.split() if "." in cell and not cell.endswith(("]", ","))] == [
        *("91.0", "2.50", "93.0", "96.0", "94.0"),
    ]


@pytest.mark.slow
def test_two_models_and_two_benchmarks_with_fifty_samples_are_in_one_report(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    pools = paths_of("reasoning_gym_eval/*_k50.jsonl.gz")
    page = tmp_path / "curves.html"
    rows = rows_of(capsys, *pools, "--html", str(page))
    averages = list[float]()
    for pool in pools:
        with gzip.open(pool, "rt", encoding="utf-8") as file:
            averages.append(json.loads(next(file))["average_score"])
    assert [row["accuracy"] for row in rows] == pytest.approx(averages, abs=EXACT)
    assert len({row["benchmark"] for row in rows}) == 2
    for row in rows:
        assert (row["min_samples"], row["max_samples"]) == (50, 50)
        majority, passed = values(row, "maj"), values(row, "pass")
        assert list(majority) == list(passed) == [1, 2, 4, 8, 16, 32, 50]
        assert majority[1] <= passed[1] == pytest.approx(row["accuracy"])
        assert all(majority[k] <= passed[k] + EXACT for k in passed)
        assert_rising(list(passed.values()))
        assert_rising(list(values(row, "pass_hat").values())[::-1])
        for point in row["points"]:
            for name in ("maj", "pass", "pass_hat"):
                assert point[name]["low"] - EXACT <= point[name]["value"] <= point[name]["high"] + EXACT
    text = page.read_text(encoding="utf-8")
    assert all(row["model"] in text for row in rows)


def assert_rising(numbers: Sequence[float]) -> None:
    assert all(first <= second + EXACT for first, second in pairwise(numbers))


@pytest.mark.slow
def test_samples_without_grades_are_graded_by_their_targets(capsys: pytest.CaptureFixture[str]) -> None:
    (pool,) = paths_of("art_of_tts_half.jsonl.gz")
    rows = rows_of(capsys, pool, "--benchmark", "gpqa", "--recorded", "R1")
    assert [(row["benchmark"], row["model"], row["graded_by"]) for row in rows] == [
        ("gpqa", "R1", "equivalence with the target")
    ]
    with gzip.open(pool, "rt", encoding="utf-8") as file:
        samples = [json.loads(line) for line in file]
    own = [s for s in samples if (s["model"], s["benchmark"]) == ("R1", "gpqa")]
    letters = [(s["prediction"] or "").strip().upper() == s["target"].strip().upper() for s in own]
    assert rows[0]["num_samples"] == len(own)
    assert rows[0]["accuracy"] == pytest.approx(sum(letters) / len(letters), abs=0.02)
