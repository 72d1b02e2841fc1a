"""ModelSwitch: a model whose answers are not `unanimous` hands over to the next, and weighs less."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from ttscale_strategies.checks import require_all_at_least
from ttscale_strategies.voting.rules.weighted_vote import Election, weighted_vote


def internal_weight(keys: Sequence[str | None]) -> float:
    """Return how much a model's answers weigh: b + (1 - b)(1 - H / Hmax), b = 1 / number of answers.

    Chen et al. 2025, arXiv:2504.00762. H is the entropy of the model's answers and Hmax that of as many
    different ones equally often, so a model that answers differently each time weighs b. Samples without an
    answer are dropped first; one that gave no answer at all weighs 0.

    Args:
        keys: the model's answer keys, shape [num_samples].

    Returns:
        In [0, 1]; 1 if all answers are the same.
    """
    counts = Counter(key for key in keys if key is not None)
    num_answers = counts.total()
    if len(counts) < 2:
        return 1.0 if counts else 0.0
    shares = [count / num_answers for count in counts.values()]
    relative = -math.fsum(share * math.log2(share) for share in shares) / math.log2(len(counts))
    floor = 1.0 / num_answers
    return floor + (1.0 - floor) * (1.0 - min(relative, 1.0))


def model_switch_vote(
    keys: Sequence[Sequence[str | None]], *, external_weights: Sequence[float] | None = None
) -> Election | None:
    """Return the key with the greatest sum over the models of votes · internal weight · external weight.

    arXiv:2504.00762. Ties go to the key seen first, in the order of the models and their samples.

    Args:
        keys: answer keys of each model asked, in the order asked, shape [num_models][num_samples].
        external_weights: how good each model is thought to be, >= 0, shape [num_models]; without, all are 1.

    Returns:
        The winner, or ``None`` if nobody voted.

    Raises:
        ValueError: there is not one external weight a model, or one is negative or not finite.
    """
    external = [1.0] * len(keys) if external_weights is None else external_weights
    if len(external) != len(keys):
        raise ValueError(f"external_weights need one value a model, got {len(external)} for {len(keys)}")
    require_all_at_least(external, 0.0, "external_weights")
    weights = [internal_weight(model) * outer for model, outer in zip(keys, external, strict=True)]
    return weighted_vote(
        [key for model in keys for key in model],
        [weight for model, weight in zip(keys, weights, strict=True) for _ in model],
    )
