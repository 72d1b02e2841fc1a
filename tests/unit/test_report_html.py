"""The HTML page as text: it loads nothing, runs only its own script, and shows hostile text as text."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import replace
from html.parser import HTMLParser
from itertools import product
from pathlib import Path
from typing import Any, cast

import pytest
from pydantic import TypeAdapter

from tests.unit.replay_pools import compare, write_pool
from ttscale.types import JSON, Candidate
from ttscale_evals.report import Answer, ReportData, RunInfo, load_report, render_html
from ttscale_evals.report.causes import causes
from ttscale_evals.report.chart import AXES, chart, is_dominated, known_axes
from ttscale_evals.report.front import dominators, front
from ttscale_evals.report.text import cut, label, shown, visible
from ttscale_evals.rows import Row

DATA = Path(__file__).parents[1] / "data" / "report"
ROWS = TypeAdapter(tuple[Row, ...]).validate_json((DATA / "rows.json").read_bytes())
HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\x1b[2J\x00\u202e&amp;'\""
SHOWN = HOSTILE.replace("\x1b", "⟨U+001B⟩").replace("\x00", "⟨U+0000⟩").replace("\u202e", "⟨U+202E⟩")


def answer(**changes: object) -> Answer:
    made = Answer(
        benchmark="countdown", strategy="single", model="abacus", problem_id="countdown-0", question="Make 7.",
        target=None, answer="3 + 4", text="3 + 4 = 7", result="right", tokens=12, seconds=0.5,
        stop_reason="finished",
    )  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type]


def sample_span(number: int, text: str, *, name: str = "sample 0") -> Mapping[str, JSON]:
    attributes: dict[str, JSON] = {"generated": 5, "finish_reason": "stop", "text": text, "error": None}
    times: dict[str, JSON] = {"start": 0.0, "end": 0.5}
    return {
        "id": number,
        "parent": None,
        "kind": "sample",
        "name": name,
        "attributes": attributes,
        **times,
    }


class Page(HTMLParser):
    """The elements of a page, the text of its scripts and styles, and what it would load."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags = list[str]()
        self.inside: str | None = None
        self.handlers = list[str]()
        self.loads = list[str]()
        self.texts: dict[str, list[str]] = {"script": [], "style": []}
        self.metas = list[Mapping[str, str | None]]()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.handlers += [name for name, _ in attrs if name.startswith("on") or name == "style"]
        self.loads += [value or "" for name, value in attrs if name in {"src", "href", "action", "srcset"}]
        self.inside = tag if tag in self.texts else None
        if tag in self.texts:
            self.texts[tag].append("")
        if tag == "meta":
            self.metas.append(dict(attrs))

    def handle_data(self, data: str) -> None:
        if self.inside is not None:
            self.texts[self.inside][-1] += data

    def handle_endtag(self, tag: str) -> None:
        self.inside = None

    @property
    def index(self) -> dict[str, Any]:
        return unpacked(self.texts["script"][1])

    @property
    def packets(self) -> list[dict[str, Any]]:
        return [unpacked(line) for line in self.texts["script"][2].split("\n") if line]


def unpacked(text: str) -> dict[str, Any]:
    written = text if text.startswith("{") else gzip.decompress(base64.b64decode(text))
    return cast("dict[str, Any]", json.loads(written))


def page_of(*answers: Answer, rows: tuple[Row, ...] = ROWS) -> Page:
    return Page(render_html(ReportData(rows=rows, answers=answers)))


# ── the page ──────────────────────────────────────────────────────────────────────────────────────────────


def test_the_page_loads_nothing() -> None:
    page = page_of(answer())
    assert page.loads == []
    assert page.tags.count("script") == 6
    assert "link" not in page.tags


