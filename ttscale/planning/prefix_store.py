"""A prefix cache without an engine: which tokens of a prompt it would have computed before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence


class PrefixStore:
    """Remembers texts in whole blocks, as engines do; nothing is ever dropped.

    Args:
        block: tokens of a block, >= 1.
    """

    def __init__(self, block: int) -> None:
        """Begin empty."""
        self._block = block
        self._known = set[int]()

    def num_known(self, token_ids: Sequence[int]) -> int:
        """Return how many tokens of a prompt need not be computed; its last one always is."""
        known = 0
        for key, end in self._keys(token_ids):
            if key not in self._known or end >= len(token_ids):
                break
            known = end
        return known

    def add(self, token_ids: Sequence[int]) -> None:
        """Remember a prompt, or a prompt and its answer."""
        self._known.update(key for key, _ in self._keys(token_ids))

    def _keys(self, token_ids: Sequence[int]) -> Iterator[tuple[int, int]]:
        """Yield a hash of each beginning that ends with a block, and its length."""
        key, size = 0, self._block
        for start in range(0, len(token_ids) - size + 1, size):
            key = hash((key, tuple(token_ids[start : start + size])))
            yield key, start + size
