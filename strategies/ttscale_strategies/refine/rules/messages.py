"""Rounds of parallel answers that pass on what they found as short messages."""

from __future__ import annotations

import random
from collections.abc import Sequence

from ttscale_strategies.checks import require_positive
from ttscale_strategies.revision import without_thoughts


def compacted(texts: Sequence[str]) -> tuple[str, ...]:
    """Return the messages of a round: of each answer what comes after its thoughts.

    PaCoRe, arXiv:2601.05593: the text after the last ``</think>``, all of it where there is none. Answers of
    which nothing is left, failed ones as well, send no message.

    Args:
        texts: in order of sample index, ``""`` for a failed one, shape [num_samples].

    Returns:
        The messages in that order, none of them empty.
    """
    messages = (without_thoughts(text) for text in texts)
    return tuple(message for message in messages if message)


def shuffled_references(messages: Sequence[str], *, seed: int = 42) -> tuple[str, ...]:
    """Return messages in the order in which the next round sees them: by length, then shuffled with a seed.

    arXiv:2601.05593, whose seed is 42. The order follows from the messages alone if no two are equally long;
    equally long ones are first ordered as given.

    Args:
        messages: of the round before; empty ones are dropped.
        seed: the same seed shuffles the same.
    """
    ordered = sorted((message for message in messages if message), key=len)
    random.Random(seed).shuffle(ordered)
    return tuple(ordered)


def num_message_calls(samples_per_round: Sequence[int]) -> int:
    """Return the calls of a model: all rounds' and the final one.

    arXiv:2601.05593: [4] takes 5, [16] takes 17, [32, 4] takes 37.

    Args:
        samples_per_round: K_1, …, K_R, each >= 1; none: the final call alone.

    Raises:
        ValueError: a round has no samples.
    """
    for index, count in enumerate(samples_per_round):
        require_positive(count, f"samples_per_round[{index}]")
    return sum(samples_per_round) + 1
