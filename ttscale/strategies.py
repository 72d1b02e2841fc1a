"""The built-in strategies under their public name."""

from __future__ import annotations

from ttscale_strategies import BestOfN, SelfConsistency, Single

__all__ = ["BestOfN", "SelfConsistency", "Single"]
