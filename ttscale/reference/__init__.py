"""The reference models: real language models small enough to ship, and how they were made.

`abacus` solves, revises, splits work into threads and plans tool calls; `abacus-judge` judges steps and
compares solutions; `abacus-s` is a third of their size and only solves.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from ttscale.reference.problems import EVALUATION_CONFIGS

MODELS: Mapping[str, Path] = MappingProxyType(
    {name: Path(__file__).resolve().parent / name for name in ("abacus", "abacus-s", "abacus-judge")}
)
"""The directory of each model by its name, as transformers and vLLM load it."""

ABACUS_PATH = MODELS["abacus"]
"""The directory of `abacus`."""

__all__ = ["ABACUS_PATH", "EVALUATION_CONFIGS", "MODELS"]
