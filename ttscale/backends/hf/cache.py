"""The key-value cache of a running batch: one row a sample, each filled from its first column on.

A row's entries stay where they were written while others join, leave and grow, so what the model computes for
a sample does not depend on its neighbours' lengths. The number of columns the model sees is rounded up to whole
blocks, for the same reason: attention kernels add up whole vectors in one order, and a ragged end in another.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor
from transformers import Cache

BLOCK: Final = 32
"""Columns come in multiples of this many."""


def whole_blocks(length: int) -> int:
    """Return the least multiple of `BLOCK` that is not below `length`."""
    return -(-length // BLOCK) * BLOCK


class RowCache(Cache):  # type: ignore[misc]  # transformers is untyped here
    """Keys and values of every layer, each of shape [num_rows, num_columns, num_heads, head_dim].

    The model calls `update` and nothing else; whoever calls the model says with `window` where it writes.
    """

    def __init__(self) -> None:
        # Not the parent's: its list of layers stays empty, `update` does their work.
        self.layers: list[object] = []
        self._tensors: dict[tuple[int, int], Tensor] = {}
        self._num_rows = 0
        self._num_columns = 0
        self._rows = slice(0, 0)
        self._row_index = torch.empty(0)
        self._columns = torch.empty(0)
        self._width = 0

    def reserve(self, num_rows: int, num_columns: int) -> None:
        """Make room for at least so many rows and columns; what is stored stays."""
        if num_rows <= self._num_rows and num_columns <= self._num_columns:
            return
        if num_rows > self._num_rows:
            num_rows = max(num_rows, 2 * self._num_rows)
        if num_columns > self._num_columns:
            num_columns = whole_blocks(max(num_columns, self._num_columns * 3 // 2))
        for key, old in self._tensors.items():
            new = old.new_zeros(max(num_rows, old.shape[0]), max(num_columns, old.shape[1]), *old.shape[2:])
            new[: old.shape[0], : old.shape[1]] = old
            self._tensors[key] = new
        self._num_rows = max(num_rows, self._num_rows)
        self._num_columns = max(num_columns, self._num_columns)

    def window(self, start: int, columns: Tensor, width: int) -> None:
        """Say where the next forward pass writes and how far it reads.

        Args:
            start: the first of its rows, which are adjacent.
            columns: where each of its tokens goes, shape [num_rows, num_tokens].
            width: number of columns it reads, from the first on.
        """
        self._rows = slice(start, start + columns.shape[0])
        self._row_index = torch.arange(columns.shape[0], device=columns.device)[:, None]
        self._columns = columns
        self._width = width

    def update(
        self, key_states: Tensor, value_states: Tensor, layer_idx: int, *args: object, **kwargs: object
    ) -> tuple[Tensor, Tensor]:
        """Store a layer's keys and values, shape [num_rows, num_heads, num_tokens, head_dim]; return all."""
        return self._put(key_states, (layer_idx, 0)), self._put(value_states, (layer_idx, 1))

    def _put(self, states: Tensor, key: tuple[int, int]) -> Tensor:
        if key not in self._tensors:
            shape = (self._num_rows, self._num_columns, states.shape[1], states.shape[3])
            self._tensors[key] = states.new_zeros(shape)
        rows = self._tensors[key][self._rows]
        rows[self._row_index, self._columns] = states.transpose(1, 2)
        return rows[:, : self._width].transpose(1, 2)

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Return how many columns were read before the tokens of this forward pass."""
        return self._width - int(self._columns.shape[-1])

    def copy_rows(self, sources: Sequence[int], targets: Sequence[int], num_columns: int) -> None:
        """Copy the first columns of rows onto other rows; no target is a source."""
        for tensor in self._tensors.values():
            tensor[list(targets), :num_columns] = tensor[list(sources), :num_columns]

    def clear_rows(self, rows: Sequence[int]) -> None:
        """Set rows to zero, whatever they held."""
        for tensor in self._tensors.values():
            tensor[list(rows)] = 0

    def release(self, *, above: int = 0) -> None:
        """Forget everything and give the memory back, if there are more than `above` columns."""
        if self._num_columns > above:
            self._tensors.clear()
            self._num_rows = self._num_columns = 0
