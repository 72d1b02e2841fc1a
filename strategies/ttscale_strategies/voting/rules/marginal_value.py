"""What more samples of a question are worth, where several questions share one budget."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from ttscale_strategies.checks import require_all_at_least, require_positive
from ttscale_strategies.voting.rules.majority import majority


def overtaking_probability(leader: int, challenger: int, remaining: int, *, wins_ties: bool = False) -> float:
    """Return the probability that an answer is ahead of the leading one after some more samples.

    As in Adaptive-Consistency (Aggarwal et al. 2023, arXiv:2305.11860) all shares of the first of the two are
    equally likely beforehand. Then, of r more samples that are for one of the two, k are for the challenger
    with probability

        C(c + k, k) · C(l + r - k, r - k) / C(l + c + r + 1, r),

    l and c the votes so far: a Pólya urn that begins with one ball of each. It is ahead if c + k > l + r - k.
    As r grows without bound this becomes one minus their P(the leader is the more frequent answer).

    Args:
        leader: votes of the leading answer, >= 0.
        challenger: votes of the other, >= 0.
        remaining: further samples, >= 0.
        wins_ties: whether the challenger is ahead with as many votes too.

    Returns:
        In [0, 1]; 0 exactly where it cannot happen.

    Raises:
        ValueError: a count is negative.
    """
    require_all_at_least((leader, challenger, remaining), 0, "counts")
    needed = leader + remaining - challenger + (0 if wins_ties else 1)  # it is ahead if 2 k is at least this
    least = max(0, (needed + 1) // 2)
    ways = sum(
        math.comb(challenger + k, k) * math.comb(leader + remaining - k, remaining - k)
        for k in range(least, remaining + 1)
    )
    return ways / math.comb(leader + challenger + remaining + 1, remaining)


def marginal_value(keys: Sequence[str | None], *, max_samples: int) -> float:
    """Return the chance that the samples left would change the majority: what drawing on is worth.

    The estimate is `overtaking_probability` of the runner-up. It is 0 exactly where the vote is decided (see
    `is_vote_decided`), small for a leader far ahead, and greatest where two answers are level. One budget over
    many questions is spent by the greatest value first, in the setting of Damani et al. 2024
    (arXiv:2410.04707) and Zuo and Zhu 2025 (arXiv:2506.12721), without the first's trained predictor and
    without the second's reward: nothing is known of a question but its answers.

    Args:
        keys: answer keys of the first samples in order of index, shape [num_samples]; ``None`` never votes.
        max_samples: how many there may be in all, >= 1; none are left if there are as many already.

    Returns:
        In [0, 1).

    Raises:
        ValueError: max_samples is less than 1.
    """
    require_positive(max_samples, "max_samples")
    remaining = max(0, max_samples - len(keys))
    leader = majority(keys)
    if leader is None:
        return overtaking_probability(0, 0, remaining)
    counts = Counter(key for key in keys if key is not None)  # in order of first sight
    order = list(counts)
    others = [key for key in order if key != leader.key]
    if not others:
        return overtaking_probability(leader.votes, 0, remaining)
    runner_up = max(others, key=counts.__getitem__)
    is_earlier = order.index(runner_up) < order.index(leader.key)
    return overtaking_probability(leader.votes, counts[runner_up], remaining, wins_ties=is_earlier)
