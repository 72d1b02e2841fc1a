"""The networks of `abacus`, and how they are written for transformers and vLLM to load.

The language model is a small Llama, the reward model a Qwen2 body of the same shape with the head of
Qwen2.5-Math-PRM (Zhang et al. 2025, arXiv:2501.07301).
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from ttscale.errors import ConfigError
from ttscale.reference.tokenizer import SPECIAL_TOKENS, save_tokenizer

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from torch.nn import Module
    from transformers import LlamaForCausalLM, Qwen2ForTokenClassification

    Network: TypeAlias = LlamaForCausalLM | Qwen2ForTokenClassification

_Config = TypeVar("_Config")
_Model = TypeVar("_Model", bound="Network")

MAX_LENGTH = 1024
"""The longest sequence the model can read, in tokens."""

LOGIT_DIVISOR = 1.65
"""The exported logits are the trained ones divided by this: temperature 1 then samples as 1.65 would.

The samples of one question differ more that way, which is what voting and verifying live on; greedy decoding
stays the same. It is in the weights, not in the default temperature, so that every engine and client sees the
same model.
"""

PAD_ID, BEGIN_ID, END_ID = (SPECIAL_TOKENS.index(f"<|{name}|>") for name in ("pad", "begin", "end"))

_HEAD_SIZE = 64

_DIVISOR_KEY = "logit_divisor"

_BLOCK_ENDS = ("o_proj.weight", "down_proj.weight")
"""Where the parts of a block add to the residual stream."""

_GENERATION = {
    "do_sample": True,
    "temperature": 1.0,
    "bos_token_id": BEGIN_ID,
    "eos_token_id": END_ID,
    "pad_token_id": PAD_ID,
    "max_new_tokens": 320,
}


@dataclass(frozen=True)
class Architecture:
    """The size of a network.

    Attributes:
        hidden_size: Width of the residual stream, a multiple of 64 (heads are 64 wide).
        num_layers: Number of transformer blocks.
        intermediate_size: Width of the gated feed-forward layers.
    """

    hidden_size: int = 192
    num_layers: int = 6
    intermediate_size: int = 512


ARCHITECTURES: dict[str, Architecture] = {
    "abacus": Architecture(),
    "abacus-s": Architecture(hidden_size=128, num_layers=4, intermediate_size=352),
    "abacus-judge": Architecture(num_layers=8),
}
"""The sizes that are made, by name: 2.8, 0.9 and 3.7 million parameters.

The layers added for judging can look at what a solver of the size of `abacus` would have written, and compare
that with what stands there.
"""


def build_model(architecture: Architecture, *, vocabulary_size: int, seed: int) -> LlamaForCausalLM:
    """Create the untrained language model, the same one for the same seed."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    config = _configure(
        LlamaConfig, architecture, vocabulary_size, head_dim=_HEAD_SIZE, tie_word_embeddings=True
    )
    config.architectures = ["LlamaForCausalLM"]
    return _damped(LlamaForCausalLM(config))


def build_reward_model(
    architecture: Architecture, *, vocabulary_size: int, seed: int
) -> Qwen2ForTokenClassification:
    """Create the untrained process reward model, the same one for the same seed.

    Its head has two layers and two classes, a step that is wrong and one that is right. Its body takes the
    weights of a language model of the same size; what that lacks, the biases of the attention, begins at 0.
    """
    import torch
    from torch import nn
    from transformers import Qwen2Config, Qwen2ForTokenClassification

    torch.manual_seed(seed)
    config = _configure(Qwen2Config, architecture, vocabulary_size, tie_word_embeddings=False)
    config.architectures = ["Qwen2ForProcessRewardModel"]
    model, width = Qwen2ForTokenClassification(config), architecture.hidden_size
    head = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 2))
    model.set_submodule("score", head)
    return _damped(model)


