"""Rows of the leaderboard: denominators, latency, work, what is unknown, and how each number is known."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttscale.types import Outcome, SampleUsage, Sharing, Usage, Work
from ttscale_evals.benchmarks import Grade
from ttscale_evals.metrics import PromptSharing, how_known
from ttscale_evals.report.columns import bases, columns, known_note
from ttscale_evals.report.csv_rows import render_csv
from ttscale_evals.rows import Row, Setting, known_of, make_row
from ttscale_evals.store import Result, StoredCell

OWN = Sharing(computed=24, shared=10, unshared=20, unshared_in_blocks=22, kv_token_steps=30, peak_kv_tokens=8)
JUDGES = replace(OWN, computed=6, shared=0, unshared=5, unshared_in_blocks=None)
WORK = Work(
    seconds=2.0,
    kv_token_steps=50,
    peak_kv_tokens=12,
    kv_byte_steps=500.0,
    peak_kv_bytes=120.0,
    by_model={"": SampleUsage()},
    sharing=OWN,
    sharing_by_model={"": OWN},
    nodes={"expanded": 3, "pruned": 1},
)
NAMES = {"benchmark", "strategy", "model", "budget", "refused", "price_date", "price_file"}
"""Fields of text."""
CIRCUMSTANCES = {"concurrency", "is_replayed", "is_bound"}
"""Fields that say under what a row came about; nobody needs to be told how these are known."""


def result(mark: str, *, seconds: float = 1.0, work: Work | None = WORK) -> Result:
    """Return a result: ``1`` right, ``0`` wrong, ``x`` failed, ``-`` no answer, ``t`` late, ``g`` broken."""
    reason = {"-": "no answer", "t": "timeout", "g": "grader failed: ValueError"}.get(mark, "")
    return Result(
        key=mark,
        cell=0,
        position=0,
        problem_id="p",
        question="?",
        target="1",
        outcome=Outcome(
            answer=None if mark in "x-" else "1",
            stop_reason="error" if mark == "x" else "finished",
            usage=Usage(generated=10, calls=1),
            seconds=seconds,
            critical_path_seconds=None if work is None else 0.5,
            work=work,
        ),
        grade=Grade(correct=mark == "1", value=None, reason=reason),
    )


def row_of(marks: str, *, num_planned: int | None = None, setting: Setting | None = None) -> Row:
    return row_of_results([result(mark) for mark in marks], num_planned=num_planned, setting=setting)


def row_of_results(
    results: Sequence[Result], *, num_planned: int | None = None, setting: Setting | None = None
) -> Row:
    planned = len(results) if num_planned is None else num_planned
    cell = StoredCell(number=0, benchmark="b", strategy="s", num_problems=planned, fingerprint="")
    return make_row(cell, results, model="m", wall_seconds=1.0, setting=setting)


# ── denominators ──────────────────────────────────────────────────────────────────────────────────────────


def test_failed_problems_are_wrong_and_what_they_leave_open_stands_beside() -> None:
    row = row_of("110xx")
    assert row.accuracy == 2 / 5
    assert row.accuracy_errors_excluded == 2 / 3
    assert (row.accuracy_supportable_low, row.accuracy_supportable_high) == (2 / 5, 4 / 5)


def test_without_failures_there_is_nothing_beside_the_headline() -> None:
    row = row_of("110")
    assert row.accuracy_errors_excluded is None
    assert (row.accuracy_supportable_low, row.accuracy_supportable_high) == (None, None)


def test_where_all_failed_the_headline_is_0_and_anything_may_be_true() -> None:
    row = row_of("xx")
    assert (row.accuracy, row.accuracy_errors_excluded) == (0.0, None)
    assert (row.accuracy_supportable_low, row.accuracy_supportable_high) == (0.0, 1.0)


@given(st.text("10x-tg", min_size=1, max_size=30))
def test_one_more_failed_problem_never_raises_the_headline(marks: str) -> None:
    before, after = row_of(marks), row_of(f"{marks}x")
    assert before.accuracy is not None
    assert after.accuracy is not None
    assert after.accuracy <= before.accuracy
    assert after.accuracy == after.accuracy_supportable_low
    assert after.accuracy_supportable_high is not None
    assert after.accuracy_supportable_high >= (before.accuracy_supportable_high or before.accuracy)


def test_a_row_is_complete_when_every_planned_problem_is_judged() -> None:
    assert row_of("10-").is_complete
    row = row_of("1xtg", num_planned=6)
    assert not row.is_complete
    assert row.not_graded == {"missing": 2, "failed": 1, "grader timeouts": 1, "grader failures": 1}
    assert row.to_json()["is_complete"] is False
    assert not replace(row_of("10"), refused="too few samples").is_complete


def test_missing_is_not_zero() -> None:
    row = row_of("11", num_planned=4)
    assert (row.accuracy, row.num_missing) == (1.0, 2)
    nothing = row_of("", num_planned=4)
    unknown = ("accuracy", "latency_p50_seconds", "latency_finished", "work_seconds", "kv_token_steps")
    assert [getattr(nothing, name) for name in unknown] == [None] * 5


# ── seconds and caches ────────────────────────────────────────────────────────────────────────────────────


def test_latency_is_split_by_how_it_ended() -> None:
    finished = [result("1", seconds=float(number)) for number in range(1, 101)]
    row = row_of_results([*finished, result("x", seconds=1000.0)])
    assert row.latency_p50_seconds == 51.0
    assert row.latency_finished is not None
    assert row.latency_failed is not None
    assert (row.latency_finished.num_problems, row.latency_failed.num_problems) == (100, 1)
    assert row.latency_finished.p50_seconds == pytest.approx(50.5)
    assert row.latency_finished.p90_seconds == pytest.approx(90.1)
    assert row.latency_finished.p95_seconds == pytest.approx(95.05)
    assert row.latency_finished.p99_seconds == pytest.approx(99.01)
    assert row.latency_failed.p50_seconds == row.latency_failed.p99_seconds == 1000.0
    assert row_of("1").latency_failed is None


def test_work_is_summed_and_the_peak_is_that_of_one_problem() -> None:
    more = replace(WORK, seconds=3.0, peak_kv_tokens=20, peak_kv_bytes=200.0)
    row = row_of_results([result("1"), result("x", work=more)])
    assert (row.work_seconds, row.work_seconds_per_problem) == (5.0, 2.5)
    assert (row.critical_path_seconds, row.critical_path_seconds_per_problem) == (1.0, 0.5)
    assert (row.kv_token_steps, row.kv_token_steps_per_problem, row.kv_byte_steps) == (100, 50.0, 1000.0)
    assert (row.peak_kv_tokens, row.peak_kv_bytes) == (20, 200.0)


def test_what_one_problem_does_not_know_the_row_does_not_know() -> None:
    row = row_of_results([result("1"), result("1", work=None)])
    assert (row.work_seconds, row.critical_path_seconds, row.kv_token_steps, row.peak_kv_tokens) == (None,) * 4
    sized = row_of_results(
        [result("1"), result("1", work=replace(WORK, kv_byte_steps=None, peak_kv_bytes=None))]
    )
    assert (sized.kv_token_steps, sized.kv_byte_steps, sized.peak_kv_bytes) == (100, None, None)


def test_sharing_is_summed_and_held_against_the_ideal_in_total_and_by_model() -> None:
    judged = replace(
        WORK,
        by_model={"": SampleUsage(), "judge": SampleUsage()},
        sharing=replace(OWN, computed=30, unshared=25, unshared_in_blocks=None, peak_kv_tokens=9),
        sharing_by_model={"": OWN, "judge": JUDGES},
    )
    row = row_of_results([result("1"), result("0", work=judged)])
    assert row.sharing == PromptSharing(
        computed=54,
        shared=20,
        unshared=45,
        unshared_in_blocks=None,
        computed_over_ideal=54 / 45,
        computed_over_blocks=None,
    )
    assert {name: of.computed for name, of in row.sharing_by_model.items()} == {"judge": 6, "m": 48}
    assert row.sharing_by_model["m"].computed_over_blocks == 48 / 44
    assert (row.distinct_kv_token_steps, row.distinct_kv_token_steps_per_problem) == (60, 30.0)
    assert row.distinct_peak_kv_tokens == 9
    assert row.nodes == {"expanded": 6, "pruned": 2}


def test_where_sharing_is_not_known_of_one_problem_the_row_does_not_know() -> None:
    old = replace(WORK, sharing=None, sharing_by_model={}, nodes=None)
    for other in (old, None):
        row = row_of_results([result("1"), result("1", work=other)])
        assert (row.sharing, row.nodes) == (None, None)
        assert (row.distinct_kv_token_steps, row.distinct_peak_kv_tokens) == (None, None)
    assert row_of_results([result("1"), result("1", work=old)]).sharing_by_model == {}
    assert (row_of("").sharing, row_of("").nodes) == (None, None)


def test_a_file_of_rows_has_sharing_and_nodes_in_columns_of_their_own() -> None:
    bare = row_of_results([result("1", work=None)])
    (of, unknown) = csv.DictReader(io.StringIO(render_csv([row_of("1"), bare])))
    assert (of["sharing.computed"], of["sharing_by_model.m.shared"], of["nodes.pruned"]) == ("24", "10", "1")
    assert (unknown["sharing.computed"], unknown["nodes.pruned"]) == ("", "")
    (nothing,) = csv.DictReader(io.StringIO(render_csv([bare])))
    assert (nothing["sharing"], nothing["sharing_by_model"], nothing["nodes"]) == ("", "", "")


def test_a_row_says_at_which_concurrency_and_prices() -> None:
    row = row_of("1", setting=Setting(concurrency=8, price_date="2026-11-01", price_file="prices.yaml"))
    assert (row.concurrency, row.price_date, row.price_file) == (8, "2026-11-01", "prices.yaml")
    assert row_of("1").concurrency is None


# ── how it is known ───────────────────────────────────────────────────────────────────────────────────────


def test_every_number_of_a_row_says_how_it_is_known() -> None:
    numbers = {f.name for f in fields(Row)} - NAMES - CIRCUMSTANCES
    assert set(how_known(is_replayed=False)) == numbers
    assert set(how_known(is_replayed=True)) == numbers


def test_on_recorded_samples_seconds_are_modelled_and_tokens_are_as_recorded() -> None:
    live, replayed = how_known(is_replayed=False), how_known(is_replayed=True)
    assert (live["latency_p50_seconds"], replayed["latency_p50_seconds"]) == ("measured", "modelled")
    assert (live["tokens"], replayed["tokens"], replayed["generated_tokens"]) == (
        "measured",
        "derived",
        "measured",
    )
    assert live["flops"] == replayed["flops"] == "modelled"
    mixed = [row_of("1"), row_of("1", setting=Setting(is_replayed=True))]
    assert known_of(mixed)["latency_p50_seconds"] == "modelled"
    assert known_of(mixed[:1])["latency_p50_seconds"] == "measured"


def test_every_column_of_a_number_says_how_it_is_known() -> None:
    row = row_of("1x-tg", num_planned=6, setting=Setting(concurrency=3, price_date="2026-11-01"))
    shown = columns([row], more=True)
    silent = {column.key for column in shown} - set(bases(shown, [row]))
    assert silent == {"strategy", "concurrency"}
    assert "; derived: " in known_note(shown, [row])
    assert known_note(shown, [row]).endswith("KV peak, KV steps once, KV peak once, KV peak bytes.")


def test_more_columns_are_there_only_on_request_and_where_they_have_something_to_say() -> None:
    row = row_of("1")
    assert {"work_seconds", "kv_token_steps"} <= {column.key for column in columns([row], more=True)}
    assert not any(column.is_more for column in columns([row]))
    texts = {column.key: column.text(row) for column in columns([row], more=True)}
    assert (texts["shared"], texts["unshared"], texts["nodes"]) == ("10", "20", "4")
    assert (texts["over_ideal"], texts["over_blocks"]) == ("1.20", "1.09")
    bare = row_of_results([result("1", work=None)])
    assert "kv_token_steps" not in {column.key for column in columns([bare], more=True)}
    assert "latency_failed_p50" not in {column.key for column in columns([row], more=True)}
