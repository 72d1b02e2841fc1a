"""The tokenizer of `abacus`: a small byte-level byte-pair vocabulary in which every digit is one token.

Pieces are cut at digits, arithmetic signs, punctuation and line ends, but not between words, so that
reasoning-gym's fixed sentences become a few tokens while the numbers and the worked steps stay digit by digit.
Any text can be encoded, down to single bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from ttscale.reference.problems import Problem

VOCABULARY_SIZE = 1024
"""Number of tokens, the special ones and the 256 bytes included."""

BEGIN, USER, ASSISTANT, END, PAD = "<|begin|>", "<|user|>", "<|assistant|>", "<|end|>", "<|pad|>"
SPECIAL_TOKENS = (PAD, BEGIN, END, USER, ASSISTANT)
"""The special tokens, in the order of their ids from 0."""

CHAT_TEMPLATE = (
    "{{ '<|begin|>' }}"
    "{% for message in messages %}"
    "{% if message['role'] == 'user' %}{{ '<|user|>' + message['content'] | trim }}"
    "{% elif message['role'] == 'assistant' %}{{ '<|assistant|>' + message['content'] | trim + '<|end|>' }}"
    "{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
"""Renders a conversation as the model was trained; system messages, which it never saw, are left out."""

_PIECES = r"\d| ?[-+*/=()] ?|\n|, |[.?] ?"


def train_tokenizer(problems: Iterable[Problem], *, vocabulary_size: int = VOCABULARY_SIZE) -> Tokenizer:
    """Learn the byte-pair vocabulary from training problems.

    Args:
        problems: The problems whose questions and solutions are read; a few thousand are enough.
        vocabulary_size: Number of tokens to end with, at least 261; fewer where the texts give no more pairs.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PIECES), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary_size,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    texts = (text for problem in problems for text in (problem.question, problem.solution))
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def save_tokenizer(tokenizer: Tokenizer, directory: Path, *, max_length: int) -> None:
    """Write `tokenizer.json` and `tokenizer_config.json` as transformers and vLLM read them.

    Args:
        tokenizer: The tokenizer.
        directory: An existing directory.
        max_length: The longest sequence the model can read, in tokens.
    """
    tokenizer.save(str(directory / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": BEGIN,
        "eos_token": END,
        "pad_token": PAD,
        "additional_special_tokens": [USER, ASSISTANT],
        "add_bos_token": False,
        "add_eos_token": False,
        "clean_up_tokenization_spaces": False,
        "model_max_length": max_length,
        "chat_template": CHAT_TEMPLATE,
    }
    (directory / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def encode_problem(tokenizer: Tokenizer, problem: Problem) -> tuple[Sequence[int], int]:
    """Encode a training example exactly as the chat template renders it.

    Returns:
        The token ids, and how many of them belong to the prompt (they carry no loss).
    """
    prompt = encode_text(tokenizer, f"{BEGIN}{USER}{problem.question.strip()}{ASSISTANT}")
    return [*prompt, *encode_text(tokenizer, f"{problem.solution}{END}")], len(prompt)


def encode_text(tokenizer: Tokenizer, text: str) -> list[int]:
    """Encode a text in which special tokens are written out."""
    return list(tokenizer.encode(text, add_special_tokens=False).ids)
