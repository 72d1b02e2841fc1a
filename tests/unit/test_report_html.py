"""The HTML page as text: it loads nothing, runs only its own scripts, and shows hostile text as text."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
import sys
from collections.abc import Mapping
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import cast

import pytest
from pydantic import TypeAdapter

from ttscale.errors import MissingExtra
from ttscale.types import JSON
from ttscale_evals.report import Answer, ReportData, RunInfo, render_html
from ttscale_evals.report.figures import figures
from ttscale_evals.rows import Row

DATA = Path(__file__).parents[1] / "data" / "report"
ROWS = TypeAdapter(tuple[Row, ...]).validate_json((DATA / "rows.json").read_bytes())
HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\x1b[2J&amp;'\""


def answer(**changes: object) -> Answer:
    made = Answer(
        benchmark="countdown", strategy="single", model="abacus", problem_id="countdown-0", question="Make 7.",
        target=None, answer="3 + 4", text="3 + 4 = 7", result="right", tokens=12, seconds=0.5,
        stop_reason="finished",
    )  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type]


class Page(HTMLParser):
    """The elements of a page, the text of its scripts, and what it would load."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags = list[str]()
        self.in_script = False
        self.handlers = list[str]()
        self.loads = list[str]()
        self.scripts = list[str]()
        self.metas = list[Mapping[str, str | None]]()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.handlers += [name for name, _ in attrs if name.startswith("on")]
        self.loads += [value or "" for name, value in attrs if name in {"src", "href", "action", "srcset"}]
        self.in_script = tag == "script"
        if self.in_script:
            self.scripts.append("")
        if tag == "meta":
            self.metas.append(dict(attrs))

    def handle_data(self, data: str) -> None:
        if self.in_script:
            self.scripts[-1] += data

    def handle_endtag(self, tag: str) -> None:
        self.in_script = False

    @property
    def data(self) -> Mapping[str, JSON]:
        return cast("Mapping[str, JSON]", json.loads(self.scripts[0]))


def test_the_page_loads_nothing() -> None:
    page = Page(render_html(ReportData(rows=ROWS, answers=(answer(),))))
    assert page.loads == []
    assert page.tags.count("script") == 3
    assert "link" not in page.tags


def test_only_the_pages_own_scripts_may_run() -> None:
    page = Page(render_html(ReportData(rows=ROWS)))
    (policy,) = (m["content"] for m in page.metas if m.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'; ")
    allowed = re.findall(r"'sha256-([^']+)'", policy)
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in page.scripts]
    assert allowed == hashes[1:]
    assert "unsafe-eval" not in policy
    assert "script-src 'sha256" in policy


def test_hostile_text_adds_no_element_and_no_handler() -> None:
    plain = ReportData(
        rows=ROWS[:1], answers=(answer(),), runs=(RunInfo(directory="d", config="c", command="r"),)
    )
    harmless = Page(render_html(plain))
    row = replace(ROWS[0], strategy=HOSTILE, benchmark=HOSTILE, model=HOSTILE)
    given = answer(
        benchmark=HOSTILE, strategy=HOSTILE, problem_id=HOSTILE, question=HOSTILE, target=HOSTILE,
        answer=HOSTILE, text=HOSTILE, error=HOSTILE,
    )  # fmt: skip
    run = RunInfo(directory=HOSTILE, config=HOSTILE, command=HOSTILE)
    hostile = Page(render_html(ReportData(rows=(row,), answers=(given,), runs=(run,)), title=HOSTILE))
    assert hostile.tags == harmless.tags
    assert hostile.handlers == []
    shown = HOSTILE.replace("\x1b[2J", "")
    (problem,) = cast("list[dict[str, JSON]]", hostile.data["problems"])
    assert problem["answer"] == shown
    assert problem["error"] == shown


