"""The time line of the HTML report in a real browser: threads, tools, forks, joins, and thousands of spans."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.pages import Opened, opened_page
from tests.browser.test_report_page import HOSTILE, ROWS, SHOWN, report
from tests.thread_spans import Span, Spans, many_threads, two_forks
from ttscale_evals.report import ReportData, render_html

pytestmark = [pytest.mark.browser, pytest.mark.integration]

Opener = Callable[..., Opened]


@pytest.fixture
def opener(browser: Browser, tmp_path: Path) -> Iterator[Opener]:
    """A function that opens the report of one answer with given spans, at its trace."""
    with ExitStack() as stack:

        def open_answer(spans: tuple[Span, ...], *, width: int = 1200) -> Opened:
            path = tmp_path / "report.html"
            answer = replace(report().answers[0], spans=spans, candidates=())
            path.write_text(render_html(ReportData(rows=ROWS, answers=(answer,))), encoding="utf-8")
            opened = stack.enter_context(opened_page(browser, path, width=width))
            opened.page.locator("#problems tbody button").click()
            expect(opened.page.locator(".line-node h4")).to_be_visible()
            return opened

        yield open_answer


def grid(page: Page) -> Locator:
    return page.get_by_role("treegrid", name="Spans of the trace")


def rows(page: Page) -> Locator:
    return page.locator(".timeline .tree-body .line-row")


def row(page: Page, name: str) -> Locator:
    return rows(page).filter(has=page.locator(f".lane bdi:text-is('{name}')")).first


def names(page: Page) -> list[str]:
    return rows(page).locator(".lane bdi").all_text_contents()


def active(page: Page) -> Locator:
    return page.locator(".timeline .tree-row[aria-selected=true]")


def tally(page: Page) -> Locator:
    return page.locator(".line-controls output")


def fact(page: Page, name: str) -> str:
    """Return what the details say under a name."""
    return page.locator(f".line-node dt:text-is('{name}') + dd").inner_text()


def place(locator: Locator) -> tuple[float, float]:
    """Return where something begins and ends on the screen, from left to right."""
    box = locator.bounding_box()
    assert box is not None
    return box["x"], box["x"] + box["width"]


# ── two forks ─────────────────────────────────────────────────────────────────────────────────────────────


def test_every_span_has_its_bar_on_the_axis_with_tokens_and_why_it_ended(opener: Opener) -> None:
    opened = opener(two_forks())
    page = opened.page
    expect(rows(page)).to_have_count(13)
    cells = row(page, "thread 1.3").get_by_role("gridcell").all_inner_texts()
    assert cells[1:3] == ["100", "length"]
    assert row(page, "multiply").locator(".line-ended bdi").inner_text() == "error"
    left, right = place(row(page, "root 0").locator(".span"))
    for name, start, end in (("thread 1.1", 1.0, 3.0), ("thread 1.2", 1.0, 4.5), ("add", 5.5, 6.5)):
        from_, to = place(row(page, name).locator(".span"))
        assert from_ == pytest.approx(left + (right - left) * start / 7, abs=1.5)
        assert to == pytest.approx(left + (right - left) * end / 7, abs=1.5)
    assert page.locator(".line-tick").all_inner_texts() == ["0 s", "2 s", "4 s", "6 s"]
    kinds = ("solve", "thread", "sample", "child", "tool")
    swatches = [page.locator(f".legend .is-{kind}") for kind in kinds]
    colours = {swatch.evaluate("e => getComputedStyle(e).backgroundColor") for swatch in swatches}
    assert len(colours) == 5
    assert opened.messages == []
    assert opened.requests == []


def test_time_in_the_queue_is_told_from_time_in_the_engine(opener: Opener) -> None:
    page = opener(two_forks()).page
    first = row(page, "sample 0")
    waits, bar = place(first.locator(".line-waits")), place(first.locator(".span"))
    assert waits[1] == pytest.approx(bar[0], abs=1.5)
    assert (waits[1] - waits[0]) * 3 == pytest.approx(bar[1] - bar[0], abs=3)
    first.click()
    assert fact(page, "Waited for its turn") == "0.25 s"


def test_forks_and_joins_are_drawn_and_who_waits_for_whom_is_said(opener: Opener) -> None:
    page = opener(two_forks()).page
    expect(page.locator(".line-fork")).to_have_count(2)
    expect(page.locator(".line-join")).to_have_count(2)
    begin, last = place(row(page, "thread 1.2").locator(".span"))
    assert place(page.locator(".line-fork").first)[0] == pytest.approx(begin, abs=2)
    assert place(page.locator(".line-join").first)[0] == pytest.approx(last, abs=2)
    idle = place(row(page, "thread 1.3").locator(".line-idle"))
    assert idle[1] == pytest.approx(last, abs=1.5)
    row(page, "thread 1.3").click()
    assert fact(page, "Side by side") == "with 2 others; thread 1.2 ends 2.5 s later"
    row(page, "thread 1.2").click()
    assert fact(page, "Side by side") == "with 2 others, of which it is the last to end"
    assert fact(page, "When") == "1 s to 4.5 s: 3.5 s"
    assert (fact(page, "Tokens"), fact(page, "Ended"), fact(page, "What it is")) == ("100", "closed", "part 2")
    expect(page.locator(".line-text")).to_have_text("Text 2.")
    row(page, "root 0").click()
    assert fact(page, "Forks") == "3 at once from 1 s to 4.5 s, the last is thread 1.2"
    row(page, "add").click()
    assert fact(page, "What it is") == "result taken from an earlier call"


def test_what_the_end_waited_for_is_marked_and_can_be_shown_alone(opener: Opener) -> None:
    page = opener(two_forks()).page
    chain = ["Threads", "root 0", "sample 0", "thread 1.2", "sample 0", "sample 1", "call 1", "multiply"]
    assert page.locator(".line-row.on-chain .lane bdi").all_text_contents() == chain
    page.get_by_role("combobox", name="Show", exact=True).select_option("chain")
    assert names(page) == chain
    page.get_by_role("combobox", name="Show", exact=True).select_option("parts")
    assert [name for name in names(page) if name.startswith("sample")] == []
    assert "multiply" in names(page)


def test_how_many_are_at_work_at_once_is_drawn(opener: Opener) -> None:
    page = opener(two_forks()).page
    expect(page.get_by_role("img", name="At most 3 at work at once, over 7 s")).to_be_visible()


def test_the_time_line_is_walked_opened_closed_and_zoomed_by_keyboard(opener: Opener) -> None:
    page = opener(two_forks()).page
    grid(page).focus()
    steps = [
        ("ArrowDown", "root 0"),
        ("ArrowDown", "sample 0"),
        ("ArrowDown", "thread 1.1"),
        ("ArrowLeft", "thread 1.1"),
        ("ArrowDown", "thread 1.2"),
        ("End", "multiply"),
        ("ArrowLeft", "call 1"),
        ("Home", "Threads"),
        ("ArrowRight", "root 0"),
        ("PageDown", "multiply"),
    ]
    for key, expected in steps:
        page.keyboard.press(key)
        expect(active(page).locator(".lane bdi")).to_have_text(expected)
        assert grid(page).get_attribute("aria-activedescendant") == active(page).get_attribute("id")
    expect(tally(page)).to_have_text("12 of 13 spans shown")
    page.keyboard.press("z")
    track, bar = (
        place(row(page, "multiply").locator(".line-track")),
        place(row(page, "multiply").locator(".span")),
    )
    assert bar[1] - bar[0] > 0.85 * (track[1] - track[0])
    expect(row(page, "thread 1.2").locator(".span")).to_have_count(0)
    page.keyboard.press("Shift+ArrowLeft")
    assert place(row(page, "multiply").locator(".span"))[0] > bar[0] + 100
    page.keyboard.press("0")
    expect(row(page, "thread 1.2").locator(".span")).to_have_count(1)
    page.keyboard.press("+")
    page.keyboard.press("-")
    expect(page.locator(".line-window.all")).to_have_count(1)


def test_the_window_is_moved_by_buttons_and_by_the_map(opener: Opener) -> None:
    page = opener(two_forks()).page
    row(page, "thread 1.1").click()
    for _ in range(40):
        page.get_by_role("button", name="Zoom in").click()
    expect(row(page, "thread 1.1").locator(".span")).to_have_count(1)
    ticks = page.locator(".line-tick").all_inner_texts()
    assert 2 <= len(ticks) <= 12
    assert len(set(ticks)) == len(ticks)
    page.get_by_role("button", name="Whole time").click()
    page.get_by_role("button", name="Zoom in").click()
    box = page.locator(".line-map").bounding_box()
    assert box is not None
    page.locator(".line-map").click(position={"x": box["width"] - 2, "y": 20})
    expect(row(page, "thread 1.3").locator(".span")).to_have_count(0)
    expect(row(page, "multiply").locator(".span")).to_have_count(1)
    page.get_by_role("button", name="Collapse all").click()
    assert names(page) == ["Threads"]
    page.get_by_role("button", name="Expand all").click()
    expect(rows(page)).to_have_count(13)


def test_spans_are_found_by_name_text_and_end(opener: Opener) -> None:
    page = opener(two_forks()).page
    find = page.get_by_role("searchbox", name="Find spans")
    for text, hits in (("Text 2", "thread 1.2"), ("LENGTH", "thread 1.3"), ("no such argument", "multiply")):
        find.fill(text)
        expect(tally(page)).to_contain_text("1 span holds it")
        expect(active(page).locator(".lane bdi")).to_have_text(hits)
    find.fill("nowhere")
    expect(tally(page)).to_have_text("0 spans hold it, 0 of 13 spans shown")
    find.fill("")
    expect(tally(page)).to_have_text("13 of 13 spans shown")


# ── odd traces ────────────────────────────────────────────────────────────────────────────────────────────


def test_hostile_text_of_spans_is_shown_and_does_nothing(opener: Opener) -> None:
    spans = Spans()
    solve = spans.add(HOSTILE, HOSTILE, None, 0.0, 1.0, stop_reason=HOSTILE)
    spans.add("__proto__", "__proto__", solve, 0.0, 1.0, text=HOSTILE, outline=HOSTILE, ended=HOSTILE)
    spans.add("constructor", "toString", solve, 0.5, 1.0, error=HOSTILE, text=HOSTILE)
    opened = opener(tuple(spans.all))
    page = opened.page
    expect(rows(page)).to_have_count(3)
    rows(page).nth(1).click()
    expect(page.locator(".line-text")).to_have_text(SHOWN)
    assert fact(page, "What it is").startswith(SHOWN[:40])
    page.get_by_role("searchbox", name="Find spans").fill("<img")
    expect(tally(page)).to_contain_text("3 spans hold it")
    assert page.locator("img").count() == 0
    assert page.title() == "ttscale report"
    assert page.evaluate("document.documentElement.scrollWidth") <= 1200
    assert opened.messages == []
    assert opened.requests == []


def test_spans_without_end_time_or_parent_are_drawn_as_far_as_is_known(opener: Opener) -> None:
    spans = Spans()
    spans.add("solve", "all", None, 0.0, None)
    spans.add("sample", "endless", 0, 1.0, None)
    spans.add("tool", "stray", 99, 2.0, 4.0)
    spans.add("child", "own parent", 3, 1.0, 2.0)
    spans.add("child", "circle", 5, 1.0, 2.0)
    spans.add("child", "round", 4, 1.0, 2.0)
    spans.add("tool", "no time", 0, None, None)
    spans.add("tool", "at once", 0, 3.0, 3.0)
    opened = opener(tuple(spans.all))
    page = opened.page
    assert names(page) == ["all", "endless", "no time", "at once", "stray", "own parent", "circle", "round"]
    row(page, "endless").click()
    assert fact(page, "When") == "1 s, unfinished"
    assert place(row(page, "at once").locator(".span"))[1] > place(row(page, "at once").locator(".span"))[0]
    assert opened.messages == []


def test_a_trace_that_took_no_time_is_drawn(opener: Opener) -> None:
    spans = Spans()
    solve = spans.add("solve", "all", None, 0.0, 0.0)
    spans.add("tool", "quick", solve, 0.0, 0.0)
    opened = opener(tuple(spans.all))
    expect(rows(opened.page)).to_have_count(2)
    opened.page.get_by_role("button", name="Zoom in").click()
    assert opened.messages == []


# ── thousands ─────────────────────────────────────────────────────────────────────────────────────────────


def test_of_thousands_of_spans_only_those_in_sight_are_in_the_document(opener: Opener) -> None:
    opened = opener(tuple(many_threads()))
    page = opened.page
    page.get_by_role("button", name="Expand all").click()
    expect(tally(page)).to_have_text("6,001 of 6,001 spans shown")
    expect(page.get_by_role("img", name="At most 600 at work at once, over 100 s")).to_be_visible()
    assert rows(page).count() < 60
    grid(page).focus()
    page.keyboard.press("End")
    expect(active(page)).to_have_attribute("aria-rowindex", "6002")
    expect(active(page)).to_be_in_viewport()
    assert rows(page).count() < 60
    assert page.locator(".line-links *").count() <= 2
    page.keyboard.press("z")
    expect(active(page).locator(".span")).to_have_count(1)
    page.get_by_role("searchbox", name="Find spans").fill("thread 3.599")
    expect(tally(page)).to_contain_text("1 span holds it")
    expect(active(page)).to_contain_text("thread 3.599")
    assert opened.messages == []


def test_the_time_line_fits_a_narrow_screen(opener: Opener) -> None:
    page = opener(two_forks(), width=390).page
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    for part in (grid(page), page.locator(".line-node"), page.locator(".line-map")):
        left, right = place(part)
        assert left >= 0
        assert right <= 390
    begin, _ = place(row(page, "thread 1.2").locator(".span"))
    assert place(page.locator(".line-fork").first)[0] == pytest.approx(begin, abs=2)
