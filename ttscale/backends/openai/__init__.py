"""The `openai` backend: any server that speaks the OpenAI protocol, chat or completions."""

from __future__ import annotations

from ttscale.backends.openai.backend import OpenAIBackend

__all__ = ["OpenAIBackend"]
