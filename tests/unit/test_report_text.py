"""Reports as text: golden files, honest footnotes, and nothing from a model that acts."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from ttscale_evals.report import (
    ReportData,
    RunInfo,
    formats,
    render_csv,
    render_latex,
    render_markdown,
    render_terminal,
)
from ttscale_evals.report.latex import escape as latex_text
from ttscale_evals.report.leaderboard import footnotes, group_rows
from ttscale_evals.rows import Row

DATA = Path(__file__).parents[1] / "data" / "report"
ROWS = TypeAdapter(tuple[Row, ...]).validate_json((DATA / "rows.json").read_bytes())
HOSTILE = "</script><img src=x onerror=alert(1)>|`**\x1b[2J[bold]"
RUN = RunInfo(
    directory="runs/demo",
    config="model: abacus\nlimit: 120\n",
    command="ttscale eval runs/demo/config.yaml --out runs/demo --resume",
)


@pytest.mark.parametrize("width", [80, 120])
def test_the_terminal_table_is_as_drawn_before(width: int) -> None:
    assert render_terminal(ROWS, width=width) == (DATA / f"terminal_{width}.txt").read_text()


def test_the_markdown_is_as_written_before() -> None:
    data = ReportData(rows=ROWS, runs=(RUN,))
    assert render_markdown(data, title="ttscale: demo") == (DATA / "report.md").read_text()


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120, 200])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    assert max(map(len, render_terminal(ROWS, width=width).splitlines())) <= width


def test_color_is_written_only_when_asked_for() -> None:
    assert "\x1b[" not in render_terminal(ROWS)
    assert "\x1b[1m" in render_terminal(ROWS, color=True)


def test_rows_are_grouped_by_benchmark_and_sorted_by_accuracy() -> None:
    groups = group_rows(ROWS[::-1])
    assert [group.benchmark for group in groups] == ["chain_sum", "countdown"]
    for group in groups:
        accuracies = [row.accuracy for row in group.rows if row.accuracy is not None]
        assert accuracies == sorted(accuracies, reverse=True)
        assert [group.is_best(row) for row in group.rows] == [True] + [False] * (len(group.rows) - 1)


def test_equally_accurate_rows_are_all_best_and_the_cheaper_one_comes_first() -> None:
    dear = replace(ROWS[0], strategy="dear", tokens_per_problem=500.0)
    (group,) = group_rows([dear, ROWS[0]])
    assert [row.strategy for row in group.rows] == ["single", "dear"]
    assert all(group.is_best(row) for row in group.rows)


def test_a_row_without_any_problem_done_is_last_and_not_best() -> None:
    empty = replace(ROWS[0], strategy="a", num_problems=0, accuracy=None, accuracy_low=None, accuracy_high=None)
    (group,) = group_rows([empty, ROWS[0]])
    assert group.rows[-1] is empty
    assert not group.is_best(empty)
    assert "–" in render_terminal([empty])


def test_the_model_is_a_column_only_where_there_are_several() -> None:
    assert "abacus" not in render_terminal(ROWS[:1])
    assert "other:model" in render_terminal([ROWS[0], replace(ROWS[0], model="other:model")])


def test_footnotes_name_whatever_spoils_a_number() -> None:
    spoilt = replace(
        ROWS[0],
        num_missing=1,
        unparsed=2,
        truncated=3,
        grader_timeouts=4,
        grader_failures=5,
        errors=6,
        accuracy_errors_excluded=0.5,
        accuracy_supportable_low=0.4,
        accuracy_supportable_high=0.7,
    )
    (*_, note) = footnotes([spoilt])
    assert note == (
        "single on countdown: failed (accuracy without them 50.0 %, between 40.0 % and 70.0 % whatever they "
        "would have been): 6; not begun, in no number: 1; "
        "ended without an answer: 2; not judged in time, counted as wrong: 4; "
        "broke the grader, counted as wrong: 5; samples cut off at their token limit: 3."
    )


def test_few_problems_are_called_few() -> None:
    assert any("as few as 25 problems" in line for line in footnotes(ROWS))
    assert not any("as few as" in line for line in footnotes(ROWS[:3]))


def test_hostile_names_stay_text_in_the_terminal() -> None:
    shown = render_terminal([replace(ROWS[0], strategy=HOSTILE, benchmark=HOSTILE, model=HOSTILE)], width=200)
    assert "\x1b" not in shown
    assert "</script><img src=x onerror=alert(1)>|`**[bold]" in shown


def test_hostile_names_stay_text_in_markdown() -> None:
    hostile = replace(ROWS[0], strategy=HOSTILE, benchmark="a\n# heading")
    run = RunInfo(directory="x", config="```\nescape", command="y")
    written = render_markdown(ReportData(rows=(hostile,), runs=(run,)))
    assert r"\</script\>\<img src=x onerror=alert(1)\>\|\`\*\*\[bold\]" in written
    assert "\n# heading" not in written
    assert "````yaml\n```\nescape\n````" in written


def test_csv_has_every_field_and_unknown_is_empty() -> None:
    rows = list(csv.DictReader(io.StringIO(render_csv(ROWS))))
    assert [row["strategy"] for row in rows] == [row.strategy for row in ROWS]
    parted = {"latency_finished", "latency_failed"}
    assert {name.partition(".")[0] for name in rows[0]} == set(ROWS[0].to_json())
    assert {name.partition(".")[0] for name in rows[0] if "." in name} == parted
    assert (rows[3]["latency_failed.p99_seconds"], rows[0]["latency_failed.p99_seconds"]) == ("30.0", "")
    assert rows[4]["flops"] == ""
    assert float(rows[0]["accuracy"]) == ROWS[0].accuracy


# ── LaTeX ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_latex_has_a_table_a_benchmark_with_the_best_in_bold() -> None:
    written = render_latex(ReportData(rows=ROWS), title="ttscale: demo")
    assert written.startswith("% ttscale: demo\n")
    lines = written.splitlines()
    assert lines.count(r"\toprule") == lines.count(r"\bottomrule") == lines.count(r"\begin{table}[htbp]") == 2
    (single,) = [line for line in lines if line.startswith("single &") and "120" in line]
    assert r"41.7 \% {[}33.2, 50.6{]}" in single
    assert sum(line.startswith(r"\textbf{") for line in lines) == 2
    places = next(line for line in lines if line.startswith(r"\begin{tabular}"))
    assert len(places.removeprefix(r"\begin{tabular}{").removesuffix("}")) == single.count(" & ") + 1


HOSTILE_LATEX = (
    r"\input{/etc/passwd}", r"\write18{rm -rf}", "%", "&", "$x^2$", "a_b#c~d", "{", "}}", "[opt]", "*", "--",
    "``?`!`", "line\none", "\x1b[2J\x00", "中文 \u202eevil", '"a', "\r\n\\end{document}",
)  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE_LATEX)
def test_a_hostile_name_is_text_in_latex(name: str) -> None:
    row = replace(ROWS[0], strategy=name, model=name, benchmark=name)
    written = render_latex(ReportData(rows=(row,)), title=name)
    harmless = render_latex(ReportData(rows=(replace(row, strategy="s", model="m", benchmark="b"),)), title="t")
    assert len(written.splitlines()) == len(harmless.splitlines())
    assert set(re.findall(r"\\[a-zA-Z]+", uncommented(written))) <= set(
        re.findall(r"\\[a-zA-Z]+", harmless)
    ) | {f"\\{word}" for word in SIGN_COMMANDS}
    body = re.sub(r"\\[{}]", "", uncommented(written))
    assert body.count("{") == body.count("}")
    plain = re.sub(r"\\.", "", uncommented(written))
    assert not set("$#_%^~`") & set(plain)
    assert plain.count("&") == uncommented(harmless).count("&")
    assert "--" not in plain
    assert all(ord(sign) < 0x100 or sign in "–—" for sign in written[written.index(r"\begin") :])
    assert not re.search(r"\\\\\s*[\[*]", written)


SIGN_COMMANDS = (
    *("textbackslash", "textasciitilde", "textasciicircum", "textless", "textgreater", "textbar"),
    *("textasciigrave", "char"),
)


def uncommented(text: str) -> str:
    """Return LaTeX without its lines of comment."""
    return "\n".join(line for line in text.splitlines() if not line.startswith("%"))


def test_a_backslash_of_a_name_cannot_begin_a_command() -> None:
    assert latex_text(r"\input{x}") == r"\textbackslash{}input\{x\}"
    assert latex_text("a\nb") == "a b"
    assert latex_text("é – 中") == "é – U+4E2D"


@pytest.mark.parametrize("name", ["=1+1", "+cmd", "-x", "@sum"])
def test_a_name_cannot_become_a_formula_in_a_spreadsheet(name: str) -> None:
    (row,) = csv.DictReader(io.StringIO(render_csv([replace(ROWS[0], strategy=name)])))
    assert row["strategy"] == f"'{name}"


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "–"), (0, "0"), (7, "7"), (7.25, "7.2"), (85.8, "86"), (1234567, "1,234,567")],
)
def test_counts(value: float | None, shown: str) -> None:
    assert formats.count(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "–"),
        (0.0, "0"),
        (999.4, "999"),
        (999.6, "1.00 k"),
        (1234, "1.23 k"),
        (99_960, "100 k"),
        (999_950, "1.00 M"),
        (4.5e9, "4.50 G"),
        (2e18, "2.00 E"),
        (5e22, "50000 E"),
    ],
)
def test_magnitudes(value: float | None, shown: str) -> None:
    assert formats.magnitude(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "–"), (0.0123, "0.012"), (0.5, "0.50"), (3.14159, "3.14"), (42.42, "42.4"), (1234.5, "1,234")],
)
def test_seconds(value: float | None, shown: str) -> None:
    assert formats.seconds(value) == shown


@pytest.mark.parametrize(("value", "shown"), [(None, "–"), (0, "0"), (0.0012345, "0.00123"), (12.0, "12")])
def test_dollars(value: float | None, shown: str) -> None:
    assert formats.dollars(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"), [(None, "?"), (0.4, "0:00"), (75, "1:15"), (3599.6, "1:00:00"), (7322, "2:02:02")]
)
def test_durations(value: float | None, shown: str) -> None:
    assert formats.duration(value) == shown
