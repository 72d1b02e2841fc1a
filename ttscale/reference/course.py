"""Courses: what a network is trained to do, and with which network and vocabulary that begins."""

from __future__ import annotations

import itertools
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

    Raises:
        ConfigError: The head cannot learn from one of the roles.
    """

    mixture: Mixture
    size: str = "abacus"
    start: Path | None = None
    logit_divisor: float = LOGIT_DIVISOR
    head: Head = HEADS["token"]

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
        load_weights(model, course.start)
    return model


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
