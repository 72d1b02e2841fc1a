"""Strategies that draw samples side by side and choose among their answers."""

from __future__ import annotations

from ttscale_strategies.voting.adaptive_consistency import AdaptiveConsistency
from ttscale_strategies.voting.allocated_vote import AllocatedVote
from ttscale_strategies.voting.best_of_n import BestOfN
from ttscale_strategies.voting.budget_forcing import BudgetForcing
from ttscale_strategies.voting.cascade import Cascade
from ttscale_strategies.voting.confidence import ConfidenceVote
from ttscale_strategies.voting.deep_conf import DeepConf
from ttscale_strategies.voting.deep_prune import DeepPrune
from ttscale_strategies.voting.early_stopping import EarlyStopping
from ttscale_strategies.voting.finish_order import FirstFinish, LastFinish
from ttscale_strategies.voting.inverse_entropy import InverseEntropyVote
from ttscale_strategies.voting.model_switch import ModelSwitch
from ttscale_strategies.voting.no_thinking import NoThinking
from ttscale_strategies.voting.seat import SEAT
from ttscale_strategies.voting.self_consistency import SelfConsistency
from ttscale_strategies.voting.shortest_majority import ShortestMajority
from ttscale_strategies.voting.single import Single
from ttscale_strategies.voting.styled import Styled

__all__ = [
    "SEAT",
    "AdaptiveConsistency",
    "AllocatedVote",
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
    "Styled",
]