def _configure(
    kind: Callable[..., _Config], architecture: Architecture, vocabulary_size: int, **others: object
) -> _Config:
    """Return the configuration of a network, with what all kinds have in common."""
    heads = architecture.hidden_size // _HEAD_SIZE
    return kind(
        vocab_size=vocabulary_size,
        hidden_size=architecture.hidden_size,
        intermediate_size=architecture.intermediate_size,
        num_hidden_layers=architecture.num_layers,
        num_attention_heads=heads,
        num_key_value_heads=heads,
        max_position_embeddings=MAX_LENGTH,
        initializer_range=0.05,
        bos_token_id=BEGIN_ID,
        eos_token_id=END_ID,
        pad_token_id=PAD_ID,
        **others,
    )


def _damped(model: _Model) -> _Model:
    """Return the network, with less weight on what its blocks add to the residual stream."""
    import torch

    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.endswith(_BLOCK_ENDS):
                weight.mul_(1 / math.sqrt(2 * model.config.num_hidden_layers))
    return model


def head_of(model: Network) -> Module:
    """The layers that turn the last hidden states into logits."""
    return model.get_submodule("lm_head" if model.can_generate() else "score")


def load_weights(model: Network, directory: Path) -> int:
    """Start a network from an exported one; what the exported one lacks keeps its first weights.

    Layers that it lacks do nothing at first.

    Args:
        model: A network of the same size, with a vocabulary that begins with the exported one's. A reward
            model can start from a language model; it lacks the last tokens, then, and the head.
        directory: The exported model; what its logits were divided by stands in its configuration.

    Returns:
        How many tokens it knows, the first ones of the network's vocabulary.

    Raises:
        ConfigError: The sizes differ, or a language model was to start from a reward model.
    """
    import torch
    from safetensors.torch import load_file

    state, weights = model.state_dict(), load_file(directory / "model.safetensors")
    divisor = json.loads((directory / "config.json").read_text(encoding="utf-8")).get(_DIVISOR_KEY, 1.0)
    weights["model.norm.weight"] = weights["model.norm.weight"].float() * divisor
    with torch.no_grad():
        for name, own in state.items():
            if name not in weights and name.endswith(_BLOCK_ENDS):
                own.zero_()
        for name, weight in weights.items():
            if name not in state:
                raise ConfigError(f"{str(directory)!r} is a model of another kind: it has weights {name!r}.")
            own = state[name]
            if weight.shape[1:] != own.shape[1:] or len(weight) > len(own):
                raise ConfigError(f"{str(directory)!r} is of another size: {name} is {tuple(weight.shape)}.")
            own[: len(weight)] = weight
    return len(weights["model.embed_tokens.weight"])


def export(
    model: Network, tokenizer: Tokenizer, directory: Path, *, logit_divisor: float = LOGIT_DIVISOR
) -> None:
    """Write a directory that transformers and vLLM load: weights in bfloat16, configuration and tokenizer.

    Args:
        model: The network; it is left as it is.
        tokenizer: Its tokenizer.
        directory: Replaced whole, except for a model card (`README.md`), which is kept.
        logit_divisor: What to divide the logits of a language model by, by way of the last normalisation;
            above 0. Those of a reward model stay as they are.
    """
    import torch
    from safetensors.torch import save_file

    fresh = directory.with_name(f".{directory.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    weights = dict(model.state_dict())
    configs = {"config": {**model.config.to_diff_dict(), "dtype": "bfloat16"}}
    if model.can_generate():
        weights.pop("lm_head.weight")  # tied to the embedding
        weights["model.norm.weight"] = weights["model.norm.weight"] / logit_divisor
        configs["config"][_DIVISOR_KEY] = logit_divisor
        configs["generation_config"] = _GENERATION
    weights = {name: value.to(torch.bfloat16) for name, value in weights.items()}
    save_file(weights, fresh / "model.safetensors", metadata={"format": "pt"})
    (fresh / "model.safetensors").chmod(0o644)
    for name, content in configs.items():
        (fresh / f"{name}.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    save_tokenizer(tokenizer, fresh, max_length=MAX_LENGTH)
    if (directory / "README.md").exists():
        shutil.copy(directory / "README.md", fresh)
    retired = directory.with_name(f".{directory.name}.old")
    shutil.rmtree(retired, ignore_errors=True)
    if directory.exists():
        directory.rename(retired)
    fresh.rename(directory)
    shutil.rmtree(retired, ignore_errors=True)
