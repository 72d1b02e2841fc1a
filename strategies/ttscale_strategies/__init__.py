"""Built-in strategies, one family a folder, each with its pure rules beside it."""

from __future__ import annotations

from typing import Final

from ttscale_strategies.voting import (
    AdaptiveConsistency,
    BestOfN,
    EarlyStopping,
    FirstFinish,
    LastFinish,
    SelfConsistency,
    ShortestMajority,
    Single,
)

BUILTINS: Final = {
    "adaptive_consistency": "ttscale_strategies.voting.adaptive_consistency:AdaptiveConsistency",
    "best_of_n": "ttscale_strategies.voting.best_of_n:BestOfN",
    "esc": "ttscale_strategies.voting.early_stopping:EarlyStopping",
    "first_finish": "ttscale_strategies.voting.finish_order:FirstFinish",
    "last_finish": "ttscale_strategies.voting.finish_order:LastFinish",
    "self_consistency": "ttscale_strategies.voting.self_consistency:SelfConsistency",
    "shortest_majority": "ttscale_strategies.voting.shortest_majority:ShortestMajority",
    "single": "ttscale_strategies.voting.single:Single",
}
"""Built-in strategies by name, found without reinstalling."""

__all__ = [
    "BUILTINS",
    "AdaptiveConsistency",
    "BestOfN",
    "EarlyStopping",
    "FirstFinish",
    "LastFinish",
    "SelfConsistency",
    "ShortestMajority",
    "Single",
]
