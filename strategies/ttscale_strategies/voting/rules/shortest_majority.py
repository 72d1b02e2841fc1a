"""Shortest-majority voting: votes, divided by how long their samples are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, assert_never

from ttscale_strategies.checks import require_at_least, require_one_each
from ttscale_strategies.voting.rules.weighted_vote import Election, elected

LengthLaw = Literal["ln", "sqrt", "linear"]
"""What of a mean length the votes are divided by."""
MIN_MEAN_LENGTH = 2.0
"""Tokens a group counts as having at least: the logarithm of 1 is no divisor."""


def shortest_majority(
    keys: Sequence[str | None], lengths: Sequence[int], *, law: LengthLaw = "ln"
) -> Election | None:
    """Return the key with the greatest votes / law(mean length); ties go to the key seen first.

    Zeng et al. 2025, arXiv:2502.12215, whose ablation found ``"ln"`` the most stable. A mean length below
    `MIN_MEAN_LENGTH` is raised to it, where the paper's formula divides by 0 or changes sign. The rule is not
    monotone: one more vote, from a very long sample, can cost the winner the election.

    Args:
        keys: answer keys in order of sample index, shape [num_samples].
        lengths: generated tokens, >= 0, shape [num_samples]; those of samples without an answer do not count.
        law: the logarithm (its base changes nothing), the square root, or the length itself.

    Returns:
        The winner, or ``None`` if nobody voted. The election's totals are the quotients.

    Raises:
        ValueError: the shapes differ, or a voter's length is negative or not finite.
    """
    require_one_each(keys, lengths, "lengths")
    groups: dict[str, list[int]] = {}
    for index, (key, length) in enumerate(zip(keys, lengths, strict=True)):
        if key is not None:
            require_at_least(length, 0, f"lengths[{index}]")
            groups.setdefault(key, []).append(length)
    return elected({key: shortest_majority_score(group, law=law) for key, group in groups.items()})


def shortest_majority_score(lengths: Sequence[int], *, law: LengthLaw = "ln") -> float:
    """Return the score of one answer, votes / law(mean length), > 0.

    Args:
        lengths: of the samples that gave the answer, in tokens, >= 0, shape [num_votes].
        law: see `shortest_majority`.

    Raises:
        ValueError: there are no samples.
    """
    if not lengths:
        raise ValueError("an answer that nobody gave has no mean length")
    mean = max(math.fsum(lengths) / len(lengths), MIN_MEAN_LENGTH)
    match law:
        case "ln":
            return len(lengths) / math.log(mean)
        case "sqrt":
            return len(lengths) / math.sqrt(mean)
        case "linear":
            return len(lengths) / mean
        case _:
            assert_never(law)
