"""The in-process vLLM backend: `AsyncLLM` on a GPU or a CPU, behind one thin adapter."""

from __future__ import annotations

from ttscale.backends.vllm.backend import VLLMBackend

__all__ = ["VLLMBackend"]
