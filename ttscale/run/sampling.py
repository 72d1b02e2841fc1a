"""How tokens are drawn once a model has had its say."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from ttscale.types import Prompt, Sampling

if TYPE_CHECKING:
    from ttscale.backends.base import Backend

_MOST_TOKENS_WITHOUT_CONTEXT: Final = 4096
"""Tokens per sample where neither the sampling nor the model says a limit."""


def resolved(sampling: Sampling, prompt: Prompt, backend: Backend) -> Sampling:
    """Return a sampling with a model's defaults filled in, and the room its context leaves behind a prompt.

    Args:
        sampling: what it leaves open is the model's; its most tokens hold as far as there is room for them.
        prompt: as the backend encodes it.
        backend: of the model.
    """
    profile = backend.profile
    most = sampling.max_tokens or _MOST_TOKENS_WITHOUT_CONTEXT
    if profile.context_length is not None:
        room = max(1, profile.context_length - backend.count_tokens(prompt))
        most = min(sampling.max_tokens or room, room)
    return replace(
        sampling,
        max_tokens=most,
        temperature=profile.temperature if sampling.temperature is None else sampling.temperature,
        top_p=profile.top_p if sampling.top_p is None else sampling.top_p,
        top_k=profile.top_k if sampling.top_k is None else sampling.top_k,
    )


def capped(sampling: Sampling, max_tokens: int) -> Sampling:
    """Return a sampling with the number of tokens that was reserved."""
    return sampling if sampling.max_tokens == max_tokens else replace(sampling, max_tokens=max_tokens)
