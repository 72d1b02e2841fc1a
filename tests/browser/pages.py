"""A page open in the browser, and what it did meanwhile."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Browser, ConsoleMessage, Page, Request


@dataclass
class Opened:
    """A page with what it did while it was open."""

    page: Page
    messages: list[str] = field(default_factory=list[str])
    requests: list[str] = field(default_factory=list[str])


@contextmanager
def opened_page(browser: Browser, path: Path, *, width: int = 1200) -> Generator[Opened]:
    """Open a report and wait until it can be used; close it in the end."""
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme="light")
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
    page.wait_for_selector("html.ready", state="attached")
    yield shown
    page.close()
