"""Token counts of different providers in one form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ttscale.bank.logs.fields import Fields
from ttscale.types import SampleUsage

_BYTES_PER_TOKEN: Final = 4
_APART: Final = ("google", "vertex", "gemini")
"""Providers whose output tokens do not include thinking, in logs that do not show it by their total."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a sample cost, as its log says."""

    usage: SampleUsage
    reasoning: int | None = None
    usd: float | None = None


def tokens_of(usage: Fields, model: str) -> Tokens | None:
    """Return the token counts of an Inspect ``ModelUsage``; ``None``: there are none.

    Providers count thinking within the output tokens or beside them, and cached tokens within the input tokens
    or beside them. The total tells which it was, as it is the sum of what is apart. Where no sum fits, thinking
    is within, unless there is more of it than output or the provider is Google, and cached tokens are beside.
    Tokens written to a cache were computed.

    Args:
        usage: as the log has it.
        model: its name, with its provider before the slash.
    """
    output = usage.whole("output_tokens")
    if output is None:
        return None
    prompt, total = usage.whole("input_tokens") or 0, usage.whole("total_tokens") or 0
    read, written = usage.whole("input_tokens_cache_read") or 0, usage.whole("input_tokens_cache_write") or 0
    thought = usage.whole("reasoning_tokens") or 0
    apart = thought if thought > output or model.lower().startswith(_APART) else 0
    beside = True
    for cached_beside in (True, False):
        asked = prompt + read + written if cached_beside else prompt
        added = next((more for more in (0, thought) if asked + output + more == total), None)
        if added is not None and output + added >= thought:
            apart, beside = added, cached_beside
            break
    computed = prompt + written if beside else max(0, prompt - read)
    return Tokens(
        SampleUsage(prompt_computed=computed, prompt_cached=read, generated=output + apart),
        reasoning=usage.whole("reasoning_tokens"),
        usd=usage.number("total_cost"),
    )


def estimated(text: str | None) -> SampleUsage:
    """Return how long a text is about: a token for every four bytes, of the prompt nothing."""
    num_bytes = len((text or "").encode(errors="replace"))
    return SampleUsage(generated=-(-num_bytes // _BYTES_PER_TOKEN))
