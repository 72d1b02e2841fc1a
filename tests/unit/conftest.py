"""Fixtures of several unit tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ttscale.virtual import BlockingWorkers
from ttscale.workers import Workers


@pytest.fixture(scope="module")
def grading_workers() -> Iterator[Workers]:
    """A worker process for all tests of a file that only grade: to import a grader takes a second or two."""
    with BlockingWorkers() as workers:
        yield workers


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """The openai backend asks again at once."""
    monkeypatch.setattr("ttscale.backends.openai.transport.pause_seconds", lambda state: 0.0)
