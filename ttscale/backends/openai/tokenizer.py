"""A model's own tokenizer on our side of the wire, where the user names one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, cast

from ttscale.errors import ConfigError, MissingExtra
from ttscale.types import Prompt


class _HFTokenizer(Protocol):
    """The part of a Hugging Face tokenizer that is used."""

    chat_template: str | None

    def __call__(self, text: str) -> dict[str, list[int]]: ...

    def apply_chat_template(
        self,
        conversation: list[dict[str, str]],
        *,
        tokenize: bool,
        return_dict: bool,
        add_generation_prompt: bool,
        continue_final_message: bool,
    ) -> list[int]: ...

    def decode(self, token_ids: list[int], *, skip_special_tokens: bool) -> str: ...


@dataclass(frozen=True, slots=True)
class Tokenizer:
    """Puts prompts through a chat template and back."""

    _tokenizer: _HFTokenizer

    @classmethod
    def load(cls, name: str) -> Tokenizer:
        """Load a tokenizer by its name on the hub or its directory; takes seconds, and blocks.

        Raises:
            MissingExtra: transformers is not installed.
            ConfigError: there is no such tokenizer.
        """
        try:
            from transformers import AutoTokenizer
        except ImportError as error:
            raise MissingExtra("transformers", "hf") from error
        try:
            return cls(cast("_HFTokenizer", AutoTokenizer.from_pretrained(name)))
        except (OSError, ValueError) as error:
            reason = " ".join(str(error).split())[:200]
            raise ConfigError(
                f"the tokenizer {name!r} cannot be loaded ({reason}); check tokenizer=."
            ) from error

    def encode(self, prompt: Prompt) -> Prompt:
        """Return the prompt as token ids; a conversation only where the tokenizer has a template for it."""
        if prompt.text is not None:
            return Prompt(token_ids=tuple(self._tokenizer(prompt.text)["input_ids"]))
        if prompt.token_ids is not None or self._tokenizer.chat_template is None:
            return prompt
        goes_on = prompt.messages[-1].role == "assistant"
        ids = self._tokenizer.apply_chat_template(
            [{"role": message.role, "content": message.content} for message in prompt.messages],
            tokenize=True,
            return_dict=False,
            add_generation_prompt=not goes_on,
            continue_final_message=goes_on,
        )
        return Prompt(token_ids=tuple(ids))

    def decode(self, token_ids: Sequence[int]) -> str:
        """Return the text of token ids, special tokens left out."""
        return self._tokenizer.decode(list(token_ids), skip_special_tokens=True)
