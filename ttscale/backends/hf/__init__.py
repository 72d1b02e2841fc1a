"""The embedded backend: any transformers causal language model, batched continuously in this process."""

from __future__ import annotations

from ttscale.backends.hf.backend import HFBackend

__all__ = ["HFBackend"]
