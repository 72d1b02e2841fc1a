"""Strategies that draw samples side by side and choose among their answers."""

from __future__ import annotations

from ttscale_strategies.voting.best_of_n import BestOfN
from ttscale_strategies.voting.self_consistency import SelfConsistency
from ttscale_strategies.voting.single import Single

__all__ = ["BestOfN", "SelfConsistency", "Single"]
