"""Text of the embedded backend: whole characters only, and never a piece of a stop string."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttscale.backends.hf.text import IncrementalDecoder, StopFilter, TextStream


def from_bytes(token_ids: Sequence[int]) -> str:
    """A vocabulary of the 256 bytes."""
    return bytes(token_ids).decode("utf-8", "replace")


def streamed(token_ids: Sequence[int], stops: Sequence[str] = ()) -> tuple[list[str], bool]:
    """Push ids until a stop string is found; return the pieces and whether one was."""
    stream, pieces = TextStream(from_bytes, stops), list[str]()
    for token_id in token_ids:
        pieces.append(stream.push(token_id))
        if stream.stopped:
            break
    return [*pieces, stream.flush()], stream.stopped


def cut(text: str, stops: Sequence[str]) -> str:
    """What remains of a text when the first stop string to be completed ends it."""
    for end in range(len(text) + 1):
        starts = [end - len(stop) for stop in stops if stop and text[:end].endswith(stop)]
        if starts:
            return text[: min(starts)]
    return text


def test_a_character_of_several_bytes_comes_out_whole_at_its_last_byte() -> None:
    decoder = IncrementalDecoder(from_bytes)
    assert [decoder.push(byte) for byte in "a😀b".encode()] == ["a", "", "", "", "😀", "b"]


def test_characters_come_out_although_every_token_ends_inside_the_next_one() -> None:
    data = "日本語日本語".encode()
    tokens = [data[start : start + 3] for start in range(1, len(data), 3)]
    words = [data[:1], *tokens]
    decoder = IncrementalDecoder(lambda ids: b"".join(words[i] for i in ids).decode("utf-8", "replace"))
    pieces = [decoder.push(index) for index in range(len(words))]
    assert pieces == ["", *"日本語日本語"]


def test_bytes_that_never_become_a_character_come_out_at_the_end() -> None:
    pieces, _ = streamed([0x61, 0xF0, 0x9F])
    assert pieces[:3] == ["a", "", ""]
    assert pieces[3] == "�"


def test_a_long_run_of_broken_bytes_is_not_held_back_for_ever() -> None:
    pieces, _ = streamed([0xFF] * 500)
    assert sum(map(bool, pieces)) > 5
    assert "".join(pieces) == "�" * 500


def test_a_word_start_marker_is_decoded_as_within_the_whole_text() -> None:
    words = ["▁so", "▁it", "▁is"]
    decoder = IncrementalDecoder(lambda ids: "".join(words[i] for i in ids).replace("▁", " ").removeprefix(" "))
    assert [decoder.push(i) for i in (0, 1, 2)] == ["so", " it", " is"]


@given(st.lists(st.integers(0, 255), max_size=60))
def test_pieces_of_any_bytes_join_to_the_text_of_all(token_ids: list[int]) -> None:
    assert "".join(streamed(token_ids)[0]) == from_bytes(token_ids)


@given(st.text("ab😀", max_size=40), st.lists(st.text("ab😀", min_size=1, max_size=4), max_size=3))
def test_text_ends_before_the_first_stop_string(text: str, stops: list[str]) -> None:
    pieces, stopped = streamed(text.encode(), stops)
    assert "".join(pieces) == cut(text, stops)
    assert stopped == any(stop in text for stop in stops)


@given(st.text("ab", max_size=40), st.lists(st.text("ab", min_size=1, max_size=4), min_size=1, max_size=3))
def test_what_was_given_out_is_never_taken_back(text: str, stops: list[str]) -> None:
    final = cut(text, stops)
    stop_filter, given_out = StopFilter(stops), ""
    for character in text:
        given_out += stop_filter.push(character)
        assert final.startswith(given_out)


@pytest.mark.parametrize(
    ("stops", "expected"),
    [
        (("\nQ",), ["a", "", ""]),
        (("zz",), ["a", "\n", "Q"]),
        (("", "Q"), ["a", "\n", ""]),
    ],
)
def test_only_the_beginning_of_a_stop_string_is_held_back(stops: tuple[str, ...], expected: list[str]) -> None:
    stop_filter = StopFilter(stops)
    assert [stop_filter.push(character) for character in "a\nQ"] == expected


def test_what_was_held_back_comes_out_when_the_sample_ends_without_the_stop_string() -> None:
    pieces, stopped = streamed(b"so #", ["###"])
    assert pieces == ["s", "o", " ", "", "#"]
    assert not stopped


def test_nothing_follows_a_stop_string() -> None:
    stop_filter = StopFilter(["."])
    assert stop_filter.push("a. b") == "a"
    assert stop_filter.push("c") == ""
    assert stop_filter.flush() == ""
