"""Time lines of traces as the page holds them."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

from tests.thread_spans import Span, Spans, many_threads, two_forks
from tests.tree_spans import small_tree
from ttscale_evals.report.strings import Strings
from ttscale_evals.report.time_lines import LinePackets, span_rows, time_line
from ttscale_evals.report.trees import is_node

COLUMNS = ("id", "parent", "kind", "name", "start", "end", "note", "began", "tokens", "ended", "text")
TEXTS = {"kind", "name", "note", "ended", "text"}


def rows(spans: tuple[Span, ...], *, has_samples: bool = False) -> list[dict[str, Any]]:
    """Return rows with their texts in place of the texts' numbers."""
    strings = Strings()
    packed: Any = span_rows(spans, strings, has_samples=has_samples)
    known = {number: text for text, number in strings.numbers.items()} | {-1: None, -2: "left out"}
    return [
        {name: known[value] if name in TEXTS else value for name, value in zip(COLUMNS, row, strict=True)}
        for row in packed
    ]


def one(**attributes: Any) -> dict[str, Any]:
    spans = Spans()
    spans.add("thread", "thread 1", None, 0.5, 2.0, **attributes)
    return rows(tuple(spans.all))[0]


def test_a_row_says_when_how_much_and_why_it_ended() -> None:
    found = rows(two_forks())
    assert found[2] == {
        "id": 2, "parent": 1, "kind": "sample", "name": "sample 0", "start": 0.0, "end": 1.0, "note": None,
        "began": 0.25, "tokens": 40, "ended": "stop", "text": "Plan.",
    }  # fmt: skip
    assert (found[3]["note"], found[3]["tokens"], found[3]["ended"]) == ("part 1", 100, "closed")
    assert (found[11]["note"], found[11]["ended"]) == ("result taken from an earlier call", None)
    assert (found[12]["note"], found[12]["ended"]) == ("it has no such argument", "error")
    assert [row["ended"] for row in found[:2]] == ["finished", "end"]


def test_what_is_missing_or_of_another_type_is_unknown() -> None:
    odd: Any = float("nan")
    found = one(began="soon", generated=True, tokens=2.5, text=7)
    assert (found["began"], found["tokens"], found["text"]) == (None, None, "7")
    assert one(tokens=10**30)["tokens"] is None
    assert one(began=odd)["began"] is None
    spans = Spans()
    spans.add("tool", "t", None, True, "never")
    assert (rows(tuple(spans.all))[0]["start"], rows(tuple(spans.all))[0]["end"]) == (None, None)


def test_control_characters_become_signs_and_long_texts_are_cut() -> None:
    found = one(text="a\x1b" + "x" * 5_000, outline="b\u202e", ended="c\x00" * 100)
    assert found["text"].startswith("a⟨U+001B⟩")
    assert len(found["text"]) < 1_100
    assert found["note"] == "b⟨U+202E⟩"
    assert found["ended"].startswith("c⟨U+0000⟩")


def test_texts_beyond_what_there_is_room_for_are_left_out() -> None:
    spans = Spans()
    for number in range(500):
        spans.add("thread", "t", None, 0, 1, text=f"{number} " + "x" * 990)
        spans.add("sample", "s", None, 0, 1, text=f"{number} " + "y" * 990)
    texts = [row["text"] for row in rows(tuple(spans.all))]
    assert 390 <= len([text for text in texts if text != "left out"]) <= 410
    # Texts of samples that stand there anyway take no room.
    texts = [row["text"] for row in rows(tuple(spans.all), has_samples=True)]
    assert "left out" not in texts[1::2]


def test_steps_of_a_search_have_no_text_here() -> None:
    spans = [*small_tree()]
    step: Span = {**spans[1], "kind": "sample", "id": 20, "parent": 1, "attributes": {"text": "First add."}}
    below: Span = {**step, "id": 21, "parent": 20}
    found = rows(tuple(span for span in (*spans, step, below) if not is_node(span)))
    assert [row["text"] for row in found] == [None, None, None]


def test_a_short_time_line_stands_with_the_samples() -> None:
    packets = LinePackets()
    found = time_line(two_forks(), Strings(), packets)
    assert (len(found["spans"]), found["line"], found["more_spans"]) == (13, None, 0)  # type: ignore[arg-type]
    assert packets.lines == []


def test_a_long_time_line_has_a_packet_of_its_own_while_there_is_room() -> None:
    spans, packets = tuple(many_threads()), LinePackets()
    found = time_line(spans, Strings(), packets)
    assert (found["spans"], found["line"], found["more_spans"]) == ([], 0, 0)
    (line,) = packets.lines
    opened = json.loads(gzip.decompress(base64.b64decode(line)))
    assert len(opened["spans"]) == len(spans) == 6_001
    assert len(line) < 150_000
    full = LinePackets(max_chars=len(line) - 1)
    found = time_line(spans, Strings(), full)
    assert (len(found["spans"]), found["line"], found["more_spans"]) == (400, None, 5_601)  # type: ignore[arg-type]
    packets.drop(0)
    assert packets.lines == []
