"""The built-in strategies under their public name."""

from __future__ import annotations

from ttscale_strategies import (
    SEAT,
    AdaptiveConsistency,
    BestOfN,
    BudgetForcing,
    Cascade,
    ConfidenceVote,
    DeepConf,
    DeepPrune,
    EarlyStopping,
    FirstFinish,
    InverseEntropyVote,
    LastFinish,
    ModelSwitch,
    NoThinking,
    SelfConsistency,
    ShortestMajority,
    Single,
)

__all__ = [
    "SEAT",
    "AdaptiveConsistency",
    "BestOfN",
    "BudgetForcing",
    "Cascade",
    "ConfidenceVote",
    "DeepConf",
    "DeepPrune",
    "EarlyStopping",
    "FirstFinish",
    "InverseEntropyVote",
    "LastFinish",
    "ModelSwitch",
    "NoThinking",
    "SelfConsistency",
    "ShortestMajority",
    "Single",
]
