"""Who generates: the backend contract and the built-in backends."""

from __future__ import annotations

from typing import Final

from ttscale.backends.base import (
    Backend,
    Capabilities,
    Chunk,
    Generation,
    ModelProfile,
    PromptScore,
    Request,
    Rewards,
)
from ttscale.backends.load import load_backend

BUILTINS: Final = {
    "hf": "ttscale.backends.hf:HFBackend",
    "vllm": "ttscale.backends.vllm:VLLMBackend",
    "openai": "ttscale.backends.openai:OpenAIBackend",
    "replay": "ttscale.backends.replay:ReplayBackend",
}
"""Built-in backends by URI scheme, found without reinstalling."""

__all__ = [
    "BUILTINS",
    "Backend",
    "Capabilities",
    "Chunk",
    "Generation",
    "ModelProfile",
    "PromptScore",
    "Request",
    "Rewards",
    "load_backend",
]
