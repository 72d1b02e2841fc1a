"""Strategies that draw samples side by side and choose among their answers."""

from __future__ import annotations

from ttscale_strategies.voting.adaptive_consistency import AdaptiveConsistency
from ttscale_strategies.voting.best_of_n import BestOfN
from ttscale_strategies.voting.early_stopping import EarlyStopping
from ttscale_strategies.voting.finish_order import FirstFinish, LastFinish
from ttscale_strategies.voting.self_consistency import SelfConsistency
from ttscale_strategies.voting.shortest_majority import ShortestMajority
from ttscale_strategies.voting.single import Single

__all__ = [
    "AdaptiveConsistency",
    "BestOfN",
    "EarlyStopping",
    "FirstFinish",
    "LastFinish",
    "SelfConsistency",
    "ShortestMajority",
    "Single",
]
