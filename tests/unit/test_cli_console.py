"""Text from models is shown and never obeyed; standard output holds results and nothing else."""

from __future__ import annotations

import json
import math
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttscale.cli.console import echo_json, one_line, quiet_stdout, sanitise


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b[2J\x1b[Hcleared", "cleared"),
        ("\x1b]0;new title\x07text", "text"),
        ("\x1b]8;;http://evil.example\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x9b31mC1 colour", "C1 colour"),
        ("\x1bcreset", "reset"),
        ("bell\x07 back\x08space", "bell backspace"),
        ("over\rwritten", "overwritten"),
        ("abc\u202edcba\u202c", "abcdcba"),
        ("unfinished \x1b[", "unfinished "),
        ("half a pair \ud83d", "half a pair ?"),
        ("line\r\nbreak\tand tab", "line\nbreak\tand tab"),
        ("ünïcödé – 数学 ✓", "ünïcödé – 数学 ✓"),
    ],
)
def test_escape_sequences_and_control_characters_are_dropped(hostile: str, shown: str) -> None:
    assert sanitise(hostile) == shown


@given(st.text(st.characters(codec=None, exclude_categories=())))
def test_nothing_that_a_terminal_obeys_is_left(text: str) -> None:
    shown = sanitise(text)
    assert not [char for char in shown if (ord(char) < 32 and char not in "\n\t") or 127 <= ord(char) < 160]
    shown.encode("utf-8")


def test_one_line_joins_lines_and_cuts_long_ones() -> None:
    assert one_line("a\n  b\t\x1b[1mc") == "a b c"
    assert one_line("abcdefgh", max_chars=5) == "abcd…"
    assert one_line("abcde", max_chars=5) == "abcde"


def test_numbers_that_json_lacks_become_null(capsys: pytest.CaptureFixture[str]) -> None:
    echo_json({"low": -math.inf, "values": [1.5, math.nan], "text": "\x9b é"})
    written = capsys.readouterr().out
    assert json.loads(written) == {"low": None, "values": [1.5, None], "text": "\x9b é"}
    assert written.isascii()


def test_what_libraries_and_child_processes_print_goes_to_standard_error(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with quiet_stdout():
        print("from a library")
        subprocess.run([sys.executable, "-c", "print('from a child')"], check=True)
    print("the result")
    captured = capfd.readouterr()
    assert captured.out == "the result\n"
    assert "from a library" in captured.err
    assert "from a child" in captured.err


def test_standard_output_is_given_back_after_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RuntimeError), quiet_stdout():
        raise RuntimeError
    print("still there")
    assert capfd.readouterr().out == "still there\n"