def test_each_question_is_there_once_and_long_texts_are_cut() -> None:
    answers = (answer(), answer(strategy="other"), answer(problem_id="countdown-1", text="x" * 5000))
    data = Page(render_html(ReportData(rows=ROWS, answers=answers))).data
    assert len(cast("list[JSON]", data["questions"])) == 2
    problems = cast("list[dict[str, JSON]]", data["problems"])
    assert [problem["question"] for problem in problems] == [0, 0, 1]
    assert [problem["system"] for problem in problems] == [0, 1, 0]
    assert len(cast("str", problems[2]["text"])) < 2000


def test_answers_beyond_the_limit_are_left_out_and_the_page_says_so() -> None:
    answers = tuple(answer(problem_id=f"countdown-{number}") for number in range(5))
    written = render_html(ReportData(rows=ROWS, answers=answers), max_answers=3)
    assert len(cast("list[JSON]", Page(written).data["problems"])) == 3
    assert "2 more answers are in the run store." in written


def test_infinite_numbers_do_not_break_the_page() -> None:
    data = Page(render_html(ReportData(rows=ROWS, answers=(answer(confidence=-math.inf),)))).data
    (problem,) = cast("list[dict[str, JSON]]", data["problems"])
    assert problem["confidence"] is None


def test_without_plotly_the_mend_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "plotly.offline", None)
    with pytest.raises(MissingExtra, match=r"pip install 'ttscale\[evals\]'"):
        render_html(ReportData(rows=ROWS))


def traces(name: str, rows: tuple[Row, ...]) -> list[dict[str, JSON]]:
    figure = cast("dict[str, list[dict[str, JSON]]]", figures(rows)[name])
    return figure["traces"]


def test_a_strategy_is_a_trace_and_a_sweep_of_n_is_its_line() -> None:
    found = {str(trace["name"]): trace for trace in traces("tokens", ROWS[:4])}
    assert list(found) == ["best_of_n:verifier=reasoning_gym", "self_consistency", "single"]
    sweep = found["self_consistency"]
    assert sweep["x"] == [ROWS[1].tokens_per_problem, ROWS[2].tokens_per_problem]
    assert sweep["y"] == [ROWS[1].accuracy, ROWS[2].accuracy]
    assert sweep["text"] == ["n=4", "n=16"]
    assert sweep["mode"] == "lines+markers+text"
    assert found["single"]["mode"] == "markers"


def test_error_bars_reach_to_the_ends_of_the_interval() -> None:
    (trace,) = traces("latency", ROWS[:1])
    row, bars = ROWS[0], cast("dict[str, list[float]]", trace["error_y"])
    assert row.accuracy is not None
    assert trace["x"] == [row.latency_p50_seconds]
    assert row.accuracy + bars["array"][0] == pytest.approx(row.accuracy_high)
    assert row.accuracy - bars["arrayminus"][0] == pytest.approx(row.accuracy_low)


@pytest.mark.parametrize("latency", [None, 0.0])
def test_what_has_no_place_on_a_logarithmic_axis_is_left_out(latency: float | None) -> None:
    row = replace(ROWS[0], latency_p50_seconds=latency)
    assert traces("latency", (row,)) == []
    assert len(traces("tokens", (row,))) == 1


def test_the_same_strategy_on_two_models_is_two_traces() -> None:
    other = replace(ROWS[0], model="other:model")
    assert [trace["name"] for trace in traces("tokens", (ROWS[0], other))] == [
        "single · abacus",
        "single · other:model",
    ]


def test_a_label_that_is_no_spec_is_its_own_trace() -> None:
    (trace,) = traces("tokens", (replace(ROWS[0], strategy="mine: <b>the best</b>"),))
    assert trace["name"] == "mine: &lt;b&gt;the best&lt;/b&gt;"


def test_ticks_are_round_numbers_written_in_full() -> None:
    figure = cast("dict[str, dict[str, dict[str, JSON]]]", figures(ROWS[:4])["tokens"])
    assert figure["layout"]["xaxis"]["ticktext"] == ["100", "200", "500", "1,000"]