def test_only_the_pages_own_script_and_style_are_let_in() -> None:
    page = page_of()
    (policy,) = (m["content"] for m in page.metas if m.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    allowed = re.findall(r"'sha256-([^']+)'", policy)
    texts = (page.texts["script"][-1], page.texts["style"][0])
    assert allowed == [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in texts]


def test_hostile_text_adds_no_element_and_no_handler() -> None:
    plain = ReportData(
        rows=ROWS[:1],
        answers=(answer(result="failed", error="out"),),
        runs=(RunInfo(directory="d", config="c", command="r"),),
    )
    harmless = Page(render_html(plain))
    row = replace(ROWS[0], strategy=HOSTILE, benchmark=HOSTILE, model=HOSTILE)
    given = answer(
        benchmark=HOSTILE, strategy=HOSTILE, problem_id=HOSTILE, question=HOSTILE, target=HOSTILE,
        answer=HOSTILE, text=HOSTILE, error=HOSTILE, result="failed", stop_reason=HOSTILE,
        candidates=(Candidate(index=0, answer=HOSTILE, key=HOSTILE),), spans=(sample_span(0, HOSTILE),),
    )  # fmt: skip
    run = RunInfo(directory=HOSTILE, config=HOSTILE, command=HOSTILE)
    written = render_html(ReportData(rows=(row,), answers=(given,), runs=(run,)), title=HOSTILE)
    hostile = Page(written)
    assert hostile.tags == harmless.tags
    assert hostile.handlers == []
    assert not set("\x00\x1b\u202e") & set(written)
    assert hostile.index["systems"] == [SHOWN]
    assert SHOWN in hostile.packets[0]["strings"]


def test_infinite_numbers_do_not_break_the_page() -> None:
    scored = Candidate(index=0, answer="1", key="1", score=math.nan)
    page = page_of(answer(confidence=-math.inf, candidates=(scored,)))
    detail = page.packets[0]["answers"]["0"]
    assert detail["confidence"] is None
    assert detail["samples"][0][3] is None


def test_dominated_rows_are_marked_for_eyes_and_ears() -> None:
    good = replace(ROWS[0], strategy="good", accuracy=0.9, tokens_per_problem=10.0)
    written = render_html(ReportData(rows=(good, replace(good, strategy="worse", accuracy=0.5))))
    (row,) = re.findall(r'<tr class="dominated">(.*)</tr>', written)
    assert "<bdi>worse</bdi>" in row
    assert "(dominated)" in row


# ── what it holds ─────────────────────────────────────────────────────────────────────────────────────────


def test_each_question_is_there_once_and_shared_samples_too() -> None:
    spans = (sample_span(0, "the same long text"),)
    candidates = (Candidate(index=0, answer="7", key="7", score=0.5, num_tokens=5),)
    shared = answer(spans=spans, candidates=candidates)
    page = page_of(shared, replace(shared, strategy="other"), answer(problem_id="countdown-1"))
    index = page.index
    assert [question[1] for question in index["questions"]] == ["countdown-0", "countdown-1"]
    assert index["columns"][:2] == [[0, 0, 1], [0, 1, 0]]
    first = page.packets[0]
    assert first["strings"].count("the same long text") == 1
    assert set(first["answers"]) == {"0", "1"}


def test_a_sample_has_its_text_answer_key_score_tokens_and_finish() -> None:
    candidates = (
        Candidate(index=1, answer="seven", key="7", score=0.25, num_tokens=9, finish_reason="length"),
        Candidate(index=0, answer=None, key=None),
    )
    spans = (
        sample_span(0, "zero"),
        sample_span(1, "one", name="sample 1"),
        sample_span(2, "two", name="sample 2"),
    )
    page = page_of(answer(candidates=candidates, spans=spans))
    packet = page.packets[0]
    texts = dict(enumerate(packet["strings"])) | {-1: None}
    rows = [
        (texts[name], texts[given], texts[key], score, tokens, texts[finish], texts[text], voted)
        for name, given, key, score, tokens, finish, text, _, voted in packet["answers"]["0"]["samples"]
    ]
    assert rows == [
        ("1", "seven", "7", 0.25, 9, "length", "one", 1),
        ("0", None, None, None, 0, "stop", "zero", 1),
        ("2", None, None, None, 5, "stop", "two", 0),
    ]
    assert [span[:2] for span in packet["answers"]["0"]["spans"]] == [[0, None], [1, None], [2, None]]


def test_answers_beyond_the_limit_are_left_out_and_the_page_says_so() -> None:
    answers = tuple(answer(problem_id=f"countdown-{number}") for number in range(5))
    written = render_html(ReportData(rows=ROWS, answers=answers), max_answers=3)
    assert len(Page(written).index["columns"][0]) == 3
    assert "2 more answers are in the run store only." in written


def test_samples_beyond_the_limit_are_left_out_last_questions_first_and_the_page_says_so() -> None:
    answers = tuple(
        answer(benchmark=name, problem_id=f"p{number}") for name in ("one", "other") for number in range(3)
    )
    whole = Page(render_html(ReportData(rows=ROWS, answers=answers)))
    size = max(len(line) for line in whole.texts["script"][2].split("\n"))
    written = render_html(ReportData(rows=ROWS, answers=answers), max_detail_chars=4 * size)
    page = Page(written)
    assert [question[4] for question in page.index["questions"]] == [0, 2, -1, 1, 3, -1]
    assert len(page.packets) == 4
    assert "2 more questions' samples are in the run store only." in written


def test_many_answers_are_compressed_and_few_can_be_read_as_they_are() -> None:
    few = page_of(answer())
    assert "Make 7." in few.texts["script"][1]
    many = page_of(*(answer(problem_id=f"p{number}") for number in range(2_000)))
    assert "Make 7." not in many.texts["script"][1]
    assert len(many.texts["script"][1]) < 40_000
    assert len(many.index["columns"][0]) == 2_000


def test_the_page_of_a_run_has_the_samples_of_its_store(tmp_path: Path) -> None:
    compare(write_pool(tmp_path), tmp_path / "run", strategies=("self_consistency:n=4,stop=never",), orders=0)
    page = Page(render_html(load_report([tmp_path / "run"])))
    packet = page.packets[0]
    strings = packet["strings"]
    samples = packet["answers"]["0"]["samples"]
    assert sorted(sample[4] for sample in samples) == [100, 200, 300, 400]
    assert {strings[sample[1]] for sample in samples} == {"4"}
    assert all("4" in strings[sample[6]] for sample in samples)
    assert [strings[span[2]] for span in packet["answers"]["0"]["spans"]] == ["solve", *["sample"] * 4]


# ── causes ────────────────────────────────────────────────────────────────────────────────────────────────


def test_problems_are_grouped_by_cause_with_counts() -> None:
    long = (Candidate(index=0, answer=None, key=None, finish_reason="length"),)
    found = causes(
        [
            answer(result="failed", error="gone after 3.5 s"),
            answer(result="failed", error="gone after 12 s", strategy="other"),
            answer(result="wrong", reason="no answer", candidates=long),
            answer(result="wrong", reason="timeout"),
            answer(result="wrong", reason="grader failed: ValueError: x"),
            answer(result="wrong"),
            answer(),
        ]
    )
    counts = {group.title: (group.num_problems, group.num_strategies) for group in found.groups}
    assert counts == {
        "Failed: gone after # s": (2, 2),
        "Ended without an answer": (1, 1),
        "Sample cut off at its token limit": (1, 1),
        "Answer not judged in time, counted as wrong": (1, 1),
        "Answer broke the grader, counted as wrong": (1, 1),
    }
    assert [mask.bit_count() for mask in found.masks] == [1, 1, 2, 1, 1, 0, 0]
    assert found.masks[0] == found.masks[1] == 1


def test_rare_errors_are_put_together() -> None:
    kinds = [answer(result="failed", error="x" * (1 + number)) for number in range(40)]
    found = causes(kinds)
    assert len(found.groups) == 21
    assert sum(group.num_problems for group in found.groups) == 40
    assert found.groups[0].title == "Failed: other errors"


# ── fronts and axes ───────────────────────────────────────────────────────────────────────────────────────


def test_the_front_is_what_nothing_dominates() -> None:
    values = [None, 0.1, 0.5, 0.5, 0.9]
    points = list(product(values, values))
    for (cost, accuracy), on, place in zip(points, front(points), dominators(points), strict=True):
        if cost is None or accuracy is None:
            assert not on
            assert place is None
            continue
        better = [
            (-other, other_cost, number)
            for number, (other_cost, other) in enumerate(points)
            if other_cost is not None
            and other is not None
            and other_cost <= cost
            and other >= accuracy
            and (other_cost, other) != (cost, accuracy)
        ]
        assert on is not bool(better)
        assert place == (min(better)[2] if better else None)


def test_the_most_accurate_that_dominates_is_named_then_the_cheapest() -> None:
    assert dominators([(1, 0.5), (2, 0.5), (3, 0.9), (3, 0.8), (1, 0.5)]) == [None, 0, None, 2, None]
    assert dominators([(3, 0.5), (2, 0.6), (1, 0.7)]) == [2, 2, None]


def test_only_known_costs_are_axes() -> None:
    rows = [replace(ROWS[0], usd=None, flops=None, latency_p50_seconds=0.0)]
    assert [axis.key for axis in known_axes(rows)] == ["tokens", "path", "path_seconds", "kv"]
    assert [axis.key for axis in known_axes([replace(ROWS[0], usd=1.0)])] == [axis.key for axis in AXES]
    old = replace(rows[0], critical_path_seconds_per_problem=None, kv_token_steps_per_problem=None)
    assert [axis.key for axis in known_axes([old])] == ["tokens", "path"]
    assert [axis.key for axis in known_axes([])] == ["tokens"]


def test_what_has_no_place_on_a_logarithmic_axis_has_no_cost_there() -> None:
    (point,) = cast("list[dict[str, JSON]]", chart([replace(ROWS[0], latency_p50_seconds=0.0)], AXES)["points"])
    costs = cast("dict[str, JSON]", point["costs"])
    assert costs["latency"] is None
    assert costs["tokens"] == ROWS[0].tokens_per_problem
    assert "latency" not in cast("list[str]", point["front"])


def test_a_cost_is_told_with_its_unit_once() -> None:
    dear = replace(ROWS[0], usd=3.0, num_problems=8)
    (point,) = cast("list[dict[str, JSON]]", chart([dear], AXES)["points"])
    assert cast("dict[str, JSON]", point["texts"])["usd"] == "0.375 US dollars per problem"


def test_a_sweep_of_n_is_one_curve_and_models_are_told_apart() -> None:
    rows = [*ROWS[:4], replace(ROWS[0], model="other:model")]
    points = cast("list[dict[str, JSON]]", chart(rows, AXES)["points"])
    assert [point["curve"] for point in points[1:3]] == ["self_consistency · abacus"] * 2
    assert [point["numbers"] for point in points[1:3]] == ["n=4", "n=16"]
    assert points[4]["curve"] == "single · other:model"


def test_what_was_not_run_is_on_no_front_and_dominates_nothing() -> None:
    bound = replace(ROWS[0], strategy="pass@8", is_bound=True, accuracy=1.0, tokens_per_problem=1.0)
    points = cast("list[dict[str, JSON]]", chart([bound, ROWS[0]], AXES)["points"])
    assert points[0]["front"] == []
    assert "tokens" in cast("list[str]", points[1]["front"])
    assert is_dominated([bound, ROWS[0]]) == [False, False]


# ── text ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\x1b[31mb", "a⟨U+001B⟩[31mb"),
        ("\x00\x7f\x9b", "⟨U+0000⟩⟨U+007F⟩⟨U+009B⟩"),
        ("a\u202eb\u2066c\u200f", "a⟨U+202E⟩b⟨U+2066⟩c⟨U+200F⟩"),
        ("\ud800", "⟨U+D800⟩"),
        ("one\r\ntwo\tthree\n", "one\ntwo\tthree\n"),
        ("שלום 👩‍🚀 é", "שלום 👩‍🚀 é"),
    ],
)
def test_what_would_act_on_a_screen_becomes_a_sign(text: str, expected: str) -> None:
    assert visible(text) == expected


def test_long_texts_are_cut_with_a_note_and_keep_their_end() -> None:
    text = "start" + "x" * 1_000_000 + "end"
    kept = shown(text)
    assert kept is not None
    assert len(kept) < 7_000
    assert kept.startswith("start")
    assert kept.endswith("end")
    assert "994,008 characters left out" in kept
    assert label("a\nb  c") == "a b c"
    assert cut("short", max_chars=5) == "short"
    data = ReportData(rows=(replace(ROWS[0], strategy=text),), answers=(answer(answer=text),))
    assert len(render_html(data)) < 150_000
