"""The network of `abacus`: a small Llama, and how it is written for transformers and vLLM to load."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ttscale.reference.tokenizer import SPECIAL_TOKENS, save_tokenizer

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import LlamaForCausalLM

MAX_LENGTH = 1024
"""The longest sequence the model can read, in tokens."""

LOGIT_DIVISOR = 1.65
"""The exported logits are the trained ones divided by this: temperature 1 then samples as 1.65 would.

The samples of one question differ more that way, which is what voting and verifying live on; greedy decoding
stays the same. It is in the weights, not in the default temperature, so that every engine and client sees the
same model.
"""

PAD_ID, BEGIN_ID, END_ID = (SPECIAL_TOKENS.index(f"<|{name}|>") for name in ("pad", "begin", "end"))


@dataclass(frozen=True)
class Architecture:
    """The size of the Llama network.

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
}
"""The sizes that are made, by name: 2.8 and 0.9 million parameters."""


def build_model(architecture: Architecture, *, vocabulary_size: int, seed: int) -> LlamaForCausalLM:
    """Create the untrained network, the same one for the same seed."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    heads = architecture.hidden_size // 64
    config = LlamaConfig(
        vocab_size=vocabulary_size,
        hidden_size=architecture.hidden_size,
        intermediate_size=architecture.intermediate_size,
        num_hidden_layers=architecture.num_layers,
        num_attention_heads=heads,
        num_key_value_heads=heads,
        head_dim=64,
        max_position_embeddings=MAX_LENGTH,
        initializer_range=0.05,
        tie_word_embeddings=True,
        bos_token_id=BEGIN_ID,
        eos_token_id=END_ID,
        pad_token_id=PAD_ID,
    )
    model = LlamaForCausalLM(config)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.endswith(("o_proj.weight", "down_proj.weight")):
                weight.mul_(1 / math.sqrt(2 * architecture.num_layers))
    return model


def load_weights(model: LlamaForCausalLM, directory: Path, *, logit_divisor: float = LOGIT_DIVISOR) -> None:
    """Start a network from an exported one; tokens that the exported one lacks keep their first weights.

    Args:
        model: A network of the same size, with a vocabulary that begins with the exported one's.
        directory: The exported model.
        logit_divisor: What its logits were divided by when it was exported.

    Raises:
        ValueError: The sizes differ.
    """
    import torch
    from safetensors.torch import load_file

    state = model.state_dict()
    with torch.no_grad():
        for name, weight in load_file(directory / "model.safetensors").items():
            own = state[name]
            if weight.shape[1:] != own.shape[1:] or len(weight) > len(own):
                raise ValueError(f"{str(directory)!r} is of another size: {name} is {tuple(weight.shape)}.")
            own[: len(weight)] = weight.float() * (logit_divisor if name == "model.norm.weight" else 1.0)


def export(
    model: LlamaForCausalLM, tokenizer: Tokenizer, directory: Path, *, logit_divisor: float = LOGIT_DIVISOR
) -> None:
    """Write a directory that transformers and vLLM load: weights in bfloat16, configuration and tokenizer.

    Args:
        model: The network; it is left as it is.
        tokenizer: Its tokenizer.
        directory: Replaced whole, except for a model card (`README.md`), which is kept.
        logit_divisor: What to divide the logits by, by way of the last normalisation; above 0.
    """
    import torch
    from safetensors.torch import save_file

    fresh = directory.with_name(f".{directory.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    weights = dict(model.state_dict())
    weights.pop("lm_head.weight")  # tied to the embedding
    weights["model.norm.weight"] = weights["model.norm.weight"] / logit_divisor
    weights = {name: value.to(torch.bfloat16) for name, value in weights.items()}
    save_file(weights, fresh / "model.safetensors", metadata={"format": "pt"})
    (fresh / "model.safetensors").chmod(0o644)
    config = {**model.config.to_diff_dict(), "architectures": ["LlamaForCausalLM"], "dtype": "bfloat16"}
    generation = {
        "do_sample": True,
        "temperature": 1.0,
        "bos_token_id": BEGIN_ID,
        "eos_token_id": END_ID,
        "pad_token_id": PAD_ID,
        "max_new_tokens": 320,
    }
    for name, content in (("config", config), ("generation_config", generation)):
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
