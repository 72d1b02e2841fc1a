"""Kinetics: what generating costs when memory traffic counts as well, in equivalent FLOPs.

Sadhukhan et al. 2025, arXiv:2506.05333. Reading one element of the key-value cache is worth as many FLOPs as
the hardware does meanwhile; weights are read once for a whole batch and are left out on purpose.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from ttscale.backends.base import ModelProfile

FLOPS_PER_ELEMENT: Final = 562.5
"""FLOPs in the time that one element (2 bytes) takes to read, on hardware like NVIDIA's B200; the paper's E."""

Sign = Literal["paper", "exact"]
"""How the tokens read by top-k attention are counted, see `TopKAttention`."""


@dataclass(frozen=True, slots=True)
class TopKAttention:
    """Attention to the k most relevant positions of each step, found at no cost.

    Raises:
        ValueError: the budget is less than 1.
    """

    budget: int
    """B, positions attended to at most, >= 1."""
    sign: Sign = "exact"
    """``"exact"``: Σ min(L + t, B) over the generated tokens t in (0, G], B·G - (B - L)²/2 for L < B <= L + G,
    and dense attention's L·G + G²/2 beyond. ``"paper"``: B·G + (B - L)²/2 for B > L, as the paper's code has
    it, which counts more positions than there are."""

    def __post_init__(self) -> None:
        _require(self.budget, 1, "budget")


@dataclass(frozen=True, slots=True)
class BlockAttention:
    """Attention to the last tokens and the most relevant blocks, which are searched for at every step.

    Counted exactly, like ``sign="exact"`` of `TopKAttention`; the paper's code has that sign too, but lets
    budgets of more than L + G positions count for less and less.

    Raises:
        ValueError: a number is out of its range.
    """

    block: int
    """Tokens of a block, >= 1."""
    num_blocks: int
    """Blocks attended to at most, >= 1."""
    local: int = 0
    """Last tokens always attended to, >= 0."""

    def __post_init__(self) -> None:
        _require(self.block, 1, "block")
        _require(self.num_blocks, 1, "num_blocks")
        _require(self.local, 0, "local")

    @property
    def budget(self) -> int:
        """B = local + block · num_blocks."""
        return self.local + self.block * self.num_blocks


Attention = TopKAttention | BlockAttention


class KineticsCost(NamedTuple):
    """A cost in equivalent teraFLOPs (10¹²)."""

    compute: float
    """Floating-point operations."""
    memory: float
    """What reading the key-value cache is worth in them."""

    @property
    def total(self) -> float:
        """eFLOPs: both together."""
        return self.compute + self.memory


def kinetics_cost(
    profile: ModelProfile,
    *,
    prompt_tokens: int,
    generated_tokens: float,
    num_trials: int = 1,
    attention: Attention | None = None,
    flops_per_element: float = FLOPS_PER_ELEMENT,
) -> KineticsCost | None:
    """Return the cost of so many trials of one prompt.

    arXiv:2506.05333. With P parameters, H heads and H_kv key-value heads, d = head size · layers, L tokens of
    prompt, G generated in each of N trials:

    * dense: compute = [2PG + 2(2L + G)·G·H·d]·N, memory = 2(2L + G·N)·G·H_kv·d·E, where trials share the
      prompt's cache;
    * sparse: 4·kv·H·d in place of attention's share, memory = 4·kv·H_kv·d·N·E, where kv is what
      `TopKAttention` says: nothing is shared;
    * blocks: as sparse, and the search: (2L + G)//block·G·H·d·N compute, (2L + G·N)//block·G·H_kv·d·E memory.

    Computing the prompt itself is not counted.

    Args:
        profile: the model.
        prompt_tokens: L, >= 0.
        generated_tokens: G, >= 0; of 0 the cost is 0.
        num_trials: N, >= 0.
        attention: ``None``: dense.
        flops_per_element: E, of the hardware, >= 0.

    Returns:
        ``None`` where the profile lacks parameters, layers, heads, key-value heads or head size.

    Raises:
        ValueError: a number is out of its range.
    """
    _require(prompt_tokens, 0, "prompt_tokens")
    _require(generated_tokens, 0, "generated_tokens")
    _require(num_trials, 0, "num_trials")
    _require(flops_per_element, 0, "flops_per_element")
    heads, kv_heads = profile.num_heads, profile.num_kv_heads
    if profile.num_parameters is None or profile.num_layers is None or profile.head_dim is None:
        return None
    if heads is None or kv_heads is None:
        return None
    depth = profile.head_dim * profile.num_layers
    context, generated, trials = prompt_tokens, generated_tokens, num_trials
    linear = 2.0 * profile.num_parameters * generated
    if attention is None:
        attended = 2.0 * (2 * context + generated) * generated
        read = 2.0 * (2 * context + generated * trials) * generated
    else:
        attended = 4.0 * _positions_read(attention, context, generated)
        read = attended * trials
    if isinstance(attention, BlockAttention):
        attended += (2 * context + generated) // attention.block * generated
        read += (2 * context + generated * trials) // attention.block * generated
    compute = (linear + attended * heads * depth) * trials
    # without trials not even the prompt's cache is read
    memory = read * kv_heads * depth * flops_per_element if trials else 0.0
    return KineticsCost(compute * 1e-12, memory * 1e-12)


def expected_kinetics_cost(
    profile: ModelProfile,
    *,
    prompt_tokens: int,
    generated_tokens: Sequence[float],
    num_trials: int = 1,
    attention: Attention | None = None,
    flops_per_element: float = FLOPS_PER_ELEMENT,
) -> KineticsCost | None:
    """Return the mean cost over recorded lengths, every trial being as long as one of them (arXiv:2506.05333).

    Args:
        profile: see `kinetics_cost`, as are the others.
        prompt_tokens: L.
        generated_tokens: recorded lengths, shape [num_lengths], at least one.
        num_trials: N.
        attention: ``None``: dense.
        flops_per_element: E.

    Raises:
        ValueError: there are no lengths, or a number is out of its range.
    """
    if len(generated_tokens) == 0:
        raise ValueError("an expected cost needs at least one recorded length")
    costs: list[KineticsCost] = []
    for length in generated_tokens:
        cost = kinetics_cost(
            profile,
            prompt_tokens=prompt_tokens,
            generated_tokens=length,
            num_trials=num_trials,
            attention=attention,
            flops_per_element=flops_per_element,
        )
        if cost is None:
            return None
        costs.append(cost)
    compute, memory = (math.fsum(values) / len(costs) for values in zip(*costs, strict=True))
    return KineticsCost(compute, memory)


def _positions_read(attention: Attention, context: int, generated: float) -> float:
    """Return kv: positions attended to by all generated tokens of one trial together."""
    budget = attention.budget
    beyond = max(0, budget - context)
    if isinstance(attention, TopKAttention) and attention.sign == "paper":
        return budget * generated + 0.5 * beyond**2
    if beyond >= generated:
        return context * generated + 0.5 * generated**2
    return budget * generated - 0.5 * beyond**2


def _require(value: float, least: float, name: str) -> None:
    if not (math.isfinite(value) and value >= least):
        raise ValueError(f"{name} must be >= {least} and finite, got {value!r}")
