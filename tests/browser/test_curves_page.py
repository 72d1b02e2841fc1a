"""The page of ``ttscale pool curves`` in a real browser: curves with bands by benchmark and measure, silent."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect, sync_playwright

from ttscale.cli import main

pytestmark = [pytest.mark.browser, pytest.mark.integration]

HOSTILE = "</script><img src=x onerror=\"document.title='owned'\">\x1b[31m\u202eevil"


@pytest.fixture(scope="module")
def browser(report: Path) -> Iterator[Browser]:
    """A browser; the report is written before it is started, since both run an event loop."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
    path = next((found for name in names if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip("no Chromium is installed (`apt-get install chromium`)")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models on two benchmarks, one of them with a hostile name."""
    rows = [
        {
            "model": model,
            "benchmark": benchmark,
            "problem": f"p{number}",
            "answer": answer,
            "correct": answer == "a",
        }
        for model in ("small", HOSTILE)
        for benchmark in ("sums", "words")
        for number in range(6)
        for answer in ("a" * number + "bcab")[:4]
    ]
    folder = tmp_path_factory.mktemp("curves")
    (folder / "pool.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    page = folder / "curves.html"
    assert main(["pool", "curves", str(folder / "pool.jsonl"), "--html", str(page)]) == 0
    return page


@pytest.mark.parametrize(("width", "scheme"), [(1200, "light"), (390, "dark")])
def test_curves_are_drawn_by_benchmark_and_measure(
    browser: Browser, report: Path, width: int, scheme: str
) -> None:
    page = browser.new_page(
        viewport={"width": width, "height": 900}, color_scheme="dark" if scheme == "dark" else "light"
    )
    messages, requests = list[str](), list[str]()

    def hear(message: ConsoleMessage) -> None:
        messages.append(message.text)

    def note(request: Request) -> None:
        requests.append(request.url)

    page.on("console", hear)
    page.on("request", note)
    page.goto(report.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert_curves(page, bands=4)
    page.get_by_label("pass@k", exact=True).check()
    assert_curves(page, bands=2)
    page.locator("#benchmark").select_option("words")
    assert_curves(page, bands=2)
    page.locator("#plot svg").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#point")).to_contain_text("k = 1")
    expect(page.locator("#point")).to_contain_text("of 6 problems")
    expect(page.locator("tbody th").first).to_have_text("small")
    expect(page.locator("tbody th", has_text="⟨U+202E⟩evil").first).to_be_visible()
    assert page.title() == "Curves of pool.jsonl"
    assert (messages, requests) == ([], [report.as_uri()])
    page.close()


def assert_curves(page: Page, *, bands: int) -> None:
    """Every curve has a band behind it, and a point for each k."""
    expect(page.locator("#plot .band")).to_have_count(bands)
    expect(page.locator("#plot .curve")).to_have_count(bands)
    expect(page.locator("#plot .marker")).to_have_count(bands * 3)
    expect(page.locator("#legend li")).to_have_count(bands)
