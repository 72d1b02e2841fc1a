"""Courses: what a network is trained to do, and with which network and vocabulary that begins."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ttscale.errors import ConfigError
from ttscale.reference.heads import HEADS, Head
from ttscale.reference.mixture import Mixture, phrases
from ttscale.reference.network import ARCHITECTURES, LOGIT_DIVISOR, load_weights
from ttscale.reference.problems import training_problems
from ttscale.reference.tokenizer import add_phrases, train_tokenizer

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from ttscale.reference.network import Network


@dataclass(frozen=True)
class Course:
    """What is trained, from what, on what.

    Attributes:
        mixture: The roles and their data.
        size: The name of the network's size, see `ARCHITECTURES`.
        start: An exported model of this size to start from; None: from nothing.
        logit_divisor: What the exported logits of a language model are divided by.
        head: What the network learns to give, see `HEADS`.
        frozen_layers: The first layers, and the embedding, that stay as they are; 0: all learn.

    Raises:
        ConfigError: The head cannot learn from one of the roles.
    """

    mixture: Mixture
    size: str = "abacus"
    start: Path | None = None
    logit_divisor: float = LOGIT_DIVISOR
    head: Head = HEADS["token"]
    frozen_layers: int = 0

    def __post_init__(self) -> None:
        self.head.check_roles(self.mixture.shares)


def first_network(course: Course, tokenizer: Tokenizer) -> Network:
    """Create the network that training starts with."""
    model = course.head.build(
        ARCHITECTURES[course.size],
        vocabulary_size=tokenizer.get_vocab_size(),
        seed=course.mixture.run_seed,
    )
    if course.start is not None:
        known = load_weights(model, course.start)
        _begin_as_line_ends(model, tokenizer, course.head.special_tokens, known=known)
    _freeze(model, course.frozen_layers)
    return model


def _begin_as_line_ends(model: Network, tokenizer: Tokenizer, tokens: Iterable[str], *, known: int) -> None:
    """Give those of the tokens that are new to a network the embedding of the line end, whose place they take.

    Args:
        model: The network.
        tokenizer: Its vocabulary.
        tokens: Names of tokens.
        known: How many tokens the network has learnt before; the others are new.
    """
    import torch

    embedding = model.model.embed_tokens.weight
    [line_end] = tokenizer.encode("\n", add_special_tokens=False).ids
    with torch.no_grad():
        for token in tokens:
            [token_id] = tokenizer.encode(token, add_special_tokens=False).ids
            if token_id >= known:
                embedding[token_id] = embedding[line_end]


def _freeze(model: Network, num_layers: int) -> None:
    """Keep the embedding and the first layers as they are; 0 layers: nothing."""
    kept = ("model.embed_tokens.", *(f"model.layers.{number}." for number in range(num_layers)))
    for name, weight in model.named_parameters():
        weight.requires_grad_(not (num_layers and name.startswith(kept)))


def load_or_make_tokenizer(path: Path, course: Course, num_examples: int) -> Tokenizer:
    """Read the tokenizer of a run; a new run takes that of its first model or learns one, and adds phrases.

    Raises:
        ConfigError: The run has another head.
    """
    from tokenizers import Tokenizer

    if path.exists():
        tokenizer = Tokenizer.from_file(str(path))
        if any(tokenizer.token_to_id(token) is None for token in course.head.special_tokens):
            raise ConfigError(f"{str(path.parent)!r} holds a run of another head; name another directory.")
        return tokenizer
    if course.start is not None:
        tokenizer = Tokenizer.from_file(str(course.start / "tokenizer.json"))
    else:
        tokenizer = train_tokenizer(itertools.islice(training_problems(course.mixture.run_seed), num_examples))
    add_phrases(tokenizer, phrases())
    course.head.prepare(tokenizer)
    tokenizer.save(str(path))
    return tokenizer
