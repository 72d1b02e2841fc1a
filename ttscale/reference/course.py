"""Courses: what a network is trained to do, and with which network and vocabulary that begins."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ttscale.errors import ConfigError
from ttscale.reference.heads import HEADS, Head
from ttscale.reference.mixture import RANK, Mixture, phrases
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
        logit_divisor: What the exported logits of a language model are divided by; None: `LOGIT_DIVISOR`, and
            nothing where it learns to rank.
        head: What the network learns to give, see `HEADS`.

    Raises:
        ConfigError: The head cannot learn from one of the roles, or one is to be taught by itself.
    """

    mixture: Mixture
    size: str = "abacus"
    start: Path | None = None
    logit_divisor: float | None = None
    head: Head = HEADS["token"]

    def __post_init__(self) -> None:
        self.head.check_roles(self.mixture.shares)
        if self.ranks and (len(self.mixture.shares) > 1 or self.start is None):
            raise ConfigError(
                f"The role {RANK!r} is taught by itself, to a model that can solve; name one with --from MODEL."
            )

    @property
    def ranks(self) -> bool:
        """Whether solutions are ranked, in place of tokens or grades learnt."""
        return RANK in self.mixture.shares

    @property
    def divisor(self) -> float:
        """What exported logits are divided by."""
        return self.logit_divisor or (1.0 if self.ranks else LOGIT_DIVISOR)


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
