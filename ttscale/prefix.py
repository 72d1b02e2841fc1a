"""What two texts begin with alike."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile


def num_common(one: Sequence[object], other: Sequence[object]) -> int:
    """Return how many characters, or tokens, two texts have in common at their beginning."""
    pairs = zip(one, other, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
