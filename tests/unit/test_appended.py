"""Text behind token ids: what was there keeps its tokens, and an end that is left out leaves nothing behind."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from ttscale.errors import BackendError
from ttscale.run.appended import appended, extended, without_end
from ttscale.testing import FakeBackend, characters
from ttscale.types import FinishReason, Message, Prompt, Sample, SampleUsage, Timings

PIECES = {1: "So", 2: " it", 3: " is", 4: ".</", 5: "think>", 6: "", 7: "\n", 8: " is.\n</", 9: "</think>"}
"""A vocabulary; 6 is an end token, which has no text."""


def decode(token_ids: Sequence[int]) -> str:
    return "".join(PIECES[token_id] for token_id in token_ids)


def decode_half_characters(token_ids: Sequence[int]) -> str:
    """Decode tokens that are bytes."""
    return bytes(token_ids).decode(errors="replace")


def sample(token_ids: Sequence[int], text: str, finish_reason: FinishReason = "stop") -> Sample:
    """Return a sample of the question "Q"."""
    return Sample(
        index=0,
        text=text,
        token_ids=tuple(token_ids),
        finish_reason=finish_reason,
        usage=SampleUsage(generated=len(token_ids)),
        prompt=Prompt(token_ids=characters.encode(Prompt.user("Q"))),
        seed=0,
        timings=Timings(submitted=0.0),
    )


@pytest.mark.parametrize(
    ("token_ids", "text", "kept", "rest"),
    [
        ([1, 2, 3, 6], "So it is", (1, 2, 3), ""),  # an end token
        ([1, 2, 9], "So it", (1, 2), ""),  # a stop string that is one token
        ([1, 7, 9, 6], "So\n", (1, 7), ""),
        ([1, 2, 3, 4, 5], "So it is.", (1, 2, 3), "."),  # one that begins within a token
        ([1, 2, 8, 5], "So it", (1, 2), ""),
        ([1, 2, 8, 5], "So it is.\n", (1, 2), " is.\n"),
        ([9], "", (), ""),
        ([6], "", (), ""),
        ([], "", (), ""),
        ([2, 3, 6], "it is", (2, 3), ""),  # a backend may leave out the first blank, or not
        ([1, 2, 6], "another text", (1, 2, 6), ""),  # nothing to go by
    ],
)
def test_what_ended_a_sample_is_left_out(
    token_ids: list[int], text: str, kept: tuple[int, ...], rest: str
) -> None:
    assert without_end(sample(token_ids, text), decode) == (kept, rest)


def test_a_sample_that_was_cut_off_has_no_end() -> None:
    for reason in ("length", "abort"):
        assert without_end(sample([1, 2, 6], "So it", reason), decode) == ((1, 2, 6), "")


def test_half_a_character_is_no_end() -> None:
    token_ids = [*"né".encode(), 0x0A]
    assert without_end(sample(token_ids, "né"), decode_half_characters) == (tuple("né".encode()), "")
    cut = "né".encode()[:2]
    text = decode_half_characters(cut)
    assert without_end(sample([*cut, 0x0A], text), decode_half_characters) == (tuple(cut), "")


def test_nothing_changes_without_a_text() -> None:
    backend, ended = FakeBackend(""), sample([*map(ord, "a.")], "a")
    whole = (ended.prompt.token_ids or ()) + ended.token_ids
    assert extended(ended, "", backend) == Prompt(token_ids=whole)
    assert appended(Prompt.user("Q"), "", backend) == Prompt.user("Q")


def test_a_text_goes_on_with_text_and_with_the_assistants_words() -> None:
    backend = FakeBackend("")
    assert appended(Prompt(text="So"), " it", backend) == Prompt(text="So it")
    begun = (Message("user", "Q"), Message("assistant", "So"))
    assert appended(Prompt(messages=begun), " it", backend).messages[1] == Message("assistant", "So it")
    assert appended(Prompt.user("Q"), "So", backend).messages == begun


class Surrounding(FakeBackend):
    """Its tokenizer puts tokens around every text, and a blank in front of it."""

    def encode(self, prompt: Prompt) -> Prompt:
        encoded = super().encode(prompt)
        if prompt.text is None or encoded.token_ids is None:
            return encoded
        return Prompt(token_ids=(characters.SILENT, ord(" "), *encoded.token_ids, characters.SILENT))


@pytest.mark.parametrize("text", ["Wait", "0", "01", " Wait", "W"])
def test_what_a_tokenizer_puts_around_every_text_is_left_out(text: str) -> None:
    assert appended(Prompt(token_ids=(1, 2)), text, Surrounding("")).token_ids == (1, 2, *map(ord, text))


def test_a_backend_without_a_tokenizer_says_so() -> None:
    class Untokenized(FakeBackend):
        def encode(self, prompt: Prompt) -> Prompt:
            return prompt

    with pytest.raises(BackendError, match="the backend 'fake' has no tokens for 'Wait'"):
        appended(Prompt(token_ids=(1,)), "Wait", Untokenized(""))
