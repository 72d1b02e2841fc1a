"""How much of what two texts say is the same: a judge of partial traces that needs no model."""

from __future__ import annotations

import re
from collections import Counter
from typing import Final, TypeAlias

WordSequences: TypeAlias = Counter[tuple[str, ...]]
"""How often each sequence of words occurs in a text."""

_WORD: Final = re.compile(r"\w+|[^\w\s]")


def word_sequences(text: str, length: int) -> WordSequences:
    """Return the sequences of so many words of a text; signs are words too, and case does not matter.

    Args:
        text: any; one with fewer words is one sequence.
        length: words, >= 1.
    """
    words = _WORD.findall(text.lower())
    length = min(length, len(words))
    return Counter(tuple(words[start : start + length]) for start in range(len(words) - length + 1) if length)


def overlap(one: WordSequences, other: WordSequences) -> float:
    """Return the share of both texts' sequences that they have in common (Jaccard), in [0, 1].

    Two empty texts are the same.
    """
    everything = (one | other).total()
    return (one & other).total() / everything if everything else 1.0
