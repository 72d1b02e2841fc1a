"""How long prompts are, where only the server can tell and has not told yet."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from ttscale.types import Prompt

_MAX_REMEMBERED: Final = 4096
_BYTES_PER_TOKEN: Final = 4.0
"""Of English prose, about; used until the first bill."""


class PromptLengths:
    """Learns from a server's bills what prompts cost: a request that is stopped or breaks off gets none."""

    def __init__(self) -> None:
        self._billed = OrderedDict[Prompt, int]()
        self._num_bytes = 0
        self._num_tokens = 0

    def learn(self, prompt: Prompt, num_tokens: int) -> None:
        """Take in a bill; one of no tokens says nothing, and the length of token ids is no question."""
        if num_tokens <= 0 or prompt.token_ids is not None:
            return
        if prompt not in self._billed:
            self._num_bytes += _num_bytes(prompt)
            self._num_tokens += num_tokens
        self._billed[prompt] = num_tokens
        self._billed.move_to_end(prompt)
        if len(self._billed) > _MAX_REMEMBERED:
            self._billed.popitem(last=False)

    def estimate(self, prompt: Prompt) -> int:
        """Return the number of tokens, >= 1: as billed before, else by the length of the prompt's text."""
        billed = self._billed.get(prompt)
        if billed is not None:
            return billed
        bytes_per_token = self._num_bytes / self._num_tokens if self._num_bytes else _BYTES_PER_TOKEN
        return max(1, round(_num_bytes(prompt) / bytes_per_token))


def _num_bytes(prompt: Prompt) -> int:
    texts = [prompt.text or "", *(message.content for message in prompt.messages)]
    return sum(len(text.encode(errors="replace")) for text in texts)
