"""The HTML report in a real browser: drawn, sortable, silent on the network, deaf to hostile text."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect, sync_playwright
from pydantic import TypeAdapter

from ttscale_evals.report import Answer, ReportData, RunInfo, render_html
from ttscale_evals.rows import Row

pytestmark = [pytest.mark.browser, pytest.mark.integration]

DATA = Path(__file__).parents[1] / "data" / "report"
ROWS = TypeAdapter(tuple[Row, ...]).validate_json((DATA / "rows.json").read_bytes())
HOSTILE = "</script><img src=x onerror=\"document.title='owned'\"><b>bold</b>"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
    path = next((found for name in names if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip("no Chromium is installed (`apt-get install chromium`)")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield started
        started.close()


@dataclass
class Opened:
    """A page with what it did while it was open."""

    page: Page
    messages: list[str] = field(default_factory=list[str])
    requests: list[str] = field(default_factory=list[str])


@pytest.fixture
def opened(browser: Browser, tmp_path: Path) -> Iterator[Opened]:
    """A report of honest rows and a hostile one, open in the browser."""
    path = tmp_path / "report.html"
    path.write_text(render_html(report(), title=f"Report {HOSTILE}"), encoding="utf-8")
    page = browser.new_page(viewport={"width": 1200, "height": 900}, color_scheme="light")
    shown = Opened(page)

    def hear(message: ConsoleMessage) -> None:
        shown.messages.append(message.text)

    def note_request(request: Request) -> None:
        if request.url != path.as_uri():
            shown.requests.append(request.url)

    def note_error(error: Exception) -> None:
        shown.messages.append(str(error))

    page.on("console", hear)
    page.on("request", note_request)
    page.on("pageerror", note_error)
    page.goto(path.as_uri())
    page.wait_for_selector("#plot-latency .main-svg")
    yield shown
    page.close()


def report() -> ReportData:
    hostile = replace(ROWS[0], benchmark=HOSTILE, strategy=HOSTILE, accuracy=0.25)
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
            text=HOSTILE,
            error=HOSTILE,
            result="failed",
        )
    )
    run = RunInfo(directory=HOSTILE, config=HOSTILE, command=HOSTILE)
    return ReportData(rows=(*ROWS, hostile), answers=tuple(answers), runs=(run,))


def points(page: Page, plot: str) -> int:
    return page.locator(f"#{plot} .scatterlayer .points path").count()


def test_both_plots_show_every_row_with_its_interval_and_the_page_is_silent(opened: Opened) -> None:
    for plot in ("plot-tokens", "plot-latency"):
        assert points(opened.page, plot) == 4
        assert opened.page.locator(f"#{plot} .scatterlayer .trace").count() == 3
        assert opened.page.locator(f"#{plot} .errorbar").count() == 4
    axis = opened.page.locator("#plot-tokens .xtick text").all_text_contents()
    assert axis == ["100", "200", "500", "1,000"]
    assert opened.messages == []
    assert opened.requests == []


def test_another_benchmark_can_be_chosen(opened: Opened) -> None:
    opened.page.select_option("#benchmark", label="chain_sum")
    assert points(opened.page, "plot-tokens") == 3
    assert points(opened.page, "plot-latency") == 3


def test_the_plots_follow_the_dark_scheme(opened: Opened) -> None:
    plot = opened.page.locator("#plot-tokens .main-svg").first
    expect(plot).to_have_css("background-color", "rgb(255, 255, 255)")
    opened.page.emulate_media(color_scheme="dark")
    expect(plot).to_have_css("background-color", "rgb(20, 23, 27)")


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
        assert table.locator("tbody tr").last.locator("td").last.text_content() == "–"


def test_problems_are_paged_filtered_and_searched(opened: Opened) -> None:
    page = opened.page
    rows = page.locator("#problems tbody tr")
    count = page.locator("#problem-count")
    assert rows.count() == 25
    assert page.locator("#page-label").text_content() == "page 1 of 2"
    page.click("#page-on")
    assert rows.count() == 16
    assert page.locator("#page-on").is_disabled()
    page.select_option("#filter-result", "right")
    assert count.text_content() == "20 of 41 answers"
    page.select_option("#filter-strategy", label="single")
    assert count.text_content() == "10 of 41 answers"
    page.fill("#filter-text", "question 13?")
    assert rows.count() == 1
    rows.first.locator("summary").click()
    assert "I think it is 13." in (rows.first.locator("details").text_content() or "")


def test_hostile_text_is_shown_and_does_nothing(opened: Opened) -> None:
    page = opened.page
    page.select_option("#filter-result", "failed")
    row = page.locator("#problems tbody tr").first
    row.locator("summary").click()
    for cell in (row.locator("th"), row.locator(".answer").first, row.locator("dd").first):
        assert HOSTILE in (cell.text_content() or "")
    page.select_option("#benchmark", index=2)
    assert points(page, "plot-tokens") == 1
    assert page.locator("h1").text_content() == f"Report {HOSTILE}"
    assert page.title() == f"Report {HOSTILE}"
    assert page.locator("img, b").count() == 0
    assert opened.messages == []
    assert opened.requests == []


def test_the_page_reads_well_on_a_narrow_screen(opened: Opened) -> None:
    opened.page.set_viewport_size({"width": 360, "height": 800})
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= 360


def test_tables_and_controls_have_names(opened: Opened) -> None:
    page = opened.page
    assert page.locator("table").count() == page.locator("table > caption").count()
    assert page.locator("thead th:not([scope=col])").count() == 0
    assert page.locator("tbody tr > th:not([scope=row])").count() == 0
    for label in ("Benchmark", "Strategy", "Result", "Text"):
        assert page.get_by_label(label).count() >= 1
    assert page.get_by_role("img", name="Accuracy against tokens per problem").count() == 1
