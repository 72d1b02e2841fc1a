"""Tiny random reward models of every kind, written to disk as those on the hub are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final, Literal

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from torch import nn
from transformers import (
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForSequenceClassification,
    Qwen2ForTokenClassification,
    Qwen2Model,
)

Kind = Literal["process", "reward", "steps", "whole"]

STEP: Final = "<step>"
CONTEXT: Final = 512
_SPECIAL: Final = ("<pad>", "<end>", "<user>", "<assistant>", STEP)
_CHAT_TEMPLATE: Final = (
    "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}"
    "{% if not loop.last or not continue_final_message %}<end>{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


def save_reward_model(directory: Path, kind: Kind, *, num_labels: int | None = None) -> Path:
    """Write a model whose vocabulary is the bytes.

    Args:
        directory: where to.
        kind: ``"process"`` and ``"reward"`` as Qwen2.5-Math-PRM and -RM are; ``"steps"`` a classifier of
            tokens, ``"whole"`` of texts.
        num_labels: of a classifier; by default 2 of tokens, 1 of texts.
    """
    _save_tokenizer(directory)
    torch.manual_seed(3)
    labels = num_labels or {"process": 2, "reward": 1, "steps": 2, "whole": 1}[kind]
    config = Qwen2Config(
        vocab_size=288,
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=2,  # of size 32, the smallest that vLLM takes on a CPU
        num_key_value_heads=1,
        max_position_embeddings=CONTEXT,
        initializer_range=0.3,
        pad_token_id=0,
        eos_token_id=1,
    )
    config.num_labels = labels
    if kind in ("process", "reward"):
        _save_two_layers(directory, config, kind, labels)
    else:
        make = Qwen2ForTokenClassification if kind == "steps" else Qwen2ForSequenceClassification
        make(config).save_pretrained(directory)
    return directory


def _save_two_layers(directory: Path, config: Qwen2Config, kind: Kind, num_labels: int) -> None:
    """Write body and head under the names that Qwen2.5-Math-PRM has them under."""
    width = config.hidden_size
    head = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, num_labels))
    weights = {f"model.{name}": value for name, value in Qwen2Model(config).state_dict().items()}
    # Rewards far from each other, so that mistakes show.
    weights |= {f"score.{name}": 4 * value for name, value in head.state_dict().items()}
    save_file({name: value.contiguous() for name, value in weights.items()}, directory / "model.safetensors")
    name = "Qwen2ForProcessRewardModel" if kind == "process" else "Qwen2ForRewardModel"
    document = {**config.to_dict(), "architectures": [name], "dtype": "float32"}
    (directory / "config.json").write_text(json.dumps(document))


def _save_tokenizer(directory: Path) -> None:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: index for index, token in enumerate((*_SPECIAL, *alphabet))}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.add_special_tokens(list(_SPECIAL))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="<end>",
        chat_template=_CHAT_TEMPLATE,
        clean_up_tokenization_spaces=False,
    ).save_pretrained(directory)
