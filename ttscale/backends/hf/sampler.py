"""Drawing tokens from logits, every row with its own settings and its own random stream.

The random number of a token depends on nothing but its sample's seed and its position in the sample, so that a
sample comes out the same whatever else is in the batch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ttscale.backends.hf.sample import Token
from ttscale.types import Sampling

Words = npt.NDArray[np.uint64]

_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)
_WIDTHS: Final = (64, 1024)  # numbers of candidates that filtered rows are sorted down to
_GREEDY_BELOW: Final = 1e-5  # temperature; dividing by less would overflow


def mix(words: Words) -> Words:
    """Return SplitMix64's finaliser of each word (Steele, Lea and Flood 2014, doi:10.1145/2660193.2660195)."""
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))


def uniforms(keys: Words, positions: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Return one number in [0, 1) for each row.

    Args:
        keys: each row's key, ``mix`` of its seed; shape [num_rows].
        positions: which number of the row's stream, from 0; shape [num_rows].
    """
    words = mix(keys + (positions.astype(np.uint64) + np.uint64(1)) * _GOLDEN)
    return (words >> np.uint64(11)).astype(np.float64) * 2.0**-53


@dataclass(frozen=True, slots=True)
class _Group:
    """Rows that are drawn in the same way."""

    rows: Tensor
    temperature: Tensor
    top_k: Tensor
    top_p: Tensor


class Sampler:
    """Draws a token for every row of a batch.

    Args:
        samplings: how each row is drawn, ``None`` meaning off.
        seeds: each row's seed.
        device: where the logits are.
    """

    def __init__(self, samplings: Sequence[Sampling], seeds: Sequence[int], device: torch.device) -> None:
        self._samplings = samplings
        self._keys = mix(np.array(seeds, dtype=np.uint64))
        self._device = device
        self._groups = {
            kind: self._group([row for row, sampling in enumerate(samplings) if _kind(sampling) == kind])
            for kind in sorted({_kind(sampling) for sampling in samplings})
        }
        self._asked = [row for row, sampling in enumerate(samplings) if sampling.logprobs is not None]
        self._num_top = max((sampling.logprobs or 0 for sampling in samplings), default=0)

    def _group(self, rows: list[int]) -> _Group:
        def column(values: Sequence[float], dtype: torch.dtype) -> Tensor:
            return torch.tensor(values, dtype=dtype, device=self._device)[:, None]

        chosen = [self._samplings[row] for row in rows]
        return _Group(
            rows=torch.tensor(rows, device=self._device),
            temperature=column([_temperature(sampling) for sampling in chosen], torch.float32),
            top_k=column([sampling.top_k or 0 for sampling in chosen], torch.int64),
            top_p=column([sampling.top_p or 1.0 for sampling in chosen], torch.float64),
        )

    def draw(self, logits: Tensor, positions: Sequence[int]) -> list[Token | None]:
        """Draw the next token of each row.

        Args:
            logits: shape [num_rows, vocabulary_size], float32.
            positions: how many tokens each row has drawn before.

        Returns:
            A token a row, or ``None`` where the logits are not finite numbers.
        """
        randoms = torch.from_numpy(uniforms(self._keys, np.array(positions, dtype=np.int64))).to(self._device)
        chosen = torch.empty(len(positions), dtype=torch.int64, device=self._device)
        for kind, group in self._groups.items():
            whole = len(group.rows) == len(positions)
            part = logits if whole else logits[group.rows]
            random = randoms if whole else randoms[group.rows]
            chosen[group.rows] = _draw(kind, part, group, random[:, None])
        total = logits.logsumexp(-1)
        sound = total.isfinite().tolist()
        token_ids: list[int] = chosen.tolist()
        extras = self._logprobs(logits, total, chosen) if self._asked else {}
        return [
            extras.get(row, Token(token_id=token_id)) if sound[row] else None
            for row, token_id in enumerate(token_ids)
        ]

    def _logprobs(self, logits: Tensor, total: Tensor, chosen: Tensor) -> Mapping[int, Token]:
        """Return the tokens of the rows that want log-probabilities: of the raw logits, before temperature."""
        rows = torch.tensor(self._asked, device=self._device)
        logprobs = logits[rows] - total[rows, None]
        token_ids = chosen[rows]
        own: list[float] = logprobs.gather(1, token_ids[:, None])[:, 0].tolist()
        values, ids = logprobs.topk(min(self._num_top, logprobs.shape[1]), dim=-1)
        tops: list[list[tuple[int, float]]] = [
            list(zip(row_ids, row_values, strict=True))
            for row_ids, row_values in zip(ids.tolist(), values.tolist(), strict=True)
        ]
        return {
            row: Token(
                token_id=token_id,
                logprob=logprob,
                top_logprobs=dict(top[:num_top]) if (num_top := self._samplings[row].logprobs) else None,
            )
            for row, token_id, logprob, top in zip(self._asked, token_ids.tolist(), own, tops, strict=True)
        }


def _temperature(sampling: Sampling) -> float:
    return 1.0 if sampling.temperature is None else sampling.temperature


def _kind(sampling: Sampling) -> int:
    """Return how a row is drawn: 0 greedily, -1 from the whole vocabulary, else from that many candidates.

    It depends on the row's own settings alone: another way of drawing would give another token.
    """
    if _temperature(sampling) < _GREEDY_BELOW:
        return 0
    if sampling.top_k is None and (sampling.top_p is None or sampling.top_p == 1):
        return -1
    narrow, wide = _WIDTHS
    return narrow if sampling.top_k is not None and sampling.top_k <= narrow else wide


def _draw(kind: int, logits: Tensor, group: _Group, random: Tensor) -> Tensor:
    """Return a token id for each row of a group; `random` has shape [num_rows, 1]."""
    if kind == 0:
        return logits.argmax(-1)
    scaled = logits / group.temperature
    if kind < 0:
        return _invert(scaled.softmax(-1), random)[:, 0]
    candidates, ids = scaled.topk(min(kind, scaled.shape[1]), dim=-1)
    probabilities, enough = _filtered(candidates, scaled, group)
    token_ids = ids.gather(1, _invert(probabilities, random))
    short = ~enough[:, 0]
    if kind < scaled.shape[1] and short.any():
        rows = scaled[short]
        candidates, ids = rows.sort(dim=-1, descending=True, stable=True)
        rest = _Group(group.rows[short], group.temperature[short], group.top_k[short], group.top_p[short])
        probabilities, _ = _filtered(candidates, rows, rest)
        token_ids[short] = ids.gather(1, _invert(probabilities, random[short]))
    return token_ids[:, 0]


def _filtered(candidates: Tensor, scaled: Tensor, group: _Group) -> tuple[Tensor, Tensor]:
    """Cut sorted candidates down to the `top_k` most likely, then to the nucleus that holds `top_p` of these.

    Args:
        candidates: the largest of `scaled`, sorted, shape [num_rows, num_candidates].
        scaled: all logits over temperature, shape [num_rows, vocabulary_size].
        group: the rows' settings.

    Returns:
        Unnormalised probabilities of the candidates, and for each row whether no further candidates are needed,
        shape [num_rows, 1] (Holtzman et al. 2020, arXiv:1904.09751).
    """
    rank = torch.arange(candidates.shape[1], device=candidates.device)
    limited = group.top_k > 0
    kept = candidates.masked_fill(limited & (rank >= group.top_k), -torch.inf)
    total = torch.where(limited, kept.logsumexp(-1, keepdim=True), scaled.logsumexp(-1, keepdim=True))
    probabilities = (kept - total).exp().double()
    before = probabilities.cumsum(-1) - probabilities
    enough = torch.where(
        limited, group.top_k <= candidates.shape[1], probabilities.sum(-1, keepdim=True) >= group.top_p
    )
    return probabilities.masked_fill((before >= group.top_p) & (rank > 0), 0.0), enough


def _invert(probabilities: Tensor, random: Tensor) -> Tensor:
    """Return where the cumulated probabilities pass `random` of their sum, shape [num_rows, 1]."""
    cumulated = probabilities.cumsum(-1, dtype=torch.float64)
    total = cumulated[:, -1:]
    target = torch.minimum(random * total, torch.nextafter(total, torch.zeros_like(total)))
    return torch.searchsorted(cumulated, target, right=True).clamp_(max=probabilities.shape[1] - 1)
