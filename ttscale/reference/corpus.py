"""The training corpus of `abacus` on disk: encoded conversations in shards, written by a second process."""

from __future__ import annotations

import itertools
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ttscale.reference.mixture import Mixture
from ttscale.reference.problems import held_out_keys

if TYPE_CHECKING:
    from collections.abc import Collection

    from tokenizers import Tokenizer

    from ttscale.reference.conversation import Conversation

    Encode = Callable[[Tokenizer, Conversation], tuple[list[int], list[int]] | None]

SHARD_EXAMPLES = 2048
"""Number of examples in a shard."""

_POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Example:
    """An encoded conversation.

    Attributes:
        tokens: The token ids.
        targets: What is to be learnt at each: the token that follows or the class of the step that ends
            there, as the head has it; or `NO_TARGET`. As many as tokens.
    """

    tokens: Sequence[int]
    targets: Sequence[int]


@dataclass
class Tally:
    """What became of the conversations that were drawn.

    Attributes:
        kept: Conversations written to the corpus.
        dropped: Conversations left out because they are about evaluation problems.
        unfit: Conversations left out because they teach nothing that the head could learn.
    """

    kept: int = 0
    dropped: int = 0
    unfit: int = 0


def without_held_out(
    conversations: Iterator[Conversation], keys: Collection[str], tally: Tally
) -> Iterator[Conversation]:
    """Pass on the conversations that are not about evaluation problems, counting the others in `tally`."""
    for conversation in conversations:
        if conversation.key in keys:
            tally.dropped += 1
        else:
            yield conversation


def encoded(
    conversations: Iterator[Conversation], tokenizer: Tokenizer, encode: Encode, tally: Tally
) -> Iterator[Example]:
    """Turn into examples the conversations that can be, counting both kinds in `tally`."""
    for conversation in conversations:
        pair = encode(tokenizer, conversation)
        if pair is None:
            tally.unfit += 1
        else:
            tally.kept += 1
            yield Example(*pair)


def write_corpus(
    directory: Path, tokenizer_file: Path, mixture: Mixture, encode: Encode, *, num_examples: int
) -> None:
    """Write the shards that are not there yet, at low priority (the target of the producing process).

    Args:
        directory: Where the shards and `summary.json` go; created if need be.
        tokenizer_file: The saved tokenizer.
        mixture: What the conversations are drawn from.
        encode: Gives the tokens of a conversation and what is to be learnt at each, or None if it teaches
            nothing; a function of a module, since it goes to another process.
        num_examples: Number of examples to write, rounded up to whole shards.
    """
    from tokenizers import Tokenizer

    os.nice(10)
    directory.mkdir(parents=True, exist_ok=True)
    tokenizer, tally = Tokenizer.from_file(str(tokenizer_file)), Tally()
    conversations = without_held_out(mixture.conversations(), held_out_keys(), tally)
    examples = encoded(conversations, tokenizer, encode, tally)
    for number in range(-(-num_examples // SHARD_EXAMPLES)):
        batch = list(itertools.islice(examples, SHARD_EXAMPLES))
        if not shard_path(directory, number).exists():
            save_shard(shard_path(directory, number), batch)
        summary = {
            "kept": tally.kept,
            "dropped_as_evaluation_problems": tally.dropped,
            "dropped_as_unfit": tally.unfit,
        }
        (directory / "summary.json").write_text(json.dumps(summary) + "\n", encoding="utf-8")


def shard_path(directory: Path, number: int) -> Path:
    """The file of shard `number`, counted from 0."""
    return directory / f"shard-{number:05d}.npz"


def wait_for_shard(directory: Path, number: int, *, writer_alive: bool) -> list[Example]:
    """Read a shard; one that is not written yet is replaced by an earlier one, in turn.

    Only where there is no shard at all is the first one waited for, as long as the producing process lives.

    Raises:
        FileNotFoundError: If there is no shard at all and none will come.
    """
    path = shard_path(directory, number)
    while not path.exists():
        available = len(list(directory.glob("shard-*.npz")))
        if available:
            return load_shard(shard_path(directory, number % available))
        if not writer_alive:
            raise FileNotFoundError(f"There is no training data in {str(directory)!r}; start training afresh.")
        time.sleep(_POLL_SECONDS)
    return load_shard(path)


def load_shard(path: Path) -> list[Example]:
    """Read the examples of one shard."""
    import numpy as np

    with np.load(path) as arrays:
        tokens, targets, lengths = (arrays[name].tolist() for name in ("tokens", "targets", "lengths"))
    ends = itertools.accumulate(lengths)
    return [
        Example(tokens[end - length : end], targets[end - length : end])
        for end, length in zip(ends, lengths, strict=True)
    ]


def save_shard(path: Path, examples: Sequence[Example]) -> None:
    """Write one shard, whole or not at all."""
    import numpy as np

    temporary = path.with_suffix(".tmp.npz")
    np.savez(
        temporary,
        tokens=np.fromiter(itertools.chain.from_iterable(e.tokens for e in examples), dtype=np.int16),
        targets=np.fromiter(itertools.chain.from_iterable(e.targets for e in examples), dtype=np.int16),
        lengths=np.array([len(e.tokens) for e in examples], dtype=np.uint16),
    )
    temporary.rename(path)
