"""Built-in strategies, one family a folder, each with its pure rules beside it."""

from __future__ import annotations

from typing import Final

from ttscale_strategies.voting import (
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

BUILTINS: Final = {
    "adaptive_consistency": "ttscale_strategies.voting.adaptive_consistency:AdaptiveConsistency",
    "best_of_n": "ttscale_strategies.voting.best_of_n:BestOfN",
    "budget_forcing": "ttscale_strategies.voting.budget_forcing:BudgetForcing",
    "cascade": "ttscale_strategies.voting.cascade:Cascade",
    "confidence_vote": "ttscale_strategies.voting.confidence:ConfidenceVote",
    "deep_conf": "ttscale_strategies.voting.deep_conf:DeepConf",
    "deep_prune": "ttscale_strategies.voting.deep_prune:DeepPrune",
    "esc": "ttscale_strategies.voting.early_stopping:EarlyStopping",
    "first_finish": "ttscale_strategies.voting.finish_order:FirstFinish",
    "inverse_entropy_vote": "ttscale_strategies.voting.inverse_entropy:InverseEntropyVote",
    "last_finish": "ttscale_strategies.voting.finish_order:LastFinish",
    "model_switch": "ttscale_strategies.voting.model_switch:ModelSwitch",
    "no_thinking": "ttscale_strategies.voting.no_thinking:NoThinking",
    "seat": "ttscale_strategies.voting.seat:SEAT",
    "self_consistency": "ttscale_strategies.voting.self_consistency:SelfConsistency",
    "shortest_majority": "ttscale_strategies.voting.shortest_majority:ShortestMajority",
    "single": "ttscale_strategies.voting.single:Single",
}
"""Built-in strategies by name, found without reinstalling."""

__all__ = [
    "BUILTINS",
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
