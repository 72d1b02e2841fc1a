"""The HTML report in a real browser: drawn, sortable, silent on the network, deaf to hostile text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from pydantic import TypeAdapter

from tests.browser.pages import Opened, opened_page
from ttscale.types import JSON, Candidate
from ttscale_evals.report import Answer, ReportData, RunInfo, render_html
from ttscale_evals.rows import Row

pytestmark = [pytest.mark.browser, pytest.mark.integration]

DATA = Path(__file__).parents[1] / "data" / "report"
ROWS = TypeAdapter(tuple[Row, ...]).validate_json((DATA / "rows.json").read_bytes())
HOSTILE = "</script><img src=x onerror=\"document.title='owned'\"><b>bold</b>\x1b[31m\x00\u202eevil"
SHOWN = HOSTILE.replace("\x1b", "⟨U+001B⟩").replace("\x00", "⟨U+0000⟩").replace("\u202e", "⟨U+202E⟩")
LINE = "start" + "x" * 1_000_000 + "end"


@pytest.fixture
def opened(browser: Browser, tmp_path: Path) -> Iterator[Opened]:
    """A report of honest rows and a hostile one, open in the browser."""
    path = tmp_path / "report.html"
    path.write_text(render_html(report(), title=f"Report {HOSTILE}"), encoding="utf-8")
    with opened_page(browser, path) as shown:
        yield shown


def span(number: int, parent: int | None, kind: str, name: str, **attributes: JSON) -> Mapping[str, JSON]:
    times: dict[str, JSON] = {"start": number / 10, "end": None if number == 4 else number / 10 + 1}
    return {"id": number, "parent": parent, "kind": kind, "name": name, "attributes": attributes, **times}


def report() -> ReportData:
    hostile = replace(ROWS[0], benchmark=HOSTILE, strategy=HOSTILE, accuracy=0.25)
    spans = (
        span(0, None, "solve", "Search"),
        span(1, 0, "sample", "sample 0", generated=7, finish_reason="stop", text="I think it is one."),
        span(2, 0, "child", "branch"),
        span(3, 2, "sample", "sample 1", generated=9, finish_reason="length", text="Perhaps two, per"),
        span(4, 2, "sample", "sample 2", generated=2, finish_reason="abort", text="Cancel"),
    )
    candidates = (
        Candidate(index=0, answer="one", key="1", score=0.5, num_tokens=7),
        Candidate(index=1, answer=None, key=None, num_tokens=9, finish_reason="length"),
    )
    answers = [
        Answer(
            benchmark=row.benchmark,
            strategy=row.strategy,
            model=row.model,
            problem_id=f"p{number}",
            question=f"Question {number}?",
            target=str(number),
            answer=str(number) if number % 2 else "0",
            text=f"I think it is {number}.",
            result="right" if number % 2 else "wrong",
            tokens=100 + number,
            seconds=number / 10,
            stop_reason="finished",
            confidence=0.5,
            candidates=candidates,
            spans=spans,
        )
        for row in ROWS[:2]
        for number in range(20)
    ]
    answers.append(
        replace(
            answers[0],
            benchmark=HOSTILE,
            strategy=HOSTILE,
            problem_id=HOSTILE,
            question=HOSTILE,
            target=HOSTILE,
            answer=HOSTILE,
            text=LINE,
            error=HOSTILE,
            result="failed",
            candidates=(Candidate(index=0, answer=HOSTILE, key=HOSTILE, num_tokens=3),),
            spans=(span(0, None, "solve", HOSTILE), span(1, 0, "sample", "sample 0", text=HOSTILE)),
        )
    )
    run = RunInfo(directory=HOSTILE, config=HOSTILE, command=HOSTILE)
    return ReportData(rows=(*ROWS, hostile), answers=tuple(answers), runs=(run,))


def markers(page: Page) -> Locator:
    return page.locator("#plot .marker")


# ── the plot ──────────────────────────────────────────────────────────────────────────────────────────────


def test_the_plot_shows_every_row_with_its_interval_and_the_front_and_the_page_is_silent(
    opened: Opened,
) -> None:
    expect(markers(opened.page)).to_have_count(4)
    expect(opened.page.locator("#plot .bar")).to_have_count(4)
    expect(opened.page.locator("#plot .front")).to_have_count(1)
    expect(opened.page.locator("#plot .curve")).to_have_count(1)
    assert opened.messages == []
    assert opened.requests == []


def test_the_axis_is_chosen_by_keyboard_and_only_known_costs_are_offered(opened: Opened) -> None:
    page = opened.page
    known = [box.get_attribute("value") for box in page.get_by_role("radio").all()]
    assert known == ["tokens", "flops", "latency", "path", "path_seconds", "kv"]
    page.get_by_role("radio", name="tokens", exact=True).focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#plot .axis")).to_have_text("FLOPs per problem")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#plot .axis")).to_have_text("median latency in seconds")
    page.get_by_role("radio", name="KV token-steps").check()
    expect(page.locator("#plot .axis")).to_have_text("KV token-steps per problem")
    expect(markers(page)).to_have_count(4)


def test_arrow_keys_walk_through_the_points(opened: Opened) -> None:
    page = opened.page
    page.locator("#plot svg").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#point")).to_contain_text("single: 41.7 % [33.2, 50.6] of 120 problems, 86 tokens")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#point")).to_contain_text("self_consistency:n=4")
    expect(page.locator("#plot .marker.chosen")).to_have_count(1)


def test_another_benchmark_can_be_chosen(opened: Opened) -> None:
    opened.page.select_option("#benchmark", label="chain_sum")
    expect(markers(opened.page)).to_have_count(3)


def test_colours_follow_the_system_and_the_switch(opened: Opened) -> None:
    page = opened.page
    body = page.locator("body")
    light, dark = "rgb(255, 255, 255)", "rgb(20, 23, 27)"
    expect(body).to_have_css("background-color", light)
    page.emulate_media(color_scheme="dark")
    expect(body).to_have_css("background-color", dark)
    page.select_option("#theme", "light")
    expect(body).to_have_css("background-color", light)
    page.emulate_media(color_scheme="light")
    page.select_option("#theme", "dark")
    expect(body).to_have_css("background-color", dark)
    page.select_option("#theme", "")
    expect(body).to_have_css("background-color", light)


# ── the leaderboard ───────────────────────────────────────────────────────────────────────────────────────


def test_the_leaderboard_sorts_by_a_clicked_column(opened: Opened) -> None:
    table = opened.page.locator(".leaderboard table").first
    tokens = table.get_by_role("columnheader", name="tokens")
    cells = table.locator(f"tbody td:nth-child({1 + tokens.evaluate('cell => cell.cellIndex')})")
    tokens.get_by_role("button").click()
    assert tokens.get_attribute("aria-sort") == "descending"
    assert cells.all_text_contents() == ["854", "428", "240", "86"]
    tokens.get_by_role("button").press("Enter")
    assert tokens.get_attribute("aria-sort") == "ascending"
    assert cells.all_text_contents() == ["86", "240", "428", "854"]
    assert table.get_by_role("columnheader", name="accuracy").get_attribute("aria-sort") == "none"


def test_unknown_values_are_sorted_last_in_both_directions(opened: Opened) -> None:
    table = opened.page.locator(".leaderboard table").nth(1)
    header = table.get_by_role("columnheader", name="FLOPs")
    for _ in range(2):
        header.get_by_role("button").click()
        place = 1 + header.evaluate("cell => cell.cellIndex")
        assert table.locator("tbody tr").last.locator(f"td:nth-child({place})").text_content() == "–"


def test_further_columns_are_chosen_by_keyboard_and_say_how_they_are_known(opened: Opened) -> None:
    page = opened.page
    table = page.locator(".leaderboard table").first
    steps = table.get_by_role("columnheader", name="KV token-steps")
    expect(steps).to_have_count(0)
    num_before = table.locator("tbody tr").first.locator("td:visible").count()
    page.locator("#column-chooser summary").press("Enter")
    page.get_by_label("KV token-steps", exact=True).last.press("Space")
    expect(steps).to_have_count(1)
    assert steps.get_by_role("button").get_attribute("title") == (
        "Mean of a problem: tokens in the cache, summed over decode steps. Derived."
    )
    assert table.locator("tbody tr").first.locator("td:visible").count() == num_before + 1
    steps.get_by_role("button").click()
    place = 1 + steps.evaluate("cell => cell.cellIndex")
    cells = table.locator(f"tbody td:nth-child({place})")
    assert cells.all_text_contents() == ["37.0 k", "19.1 k", "11.4 k", "3.10 k"]
    page.get_by_label("FLOPs", exact=True).last.press("Space")
    expect(table.get_by_role("columnheader", name="FLOPs")).to_have_count(0)
    assert page.locator("main").inner_text().count("modelled by a formula or assumption") == 1
    assert page.evaluate("document.documentElement.scrollWidth") <= 1200
    assert opened.messages == []


def test_the_leaderboard_is_filtered_and_greyed_rows_can_be_hidden(opened: Opened) -> None:
    page = opened.page
    rows = page.locator(".leaderboard tbody tr:visible")
    assert rows.count() == len(ROWS) + 1
    page.fill("#leaderboard-filter", "SELF_consistency")
    wanted = sum("self_consistency" in row.strategy for row in ROWS)
    expect(rows).to_have_count(wanted)
    expect(page.locator("#leaderboard-count")).to_have_text(f"{wanted} of {len(ROWS) + 1} rows")
    page.fill("#leaderboard-filter", "")
    page.get_by_label("only rows that are not greyed").press("Space")
    greyed = page.locator(".leaderboard tr.dominated").count()
    assert greyed > 0
    expect(rows).to_have_count(len(ROWS) + 1 - greyed)


# ── errors and problems ───────────────────────────────────────────────────────────────────────────────────


def test_the_error_panel_counts_and_lists_what_it_counts(opened: Opened) -> None:
    page = opened.page
    cut_off = page.locator("#causes tbody tr", has_text="cut off at its token limit")
    expect(cut_off.locator("td").first).to_have_text("40")
    failed = page.locator("#causes tbody tr", has_text="Failed:")
    expect(failed.locator("td").first).to_have_text("1")
    failed.get_by_role("button").press("Enter")
    expect(page.locator("#problem-count")).to_have_text("1 of 41 answers")
    expect(page.locator("#filter-cause")).to_be_focused()


def test_problems_are_paged_filtered_and_searched(opened: Opened) -> None:
    page = opened.page
    rows = page.locator("#problems tbody tr")
    count = page.locator("#problem-count")
    expect(rows).to_have_count(25)
    expect(page.locator("#page-label")).to_have_text("page 1 of 2")
    page.click("#page-on")
    expect(rows).to_have_count(16)
    expect(page.locator("#page-on")).to_be_disabled()
    page.select_option("#filter-result", "0")
    expect(count).to_have_text("20 of 41 answers")
    page.select_option("#filter-strategy", label="single")
    expect(count).to_have_text("10 of 41 answers")
    page.fill("#filter-text", "question 13?")
    expect(rows).to_have_count(1)


def test_problems_are_sorted_by_click_and_keyboard(opened: Opened) -> None:
    page = opened.page
    tokens = page.locator("#problems thead th", has_text="Tokens")
    first = page.locator("#problems tbody tr").first
    tokens.get_by_role("button").click()
    expect(tokens).to_have_attribute("aria-sort", "descending")
    expect(first).to_contain_text("p19")
    tokens.get_by_role("button").press("Enter")
    expect(tokens).to_have_attribute("aria-sort", "ascending")
    expect(first).to_contain_text("p0")
    page.locator("#problems thead th", has_text="Problem").get_by_role("button").press("Space")
    expect(page.locator("#problems tbody tr").nth(1)).to_contain_text("p19")


def test_a_problem_opens_by_keyboard_with_every_sample_votes_and_time_line(opened: Opened) -> None:
    page = opened.page
    button = page.locator("#problems tbody button").first
    button.press("Enter")
    expect(button).to_have_attribute("aria-expanded", "true")
    box = page.locator("#problems .details")
    expect(box.locator("dd").first).to_have_text("Question 0?")
    samples = box.locator(".sample")
    expect(samples).to_have_count(3)
    expect(samples.nth(0).locator("summary")).to_have_text("#0 one · 7 tokens · stop · key 1 · score 0.5")
    expect(samples.nth(2).locator("summary")).to_have_text("#2 no answer · 2 tokens · abort · no candidate")
    samples.nth(1).locator("summary").press("Enter")
    expect(samples.nth(1).locator("pre")).to_have_text("Perhaps two, per")
    expect(box.locator(".votes tbody tr").first).to_have_text("1150 %0.5")
    expect(box.locator(".timeline .span")).to_have_count(5)
    levels = [row.get_attribute("aria-level") for row in box.locator(".timeline .tree-body .line-row").all()]
    assert levels == ["1", "2", "2", "3", "3"]
    button.press("Enter")
    expect(box).to_have_count(0)
    assert opened.messages == []


# ── hostile text, narrow screens, names ───────────────────────────────────────────────────────────────────


def test_hostile_text_is_shown_and_does_nothing(opened: Opened) -> None:
    page = opened.page
    page.select_option("#filter-result", "2")
    expect(page.locator("#problem-count")).to_have_text("1 of 41 answers")
    row = page.locator("#problems tbody tr").first
    row.get_by_role("button").click()
    box = page.locator("#problems .details")
    box.locator(".sample summary").click()
    cells = [row.locator("th"), row.locator(".answer").first, box.locator("dd").first]
    for cell in (*cells, box.locator(".sample pre")):
        expect(cell).to_contain_text(SHOWN)
    expect(box.locator("pre").first).to_contain_text("994,008 characters left out")
    page.select_option("#benchmark", index=2)
    expect(markers(page)).to_have_count(1)
    expect(page.locator("h1")).to_have_text(f"Report {SHOWN}")
    assert page.title() == f"Report {SHOWN}"
    assert page.locator("img, main > b").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= 1200
    assert opened.messages == []
    assert opened.requests == []


def test_letters_from_right_to_left_do_not_reorder_their_neighbours(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    answer = replace(report().answers[0], problem_id="שלום 1")
    path.write_text(render_html(ReportData(rows=ROWS, answers=(answer,))), encoding="utf-8")
    page = browser.new_page()
    page.goto(path.as_uri())
    name = page.locator("#problems tbody th")
    expect(name).to_have_text(f"{answer.benchmark} · שלום 1")
    first, second = (part.bounding_box() for part in name.locator("bdi").all())
    assert first is not None
    assert second is not None
    assert first["x"] + first["width"] <= second["x"]
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_reads_well_on_a_narrow_screen(opened: Opened, scheme: Literal["light", "dark"]) -> None:
    page = opened.page
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": 390, "height": 800})
    page.locator("#problems tbody button").first.click()
    expect(page.locator("#problems .timeline")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    box = page.locator("#problems .details").bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390


def test_tables_and_controls_have_names(opened: Opened) -> None:
    page = opened.page
    assert page.locator("table").count() == page.locator("table > caption").count()
    assert page.locator("thead th:not([scope=col])").count() == 0
    assert page.locator("tbody tr > th:not([scope=row])").count() == 0
    for label in ("Benchmark", "Strategy", "Result", "Cause", "Text", "Find rows", "Colours"):
        assert page.get_by_label(label).count() >= 1
    assert page.get_by_role("group", name="Accuracy against tokens per problem, 4 points").count() == 1


def test_an_empty_report_is_a_page_too(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(render_html(ReportData(rows=())), encoding="utf-8")
    page = browser.new_page()
    errors = list[str]()
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(path.as_uri())
    page.wait_for_selector("html.ready", state="attached")
    expect(page.locator("#plot")).to_have_text("No row has known tokens per problem.")
    expect(page.locator("#problem-count")).to_have_text("0 of 0 answers")
    assert errors == []
    page.close()


def test_without_scripts_the_tables_are_there_and_nothing_that_does_not_work(
    browser: Browser, tmp_path: Path
) -> None:
    path = tmp_path / "report.html"
    path.write_text(render_html(report()), encoding="utf-8")
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(path.as_uri())
    assert page.locator(".leaderboard tbody tr:visible").count() == len(ROWS) + 1
    assert page.locator("select:visible, input:visible").count() == 0
    context.close()
