"""The reference model `abacus`: a real language model small enough to ship, and how it was made."""

from __future__ import annotations

from pathlib import Path

from ttscale.reference.problems import EVALUATION_CONFIGS

ABACUS_PATH = Path(__file__).resolve().parent / "abacus"
"""The directory of the model, as transformers and vLLM load it."""

__all__ = ["ABACUS_PATH", "EVALUATION_CONFIGS"]
