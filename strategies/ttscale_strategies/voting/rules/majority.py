"""The plain majority of the answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Majority:
    """The winner of a vote."""

    key: str
    votes: int
    num_voters: int
    """Samples with an answer; the others do not vote."""

    @property
    def share(self) -> float:
        """The winner's share of the votes, in (0, 1]."""
        return self.votes / self.num_voters


def majority(keys: Sequence[str | None]) -> Majority | None:
    """Return the most frequent key; ties go to the key seen first, ``None`` never votes.

    Wang et al. 2022, arXiv:2203.11171.

    Args:
        keys: answer keys in order of sample index, shape [num_samples].

    Returns:
        The winner, or ``None`` if nobody voted.
    """
    counts = Counter(key for key in keys if key is not None)
    if not counts:
        return None
    # a Counter keeps the order of first sight, and max returns the first of equals
    key = max(counts, key=counts.__getitem__)
    return Majority(key, counts[key], counts.total())


def unanimous(keys: Sequence[str | None]) -> str | None:
    """Return the key that all samples have, ``None`` if they differ, one has no answer, or there are none.

    It is what ModelSwitch (arXiv:2504.00762) answers with before it asks the next model, and what ends
    sampling in ESC (arXiv:2401.10480), window by window.

    Args:
        keys: answer keys, shape [num_samples].
    """
    return keys[0] if len(keys) > 0 and len(set(keys)) == 1 else None
