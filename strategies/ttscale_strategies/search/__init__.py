"""Strategies that search a tree of steps or of attempts."""

from __future__ import annotations

from ttscale_strategies.search.ab_mcts import ABMCTS
from ttscale_strategies.search.atts import ATTS
from ttscale_strategies.search.beam_search import DVTS, BeamSearch
from ttscale_strategies.search.best_first import BestFirst
from ttscale_strategies.search.ets import ETS
from ttscale_strategies.search.lookahead import Lookahead
from ttscale_strategies.search.mcts import MCTS
from ttscale_strategies.search.pats import PATS
from ttscale_strategies.search.rebase import Rebase
from ttscale_strategies.search.reward_guided_search import RewardGuidedSearch
from ttscale_strategies.search.speculative_steps import SpeculativeSteps

__all__ = [
    "ABMCTS",
    "ATTS",
    "DVTS",
    "ETS",
    "MCTS",
    "PATS",
    "BeamSearch",
    "BestFirst",
    "Lookahead",
    "Rebase",
    "RewardGuidedSearch",
    "SpeculativeSteps",
]
