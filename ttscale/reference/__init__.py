"""The reference model `abacus`: a real language model small enough to ship, and how it was made."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from ttscale.reference.problems import EVALUATION_CONFIGS

MODELS: Mapping[str, Path] = MappingProxyType(
    {
        name: Path(__file__).resolve().parent / name
        for name in ("abacus", "abacus-judge", "abacus-prm", "abacus-s")
    }
)
"""The directory of each packaged model by its name, as transformers and vLLM load it."""

ABACUS_PATH = MODELS["abacus"]
"""The directory of `abacus`."""

__all__ = ["ABACUS_PATH", "EVALUATION_CONFIGS", "MODELS"]
