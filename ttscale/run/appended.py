"""Text of our own behind a prompt or a sample: what was there keeps its token ids, whatever the text is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ttscale.errors import BackendError
from ttscale.prefix import num_common
from ttscale.types import Message, Prompt, Sample

if TYPE_CHECKING:
    from ttscale.backends.base import Backend


def appended(prompt: Prompt, text: str, backend: Backend) -> Prompt:
    """Return a prompt that goes on with a text: in the assistant's turn, where it is a conversation.

    Args:
        prompt: as its backend encodes it.
        text: its tokens are those it has by itself.
        backend: turns the text into tokens where the prompt is tokens.

    Raises:
        BackendError: the backend cannot.
    """
    if not text:
        return prompt
    if prompt.token_ids is not None:
        return Prompt(token_ids=prompt.token_ids + _ids_of(text, backend))
    return _with_text(prompt, text)


def _with_text(prompt: Prompt, text: str) -> Prompt:
    if prompt.text is not None:
        return Prompt(text=prompt.text + text)
    *before, last = prompt.messages
    if last.role == "assistant":
        return Prompt(messages=(*before, Message("assistant", last.content + text)))
    return Prompt(messages=(*prompt.messages, Message("assistant", text)))


def _ids_of(text: str, backend: Backend) -> tuple[int, ...]:
    """Return the token ids of a text, without those that its tokenizer puts around every text."""
    ids, zero, one = (_encoded(given, backend) for given in (text, "0", "1"))
    around = num_common(zero, one), num_common(zero[::-1], one[::-1])
    before = num_common(ids, zero[: around[0]])
    after = num_common(ids[before:][::-1], zero[::-1][: around[1]])
    return ids[before : len(ids) - after]


def _encoded(text: str, backend: Backend) -> tuple[int, ...]:
    ids = backend.encode(Prompt(text=text)).token_ids
    if ids is None:
        raise BackendError(
            f"the backend {backend.name!r} has no tokens for {text!r}, which must be put behind token ids"
        )
    return ids


def extended(sample: Sample, then: str, backend: Backend) -> Prompt:
    """Return the prompt that continues a sample where it ended, with a text first.

    Args:
        sample: what to continue.
        then: takes the place of the end token or stop string that ended the sample; empty: the sample as it is.
        backend: of the sample.

    Raises:
        BackendError: it cannot turn the text into tokens.
    """
    exact = backend.capabilities.token_ids
    if then and exact and sample.prompt.token_ids is not None:
        token_ids, rest = without_end(sample, backend.decode)
        sample, then = replace(sample, token_ids=token_ids), rest + then
    return appended(backend.encode(_written(sample, exact=exact)), then, backend)


def _written(sample: Sample, *, exact: bool) -> Prompt:
    """Return a sample behind its prompt: as token ids where the backend takes them, else as text.

    Raises:
        BackendError: it was drawn from token ids, which the backend does not take.
    """
    prompt = sample.prompt
    if prompt.token_ids is None:
        return _with_text(prompt, sample.text)
    if not exact:
        raise BackendError(f"sample {sample.index} was drawn from token ids that this backend cannot continue")
    return Prompt(token_ids=prompt.token_ids + sample.token_ids)


def without_end(sample: Sample, decode: Callable[[Sequence[int]], str]) -> tuple[tuple[int, ...], str]:
    """Return the token ids of a sample without its end token or stop string, which its text does not have.

    Args:
        sample: one that was cut off has no end; all its ids are returned.
        decode: token ids to text.

    Returns:
        The ids, and what of the text they lack: where one token holds the last of the text and the first of a
        stop string, it goes too.
    """
    ids, text = sample.token_ids, _unspaced(sample.text)
    if sample.finish_reason != "stop" or not _unspaced(decode(ids)).startswith(text):
        return ids, ""
    while ids and _unspaced(decode(ids[:-1])).startswith(text):
        ids = ids[:-1]
    if _unspaced(decode(ids)) == text:
        return ids, ""
    return ids[:-1], text[len(_unspaced(decode(ids[:-1]))) :]


def _unspaced(text: str) -> str:
    """Return a text without the blanks at its beginning, which some tokenizers write only behind a prompt."""
    return text.lstrip(" ")
