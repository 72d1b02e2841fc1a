"""Who of several branches is waited for, by the tokens they have and not by the clock."""

from __future__ import annotations

import bisect


class Finish:
    """A join that waits for the first `quorum` branches, counted in tokens; the others are cut to their length.

    Branches that decode side by side at one pace end in the order of their lengths. With l₁ ≤ l₂ ≤ … the
    lengths of those that end by themselves, every branch is cut at l_q: whoever ended later is no longer than
    that, whatever the clock said. First finish is a quorum of one (ParaThinker, arXiv:2509.04475).
    """

    def __init__(self, quorum: int | None) -> None:
        """Begin with all under way.

        Args:
            quorum: branches that are waited for, >= 1; ``None``: all, and nothing is ever cut.
        """
        self._quorum = quorum
        self._lengths = list[int]()

    @property
    def is_race(self) -> bool:
        """Whether branches can be cut at all."""
        return self._quorum is not None

    @property
    def cap(self) -> int | None:
        """The most tokens that a branch may have by what is known now; ``None``: any number."""
        if self._quorum is None or len(self._lengths) < self._quorum:
            return None
        return self._lengths[self._quorum - 1]

    def end(self, num_tokens: int) -> None:
        """Note that a branch has ended by itself, with so many tokens."""
        bisect.insort(self._lengths, num_tokens)
