"""The effort family's rules: how hard a question is, and which samples of a model are the right ones."""

from __future__ import annotations

from ttscale_strategies.effort.rules.compute_optimal import difficulty_bins, pretraining_multiplier
from ttscale_strategies.effort.rules.horizon import (
    Compute,
    Family,
    HorizonFit,
    family_recipe,
    horizon_of,
)

__all__ = [
    "Compute",
    "Family",
    "HorizonFit",
    "difficulty_bins",
    "family_recipe",
    "horizon_of",
    "pretraining_multiplier",
]
