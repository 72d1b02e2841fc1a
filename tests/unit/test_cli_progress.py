"""Progress: every number on one line, a bar on a terminal, now and then a line elsewhere."""

from __future__ import annotations

import io
import sys
from dataclasses import replace

import pytest

from ttscale_evals.commands.progress import PlainLines, describe_progress, progress_display
from ttscale_evals.progress import Progress

STATE = Progress(
    benchmark="countdown",
    strategy="self_consistency:n=16",
    cell_done=10,
    cell_total=100,
    done=110,
    total=300,
    correct=60,
    errors=2,
    tokens=123_456,
    usd=0.5,
    seconds=20.0,
    tokens_per_second=1234.5,
    seconds_left=75.0,
)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_one_line_says_how_far_it_is_and_what_is_left() -> None:
    assert describe_progress(STATE) == (
        "110/300 · 2 failed · 123 k tokens · 1,234 tokens/s · $0.50 · 1:15 left · "
        "countdown, self_consistency:n=16"
    )


def test_what_is_not_known_yet_is_not_made_up() -> None:
    start = replace(STATE, done=0, errors=0, tokens=0, usd=None, tokens_per_second=None, seconds_left=None)
    assert describe_progress(start) == "0/300 · 0 tokens · ? left · countdown, self_consistency:n=16"


def test_a_hostile_name_stays_on_its_line() -> None:
    shown = describe_progress(replace(STATE, benchmark="a\x1b[2J\n" + "b" * 100))
    assert "\x1b" not in shown
    assert "\n" not in shown
    assert len(shown) < 150


def test_lines_come_when_a_row_begins_every_five_seconds_and_at_the_end(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = PlainLines()
    for seconds, done in [(0.0, 0), (1.0, 1), (4.9, 2), (5.0, 3), (9.0, 4), (9.5, 5), (9.6, 5)]:
        lines(replace(STATE, seconds=seconds, done=done, total=5))
    lines(replace(STATE, seconds=9.7, done=5, total=5, strategy="single"))
    shown = [line.split(" ")[0] for line in capsys.readouterr().err.splitlines()]
    assert shown == ["0/5", "3/5", "5/5", "5/5"]


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with progress_display("auto") as listener:
        assert listener is not None
        listener(STATE)
        listener(replace(STATE, done=300))
    assert "━" in terminal.getvalue()
    assert "300/300" in terminal.getvalue()


def test_no_terminal_gets_lines_and_none_gets_nothing() -> None:
    with progress_display("auto") as listener:
        assert isinstance(listener, PlainLines)
    with progress_display("none") as listener:
        assert listener is None
