"""What a model is shown of a result: bounded, visible, and inert."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ttscale.tools import ToolResult
from ttscale.tools.text import shortened, visible


@pytest.mark.parametrize(
    ("result", "text"),
    [
        (ToolResult(value="as it is"), "as it is"),
        (ToolResult(value=42), "42"),
        (ToolResult(value=None), "null"),
        (ToolResult(value={"città": [1, True]}), '{"città": [1, true]}'),
        (ToolResult(error="no luck"), "Error: no luck"),
        (ToolResult(value="costs $2, not ${3}"), "costs $2, not ${3}"),
    ],
)
def test_a_value_is_shown_as_text_or_json(result: ToolResult, text: str) -> None:
    assert result.text == text


def test_control_characters_are_written_out() -> None:
    hostile = "\x1b[31mred\x1b[0m\r\nnext\ttab\rover\x00\u202egnp\u2028\ud800\u00ad"
    assert visible(hostile) == ("\\x1b[31mred\\x1b[0m\nnext\ttab\\rover\\x00\\u202egnp\\u2028\\ud800\\xad")
    assert visible("naïve 日本 👩\u200d💻") == "naïve 日本 👩\u200d💻"


@settings(max_examples=50)
@given(st.text(alphabet=st.characters(), max_size=50))
def test_what_is_visible_stays_as_it_is(text: str) -> None:
    once = visible(text)
    assert visible(once) == once
    once.encode()


def test_a_megabyte_loses_its_middle() -> None:
    text = ToolResult(value="a" * 500_000 + "b" * 500_000).text
    assert len(text) < 8_100
    assert text.startswith("a" * 6_000)
    assert text.endswith("b" * 2_000)
    assert "… 992000 characters left out …" in text


def test_escapes_do_not_make_a_text_longer_than_it_may_be() -> None:
    assert len(ToolResult(value="\x00" * 100_000).shown(1_000)) < 1_100


@pytest.mark.parametrize("most", [0, 1, 3, 4, 5, 10, 11])
def test_a_text_is_cut_to_the_letter(most: int) -> None:
    cut = shortened("0123456789", most)
    kept = "".join(character for character in cut.split("\n… ")[0] + cut.rpartition(" …\n")[2])
    assert len(kept) == most if most < 10 else cut == "0123456789"


def test_a_number_of_too_many_digits_does_not_break_the_observation() -> None:
    assert ToolResult(value=10**5000).text.startswith("(a int that cannot be written")
