"""The model as a batch of rows: join with a prompt, advance by a token, leave; at any time, in any order.

A prompt's tokens but the last are run when it joins; the last one is the row's first decoding step. Prompts run
in batches of the same number of blocks, never padded to a longer neighbour, and decoding never runs fewer rows
than matrix kernels treat alike, so that in float32 on a CPU a row's numbers do not depend on the other rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import torch
import torch.nn.functional as functional
from torch import Tensor, nn
from transformers import DynamicCache

from ttscale.backends.hf.cache import RowCache, whole_blocks

ATTENTION: Final = "ttscale_grouped"
"""Name under which `grouped_attention` is known to transformers."""

_MIN_ROWS: Final = 4  # with fewer, matrix products are summed up in another order
_READ_POSITIONS: Final = 256
"""Positions of given texts whose logits are held at once, times texts."""
_KEPT_COLUMNS: Final = 1024  # a larger cache is given back whenever the batch is empty

Prompt = tuple[int, ...]


def grouped_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor,
    dropout: float = 0.0,
    scaling: float | None = None,
    **kwargs: object,
) -> tuple[Tensor, None]:
    """Attend without copying keys and values for every query head that shares them.

    The heads of a group become more queries of their common key head.

    Args:
        module: the attention layer; not used.
        query: shape [num_rows, num_heads, num_tokens, head_dim].
        key: shape [num_rows, num_kv_heads, num_columns, head_dim].
        value: shape [num_rows, num_kv_heads, num_columns, value_dim].
        attention_mask: added to the scores, shape [num_rows, 1, num_tokens, num_columns].
        dropout: not used, this is inference.
        scaling: factor of the scores; 1/√head_dim if ``None``.
        **kwargs: what other implementations use.

    Returns:
        The values attended to, shape [num_rows, num_tokens, num_heads, value_dim], and no weights.
    """
    num_rows, num_heads, num_tokens, head_dim = query.shape
    group = num_heads // key.shape[1]
    if group > 1:
        query = query.reshape(num_rows, key.shape[1], group * num_tokens, head_dim)
        if num_tokens > 1:  # a single row of the mask serves all queries as it is
            attention_mask = attention_mask.repeat(1, 1, group, 1)
    attended = functional.scaled_dot_product_attention(
        query, key, value, attn_mask=attention_mask, scale=scaling
    )
    return attended.reshape(num_rows, num_heads, num_tokens, -1).transpose(1, 2).contiguous(), None


def prompt_batches(prompts: Sequence[Prompt], max_tokens: int) -> list[list[int]]:
    """Split prompts into batches that are run together: of equal number of blocks, equal prompts counted once.

    Args:
        prompts: token ids.
        max_tokens: most tokens a batch runs, filled-up blocks included; a longer prompt runs alone.

    Returns:
        Indices of the prompts of each batch, equal prompts always in the same one.
    """
    by_size: dict[int, dict[Prompt, list[int]]] = {}
    for index, prompt in enumerate(prompts):
        by_size.setdefault(whole_blocks(len(prompt) - 1), {}).setdefault(prompt, []).append(index)
    batches = list[list[int]]()
    for size, same in by_size.items():
        groups = list(same.values())
        step = max(1, max_tokens // max(1, size))
        batches += [
            [index for group in groups[start : start + step] for index in group]
            for start in range(0, len(groups), step)
        ]
    return batches


class ModelRunner:
    """Runs a causal language model on a changing batch.

    Args:
        model: a transformers model in evaluation mode; its forward takes a four-dimensional mask.
        windows: for each kind of attention layer, how many columns back it sees, ``None`` for all.
        context_length: most tokens of a row.
    """

    def __init__(self, model: nn.Module, windows: Mapping[str, int | None], context_length: int) -> None:
        self._model = model
        self._windows = windows
        self._context_length = context_length
        parameter = next(model.parameters())
        self.device: torch.device = parameter.device
        self._dtype: torch.dtype = parameter.dtype
        self._cache = RowCache()
        self._prompts: list[Prompt] = []
        self._lengths: list[int] = []

    @property
    def num_rows(self) -> int:
        """Number of rows in the batch."""
        return len(self._lengths)

    def join(self, prompts: Sequence[Prompt]) -> list[tuple[int, int]]:
        """Add a row for each prompt, at the end, in an order of its own.

        A prompt is computed once: equal ones, and one that a row of the batch began with, are copied.

        Args:
            prompts: at least one, all of the same number of blocks (see `prompt_batches`).

        Returns:
            For each new row, the index of its prompt and how many of the prompt's tokens were computed for it:
            all or none.
        """
        first = self.num_rows
        known = {prompt: row for row, prompt in enumerate(self._prompts)}
        leaders, followers, sources = list[int](), list[int](), list[int]()
        for index, prompt in enumerate(prompts):
            if prompt in known:
                followers.append(index)
                sources.append(known[prompt])
            else:
                known[prompt] = first + len(leaders)
                leaders.append(index)
        size = whole_blocks(max(len(prompt) for prompt in prompts) - 1)
        self._cache.reserve(max(first + len(prompts), _MIN_ROWS), size + 1)
        if size and leaders:
            self._prefill(first, [prompts[index] for index in leaders], size)
        if size and followers:
            self._cache.copy_rows(sources, range(first + len(leaders), first + len(prompts)), size)
        order = leaders + followers
        self._prompts += [prompts[index] for index in order]
        self._lengths += [len(prompts[index]) - 1 for index in order]
        return [
            (index, len(prompts[index]) if place < len(leaders) else 0) for place, index in enumerate(order)
        ]

    def _prefill(self, first: int, prompts: Sequence[Prompt], size: int) -> None:
        padded = [prompt[:-1] + (0,) * (size + 1 - len(prompt)) for prompt in prompts]
        columns = torch.arange(size, device=self.device).expand(len(prompts), size)
        self._forward(first, torch.tensor(padded, device=self.device), columns, size)

    def decode(self, token_ids: Sequence[int]) -> Tensor:
        """Run one token of each row.

        Args:
            token_ids: each row's next token: its prompt's last one at first, then what was drawn.

        Returns:
            Logits of the tokens that follow, shape [num_rows, vocabulary_size], float32.
        """
        idle = [0] * max(0, _MIN_ROWS - self.num_rows)
        width = whole_blocks(max(self._lengths) + 1)
        self._cache.reserve(max(self.num_rows, _MIN_ROWS), width)
        tokens = torch.tensor([*token_ids, *idle], device=self.device)[:, None]
        columns = torch.tensor(self._lengths + idle, device=self.device)[:, None]
        logits = self._forward(0, tokens, columns, width)
        self._lengths = [length + 1 for length in self._lengths]
        return logits[: self.num_rows, -1].float()

    def logprobs(self, texts: Sequence[Prompt]) -> list[tuple[float, ...]]:
        """Return the log-probability of each token but the first of given texts, in nats.

        The batch is left alone. Texts are filled up at their ends, which no token before can see; the last
        digits may depend on which texts are read together.

        Args:
            texts: at least one, none longer than the context.
        """
        width, cache = max(map(len, texts)), DynamicCache()
        tokens = torch.tensor([text + (0,) * (width - len(text)) for text in texts], device=self.device)
        columns = torch.arange(width, device=self.device).expand(len(texts), width)
        found = list[Tensor]()
        for start in range(0, width - 1, _READ_POSITIONS):  # logits of a whole text may not fit in memory
            end = min(start + _READ_POSITIONS, width - 1)
            logits: Tensor = self._model(
                input_ids=tokens[:, start:end],
                attention_mask=self._masks(columns[:, start:end], end),
                position_ids=columns[:, start:end],
                past_key_values=cache,
                use_cache=True,
            ).logits
            following = tokens[:, start + 1 : end + 1, None]
            found.append(logits.float().log_softmax(dim=-1).gather(-1, following)[..., 0])
        chosen: list[list[float]] = torch.cat(found, dim=1).tolist() if found else [[] for _ in texts]
        return [tuple(row[: len(text) - 1]) for row, text in zip(chosen, texts, strict=True)]

    def _forward(self, first: int, tokens: Tensor, columns: Tensor, width: int) -> Tensor:
        self._cache.window(first, columns, width)
        output = self._model(
            input_ids=tokens,
            attention_mask=self._masks(columns, width),
            position_ids=columns.clamp(max=self._context_length - 1),
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=1,
        )
        logits: Tensor = output.logits
        return logits

    def _masks(self, columns: Tensor, width: int) -> Tensor | dict[str, Tensor]:
        """Return what each token sees, for each kind of layer; shape [num_rows, 1, num_tokens, width]."""
        seen = torch.arange(width, device=self.device)
        own = columns[:, None, :, None]
        masks = dict[str, Tensor]()
        for kind, window in self._windows.items():
            visible = seen <= own if window is None else (seen <= own) & (seen > own - window)
            mask = torch.full(
                visible.shape, torch.finfo(self._dtype).min, dtype=self._dtype, device=self.device
            )
            masks[kind] = mask.masked_fill_(visible, 0.0)
        return next(iter(masks.values())) if len(masks) == 1 else masks

    def keep(self, rows: Sequence[int], *, poisoned: Sequence[int] = ()) -> list[int]:
        """Let all rows leave but these.

        Args:
            rows: in ascending order.
            poisoned: rows that hold something other than finite numbers.

        Returns:
            The rows that stay, in their new order: the last ones fill the gaps.
        """
        if poisoned:
            self._cache.clear_rows(poisoned)
        staying = set(rows)
        gaps = [row for row in range(len(rows)) if row not in staying]
        movers = [row for row in rows if row >= len(rows)]
        if gaps:
            self._cache.copy_rows(movers, gaps, max(self._lengths[row] for row in movers))
        moved = dict(zip(gaps, movers, strict=True))
        order = [moved.get(row, row) for row in range(len(rows))]
        self._prompts = [self._prompts[row] for row in order]
        self._lengths = [self._lengths[row] for row in order]
        if not order:
            self._cache.release(above=_KEPT_COLUMNS)
        return order

    def reset(self) -> None:
        """Let all rows leave and give their memory back."""
        self._prompts, self._lengths = [], []
        self._cache.release()
