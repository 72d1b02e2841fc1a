"""Which strategies are plain majority votes, whose samples pilots can be."""

from __future__ import annotations

from ttscale.strategy import Strategy
from ttscale.types import Sampling
from ttscale_strategies.voting import SelfConsistency, Single


def plain_vote(strategy: Strategy) -> SelfConsistency | None:
    """Return the majority vote that a strategy is, if its samples are drawn as pilots are; else ``None``.

    A single sample is a vote of one.
    """
    if strategy == Single():
        return SelfConsistency(n=1)
    if type(strategy) is not SelfConsistency or strategy.sampling() != Sampling():
        return None
    return strategy if strategy.rule == "majority" and strategy.stop != "consistent" else None
