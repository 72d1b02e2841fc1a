"""Prompts to token ids and back, through a model's own tokenizer and chat template."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, Protocol

from ttscale.errors import BackendError
from ttscale.types import Prompt

_MAX_REMEMBERED: Final = 128
"""Prompts and single tokens that are remembered: every sample, step and score asks for the same ones."""


class Tokenizer(Protocol):
    """What is used of a transformers tokenizer."""

    chat_template: str | None

    def encode(self, text: str, *, add_special_tokens: bool = True) -> list[int]:
        """Return the token ids of a text."""
        ...

    def decode(
        self, token_ids: Sequence[int], *, skip_special_tokens: bool, clean_up_tokenization_spaces: bool
    ) -> str:
        """Return the text of token ids."""
        ...

    def apply_chat_template(
        self,
        conversation: list[dict[str, str]],
        *,
        tokenize: bool,
        add_generation_prompt: bool,
        continue_final_message: bool,
    ) -> str:
        """Return a conversation as the model reads it."""
        ...

    def __len__(self) -> int: ...


class Vocabulary:
    """A tokenizer that two threads may use: one encodes prompts, the other decodes what the model says.

    Args:
        tokenizer: of the model.
        model: its name, for messages.
        continues: whether a conversation that ends in an assistant message is left open, to be continued; a
            reward model reads it closed.
    """

    def __init__(self, tokenizer: Tokenizer, model: str, *, continues: bool = True) -> None:
        self._tokenizer = tokenizer
        self._model = model
        self._continues = continues
        self._size = len(tokenizer)
        self._lock = threading.Lock()
        self._remembered = lru_cache(_MAX_REMEMBERED)(self._encoded)
        self.token_id = lru_cache(_MAX_REMEMBERED)(self._token_id)
        """The id of the one token that a text is, special ones included; ``None`` if it is not one."""

    @property
    def has_chat_template(self) -> bool:
        """Whether it can encode conversations."""
        return bool(self._tokenizer.chat_template)

    def encode(self, prompt: Prompt) -> tuple[int, ...]:
        """Return the token ids of a prompt, messages through the chat template.

        Raises:
            BackendError: the model has no chat template, its template refuses the conversation, or its
                tokenizer the text.
        """
        return self._remembered(prompt) if prompt.token_ids is None else prompt.token_ids

    def _encoded(self, prompt: Prompt) -> tuple[int, ...]:
        text = self._render(prompt) if prompt.text is None else prompt.text
        with self._lock:
            try:
                return tuple(self._tokenizer.encode(text, add_special_tokens=prompt.text is not None))
            except Exception as error:  # half a surrogate pair, say; every tokenizer has its own way to refuse
                raise BackendError(f"the tokenizer of {self._model!r} refuses the prompt: {error}") from error

    def _render(self, prompt: Prompt) -> str:
        if not self.has_chat_template:
            raise BackendError(
                f"the tokenizer of {self._model!r} has no chat template; "
                "give the prompt as text instead of messages"
            )
        is_answered = prompt.messages[-1].role == "assistant"
        try:
            return self._tokenizer.apply_chat_template(
                [{"role": message.role, "content": message.content} for message in prompt.messages],
                tokenize=False,
                add_generation_prompt=self._continues and not is_answered,
                continue_final_message=self._continues and is_answered,
            )
        except Exception as error:  # templates are programs that come with the model and raise what they like
            raise BackendError(f"the chat template of {self._model!r} refuses the messages: {error}") from error

    def _token_id(self, text: str) -> int | None:
        with self._lock:
            ids = self._tokenizer.encode(text, add_special_tokens=False)
        return ids[0] if len(ids) == 1 else None

    def decode(self, token_ids: Sequence[int]) -> str:
        """Return the text of token ids; special tokens and ids that have no text are left out."""
        known = [token_id for token_id in token_ids if token_id < self._size]
        with self._lock:
            return self._tokenizer.decode(known, skip_special_tokens=True, clean_up_tokenization_spaces=False)
