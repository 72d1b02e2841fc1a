"""Built-in strategies, one family a folder, each with its pure rules beside it."""

from __future__ import annotations

from typing import Final

from ttscale_strategies.voting import BestOfN, SelfConsistency, Single

BUILTINS: Final = {
    "best_of_n": "ttscale_strategies.voting.best_of_n:BestOfN",
    "self_consistency": "ttscale_strategies.voting.self_consistency:SelfConsistency",
    "single": "ttscale_strategies.voting.single:Single",
}
"""Built-in strategies by name, found without reinstalling."""

__all__ = ["BUILTINS", "BestOfN", "SelfConsistency", "Single"]
