"""Fixtures of several unit tests."""

from __future__ import annotations

import pytest


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """The openai backend asks again at once."""
    monkeypatch.setattr("ttscale.backends.openai.transport.pause_seconds", lambda state: 0.0)
