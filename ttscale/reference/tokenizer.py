"""The tokenizer of `abacus`: a small byte-level byte-pair vocabulary in which every digit is one token.

Pieces are cut at digits, arithmetic signs, punctuation and line ends, but not between words, so that
reasoning-gym's fixed sentences become a few tokens while the numbers and the worked steps stay digit by digit.
Any text can be encoded, down to single bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from ttscale.reference.conversation import Conversation, Turn
    from ttscale.reference.problems import Problem

NO_TARGET = -1
"""In place of the token to be predicted where there is nothing to learn."""

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
        "unk_token": None,
        "additional_special_tokens": [
            token.content
            for _, token in sorted(tokenizer.get_added_tokens_decoder().items())
            if token.special and token.content not in (BEGIN, END, PAD)
        ],
        "add_bos_token": False,
        "add_eos_token": False,
        "clean_up_tokenization_spaces": False,
        "model_max_length": max_length,
        "chat_template": CHAT_TEMPLATE,
    }
    (directory / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def add_phrases(tokenizer: Tokenizer, phrases: Iterable[str]) -> None:
    """Make each of these texts one token, wherever it occurs; those that are one already stay as they are."""
    from tokenizers import AddedToken

    tokenizer.add_tokens([AddedToken(phrase, normalized=False) for phrase in phrases])


def cut_as_qwen2(tokenizer: Tokenizer) -> None:
    """Cut texts where Qwen2's tokenizer does; the texts of tokens that reach over a cut become added tokens.

    transformers cuts so for every model of that type, whatever its `tokenizer.json` says.
    """
    from transformers import Qwen2Tokenizer

    rules = Qwen2Tokenizer().backend_tokenizer
    tokenizer.normalizer, tokenizer.pre_tokenizer = rules.normalizer, rules.pre_tokenizer
    known = {token.content for token in tokenizer.get_added_tokens_decoder().values()}
    ids = range(tokenizer.get_vocab_size())
    texts = (tokenizer.decode([token_id], skip_special_tokens=False) for token_id in ids)
    cut = [text for text in texts if len(rules.pre_tokenizer.pre_tokenize_str(text)) > 1]
    add_phrases(tokenizer, [text for text in cut if text not in known])


def encode_conversation(tokenizer: Tokenizer, conversation: Conversation) -> tuple[list[int], list[int]]:
    """Encode a conversation exactly as the chat template renders it.

    Returns:
        The token ids, and for each the token to be predicted after it, or `NO_TARGET`; of equal length.

    Raises:
        ValueError: A turn's target has another number of tokens than its text.
    """
    tokens, learnt = encode_text(tokenizer, BEGIN), [NO_TARGET]  # learnt: what to predict *at* each token
    prompted = dict[int, int]()
    goes_on = [*(turn.continues for turn in conversation.turns[1:]), False]
    for turn, is_open in zip(conversation.turns, goes_on, strict=True):
        opening = "" if turn.continues else USER if turn.role == "user" else ASSISTANT
        closing = END if turn.role == "assistant" and not is_open else ""
        head = encode_text(tokenizer, opening)
        body = encode_text(tokenizer, _trimmed(turn.text, turn.continues, is_open) + closing)
        prompted |= _prompted(tokenizer, turn, start=len(tokens) + len(head))
        tokens += head + body
        learnt += [NO_TARGET] * len(head)
        if turn.target is None:
            learnt += [NO_TARGET] * len(body)
            continue
        target = encode_text(tokenizer, _trimmed(turn.target, turn.continues, is_open) + closing)
        if len(target) != len(body):
            raise ValueError(f"The target {turn.target!r} is not as long as the text {turn.text!r}, in tokens.")
        learnt += target
    following = [*learnt[1:], NO_TARGET]
    return tokens, [prompted.get(place, target) for place, target in enumerate(following)]


def _prompted(tokenizer: Tokenizer, turn: Turn, *, start: int) -> dict[int, int]:
    """Return what is to be predicted after which tokens of a user's turn whose text begins at token `start`."""
    if not (turn.grades or turn.copied):
        return {}
    text = turn.text.lstrip()
    encoded, left_out = tokenizer.encode(text, add_special_tokens=False), len(turn.text) - len(text)
    found = dict[int, int]()
    for first, end in turn.copied:
        for number, (begin, stop) in enumerate(encoded.offsets):
            if first - left_out <= begin and stop <= end - left_out:
                found[start + number - 1] = encoded.ids[number]
    for place, said in turn.grades:
        character = place - left_out
        token = next(
            number for number, (begin, stop) in enumerate(encoded.offsets) if begin <= character < stop
        )
        [found[start + token]] = encode_text(tokenizer, said)
    return found


def _trimmed(text: str, continues: bool, is_open: bool) -> str:
    """Leave out white space where a message begins or ends, as the chat template does."""
    text = text if continues else text.lstrip()
    return text if is_open else text.rstrip()


def encode_text(tokenizer: Tokenizer, text: str) -> list[int]:
    """Encode a text in which special tokens are written out."""
    return list(tokenizer.encode(text, add_special_tokens=False).ids)
