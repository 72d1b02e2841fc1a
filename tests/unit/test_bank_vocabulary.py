"""Token by token, a text is what its tokens say, however a tokenizer cuts it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.bank_samples import sample
from ttscale.bank.vocabulary import Vocabulary, token_ends

PIECES = {1: "The", 2: " cat", 3: " ", 4: "sat", 5: "", 6: "\ufffd", 7: "\ufffd", 8: " the"}


@pytest.mark.parametrize(
    ("text", "ids", "ends"),
    [
        ("The cat", (1, 2), [3, 7]),
        ("The cat", (1, 2, 5), [3, 7, 7]),
        ("", (5, 5), [0, 0]),
        ("", (), []),
        ("cat sat", (2, 3, 4), [3, 4, 7]),
        ("The ca", (1, 2), [3, 6]),
        ("The", (1, 2, 4), [3, 3, 3]),
        ("Theésat", (1, 6, 7, 4), [3, 3, 4, 7]),
        ("Theé", (1, 6, 7), [3, 3, 4]),
        ("Thé cat", (1, 2), None),
        ("The cat", (1,), None),
        ("The cat", (1, 99), None),
        ("Theabcdefghijk sat", (1, 6, 3, 4), None),
    ],
)
def test_each_token_ends_where_its_text_does(text: str, ids: Sequence[int], ends: Sequence[int] | None) -> None:
    assert token_ends(text, ids, PIECES) == ends


@given(st.lists(st.sampled_from([1, 2, 3, 4, 5, 8])))
def test_ends_of_plain_pieces_are_their_lengths_added_up(ids: list[int]) -> None:
    text = "".join(PIECES[token_id] for token_id in ids)
    ends = token_ends(text, ids, PIECES)
    assert ends is not None
    assert [text[:end] for end in ends] == ["".join(PIECES[i] for i in ids[: n + 1]) for n in range(len(ids))]


@given(st.text(), st.lists(st.integers(0, 9)))
def test_whatever_the_text_ends_rise_and_stay_within_it(text: str, ids: list[int]) -> None:
    ends = token_ends(text, ids, PIECES)
    assert ends is None or (ends == sorted(ends) and all(0 <= end <= len(text) for end in ends))


def test_a_space_that_is_dropped_at_the_start_of_a_text_is_learned() -> None:
    words = {97: "one", 98: " two", 99: " three"}

    def decode(ids: Sequence[int]) -> str:
        return "".join(words[token_id] for token_id in ids).removeprefix(" ")

    vocabulary = Vocabulary(decode)
    assert vocabulary.new_in(sample(0, "abc")) == words
    vocabulary.known.update(words)
    assert vocabulary.new_in(sample(0, "abc")) == {}


def test_alternatives_are_learned_too() -> None:
    vocabulary = Vocabulary(lambda ids: "".join(map(chr, ids)))
    assert set(vocabulary.new_in(sample(0, "a", num_logprobs=2))) == {97, 200, 201, 202}
