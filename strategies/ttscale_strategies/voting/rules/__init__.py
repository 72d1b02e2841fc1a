"""The voting family's rules: pure functions of votes and scores, ordered by sample index, never by arrival."""

from __future__ import annotations

from ttscale_strategies.voting.rules.adaptive_consistency import (
    Criterion,
    adaptive_consistency,
    beta_probability,
    dirichlet_probability,
    is_consistent,
    normalised_entropy,
)
from ttscale_strategies.voting.rules.best_of_n import (
    best_of_n,
    best_scored,
    is_best_decided,
    weighted_best_of_n,
)
from ttscale_strategies.voting.rules.borda import borda_vote, borda_weights
from ttscale_strategies.voting.rules.budget_forcing import ForcingStep, Thought, forcing_step
from ttscale_strategies.voting.rules.decided import is_vote_decided
from ttscale_strategies.voting.rules.deep_conf import (
    confidence_threshold,
    confident_vote,
    filtered_vote,
    has_consensus,
    is_confident,
    online_stop,
)
from ttscale_strategies.voting.rules.deep_prune import (
    Clusters,
    compared_members,
    focal_loss,
    placed,
    traces_to_finish,
)
from ttscale_strategies.voting.rules.early_stopping import early_stopping, expected_samples
from ttscale_strategies.voting.rules.finish_order import FinishVote, first_finish, last_finish
from ttscale_strategies.voting.rules.inverse_entropy import (
    PAPER_MIN_ENTROPY,
    inverse_entropy_vote,
    inverse_entropy_weights,
    mean_entropy,
    token_entropies,
)
from ttscale_strategies.voting.rules.majority import Majority, majority, unanimous
from ttscale_strategies.voting.rules.marginal_value import marginal_value, overtaking_probability
from ttscale_strategies.voting.rules.model_switch import internal_weight, model_switch_vote
from ttscale_strategies.voting.rules.self_certainty import approximate_self_certainty, self_certainty
from ttscale_strategies.voting.rules.semantic_entropy import (
    entropy_threshold,
    num_observed_rounds,
    secretary_stop,
    semantic_entropy,
    threshold_stop,
)
from ttscale_strategies.voting.rules.shortest_majority import (
    LengthLaw,
    shortest_majority,
    shortest_majority_score,
)
from ttscale_strategies.voting.rules.stopped import Stopped
from ttscale_strategies.voting.rules.token_confidence import (
    ConfidenceWindow,
    TraceMeasure,
    group_confidences,
    token_confidences,
    trace_confidence,
)
from ttscale_strategies.voting.rules.top_logprobs import likeliest
from ttscale_strategies.voting.rules.weighted_vote import Election, elected, weighted_vote

__all__ = [
    "PAPER_MIN_ENTROPY",
    "Clusters",
    "ConfidenceWindow",
    "Criterion",
    "Election",
    "FinishVote",
    "ForcingStep",
    "LengthLaw",
    "Majority",
    "Stopped",
    "Thought",
    "TraceMeasure",
    "adaptive_consistency",
    "approximate_self_certainty",
    "best_of_n",
    "best_scored",
    "beta_probability",
    "borda_vote",
    "borda_weights",
    "compared_members",
    "confidence_threshold",
    "confident_vote",
    "dirichlet_probability",
    "early_stopping",
    "elected",
    "entropy_threshold",
    "expected_samples",
    "filtered_vote",
    "first_finish",
    "focal_loss",
    "forcing_step",
    "group_confidences",
    "has_consensus",
    "internal_weight",
    "inverse_entropy_vote",
    "inverse_entropy_weights",
    "is_best_decided",
    "is_confident",
    "is_consistent",
    "is_vote_decided",
    "last_finish",
    "likeliest",
    "majority",
    "marginal_value",
    "mean_entropy",
    "model_switch_vote",
    "normalised_entropy",
    "num_observed_rounds",
    "online_stop",
    "overtaking_probability",
    "placed",
    "secretary_stop",
    "self_certainty",
    "semantic_entropy",
    "shortest_majority",
    "shortest_majority_score",
    "threshold_stop",
    "token_confidences",
    "token_entropies",
    "trace_confidence",
    "traces_to_finish",
    "unanimous",
    "weighted_best_of_n",
    "weighted_vote",
]
