"""The toy tokenizer of `FakeBackend`: one token a character, its id the code point; chat marks lie above them.

Every id maps back to exactly one character or mark, so a prompt, a reply and a continuation can be read from
their ids alone.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Final, Literal, get_args

from ttscale.types import Message, Prompt

Role = Literal["system", "user", "assistant"]

_FIRST_MARK: Final = 0x110000
"""One more than the last code point of Unicode."""
_ROLES: Final[tuple[Role, ...]] = get_args(Role)
_END: Final = _FIRST_MARK + len(_ROLES)

SILENT: Final = _END + 1
"""A token without text."""
VOCABULARY_SIZE: Final = SILENT + 1
"""Ids are in [0, VOCABULARY_SIZE)."""


def encode(prompt: Prompt) -> tuple[int, ...]:
    """Return a prompt's token ids.

    A conversation is a mark of the role, the content and an end mark for each message, then the assistant's
    mark; the end mark of a last message of the assistant's is left out, so that it is continued.
    """
    if prompt.token_ids is not None:
        return prompt.token_ids
    if prompt.text is not None:
        return tuple(map(ord, prompt.text))
    ids = list[int]()
    for message in prompt.messages:
        ids += [_FIRST_MARK + _ROLES.index(message.role), *map(ord, message.content), _END]
    if prompt.messages[-1].role == "assistant":
        return tuple(ids[:-1])
    return (*ids, _FIRST_MARK + _ROLES.index("assistant"))


def decode(token_ids: Sequence[int]) -> str:
    """Return the text of token ids, marks left out.

    Raises:
        ValueError: an id is outside the vocabulary.
    """
    check(token_ids)
    return "".join([chr(token_id) for token_id in token_ids if token_id < _FIRST_MARK])


def parse(token_ids: Sequence[int]) -> Prompt:
    """Return the prompt that `encode` made these ids from; ids without any role mark are raw text.

    An assistant's message that is still empty is left out.
    """
    messages = list[Message]()
    starts = [at for at, token_id in enumerate(token_ids) if _FIRST_MARK <= token_id < _END]
    for start, end in itertools.pairwise([*starts, len(token_ids)]):
        role = _ROLES[token_ids[start] - _FIRST_MARK]
        messages.append(Message(role, decode(token_ids[start + 1 : end])))
    if messages and messages[-1] == Message("assistant", ""):
        messages.pop()
    return Prompt(messages=tuple(messages)) if messages else Prompt(text=decode(token_ids))


def begun(token_ids: Sequence[int]) -> Sequence[int]:
    """Return the ids of the unfinished assistant message that a prompt ends in, empty if there is none."""
    for at in range(len(token_ids) - 1, -1, -1):
        if _FIRST_MARK <= token_ids[at] <= _END:
            return token_ids[at + 1 :] if token_ids[at] == _FIRST_MARK + _ROLES.index("assistant") else ()
    return ()


def check(token_ids: Sequence[int]) -> None:
    """Raise a ValueError that names the first id outside the vocabulary, if there is one."""
    if token_ids and not 0 <= min(token_ids) <= max(token_ids) < VOCABULARY_SIZE:
        wrong = next(token_id for token_id in token_ids if not 0 <= token_id < VOCABULARY_SIZE)
        raise ValueError(f"token id {wrong!r} is not in [0, {VOCABULARY_SIZE})")
