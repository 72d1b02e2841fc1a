"""What a model's configuration says about it, for cost models and sampling defaults."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ttscale.backends.base import ModelProfile

Config = Mapping[str, object]
"""A Hugging Face configuration as plain values: ``config.json`` with its defaults filled in."""

_SHAPE: Final = ("num_hidden_layers", "num_attention_heads", "hidden_size")
_EXPERTS: Final = ("num_local_experts", "num_experts", "n_routed_experts")
_UNGATED: Final = frozenset({"gpt2", "gpt_neox", "gptj", "opt", "bloom", "falcon", "phi", "starcoder2"})


def profile_from_config(
    name: str, config: Config, generation: Config, *, context_length: int, bytes_per_parameter: float
) -> ModelProfile:
    """Return what is known of a decoder-only transformer.

    Args:
        name: the model's name.
        config: its configuration, of the language model where it has several parts.
        generation: its generation settings (``generation_config.json``).
        context_length: most tokens of prompt and answer together.
        bytes_per_parameter: of the type it is run in.
    """
    layers, heads, width = (_whole(config, field) for field in _SHAPE)
    head_dim = _whole(config, "head_dim") or (width // heads if width and heads else None)
    top_p, top_k = _real(generation, "top_p"), _whole(generation, "top_k")
    temperature = _real(generation, "temperature")
    return ModelProfile(
        name=name,
        num_parameters=_num_parameters(config, head_dim),
        num_layers=layers,
        num_heads=heads,
        num_kv_heads=_whole(config, "num_key_value_heads") or heads,
        head_dim=head_dim,
        bytes_per_parameter=bytes_per_parameter,
        context_length=context_length,
        temperature=1.0 if temperature is None else temperature,
        top_p=None if top_p is None or top_p >= 1 else top_p,
        top_k=None if top_k is None or top_k < 1 else top_k,
    )


def _num_parameters(config: Config, head_dim: int | None) -> int | None:
    """Count the parameters at work on each token; exact for Llama and its like, biases left out."""
    layers, heads, width = (_whole(config, field) for field in _SHAPE)
    vocabulary = _whole(config, "vocab_size")
    if not (layers and heads and width and vocabulary and head_dim):
        return None
    kv_heads = _whole(config, "num_key_value_heads") or heads
    attention = 2 * width * head_dim * (heads + kv_heads)
    norms = 2 * width
    embeddings = vocabulary * width  # the input's is looked up, the output's computed: one of the two counts
    return layers * (attention + _feed_forward(config, width) + norms) + embeddings + width


def _feed_forward(config: Config, width: int) -> int:
    """Count one layer's feed-forward parameters, of a mixture's experts only those chosen."""
    inner = _whole(config, "intermediate_size") or 4 * width
    matrices = 2 if config.get("model_type") in _UNGATED else 3
    num_experts = next((n for field in _EXPERTS if (n := _whole(config, field))), None)
    if num_experts is None:
        return matrices * width * inner
    expert = matrices * width * (_whole(config, "moe_intermediate_size") or inner)
    chosen = _whole(config, "num_experts_per_tok") or num_experts
    shared = _whole(config, "n_shared_experts") or 0
    return expert * (chosen + shared) + num_experts * width


def _whole(config: Config, name: str) -> int | None:
    value = config.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _real(config: Config, name: str) -> float | None:
    value = config.get(name)
    return float(value) if isinstance(value, int | float) else None
