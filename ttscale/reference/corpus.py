"""The training corpus of `abacus` on disk: encoded problems in shards, written by a process of their own."""

from __future__ import annotations

import itertools
import json
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ttscale.reference.problems import held_out_keys, training_problems
from ttscale.reference.tokenizer import encode_problem

if TYPE_CHECKING:
    from collections.abc import Collection

    from ttscale.reference.problems import Problem

SHARD_EXAMPLES = 2048
"""Number of examples in a shard."""

_POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Example:
    """An encoded problem.

    Attributes:
        tokens: The ids of the prompt and of the solution.
        num_prompt: How many of them belong to the prompt.
    """

    tokens: Sequence[int]
    num_prompt: int


@dataclass
class Tally:
    """What became of the problems that were drawn.

    Attributes:
        kept: Problems written to the corpus.
        dropped: Problems left out because they are evaluation problems.
    """

    kept: int = 0
    dropped: int = 0


def without_held_out(problems: Iterator[Problem], keys: Collection[str], tally: Tally) -> Iterator[Problem]:
    """Pass on the problems that are no evaluation problems, counting both kinds in `tally`."""
    for problem in problems:
        if problem.key in keys:
            tally.dropped += 1
        else:
            tally.kept += 1
            yield problem


def write_corpus(directory: Path, tokenizer_file: Path, *, run_seed: int, num_examples: int) -> None:
    """Write the shards that are not there yet, at low priority (the target of the producing process).

    Args:
        directory: Where the shards and `summary.json` go; created if need be.
        tokenizer_file: The saved tokenizer.
        run_seed: The training run; it selects the generator seeds.
        num_examples: Number of examples to write, rounded up to whole shards.
    """
    from tokenizers import Tokenizer

    os.nice(10)
    directory.mkdir(parents=True, exist_ok=True)
    tokenizer, tally = Tokenizer.from_file(str(tokenizer_file)), Tally()
    problems = without_held_out(training_problems(run_seed), held_out_keys(), tally)
    for number in range(-(-num_examples // SHARD_EXAMPLES)):
        batch = itertools.islice(problems, SHARD_EXAMPLES)
        examples = [Example(*encode_problem(tokenizer, problem)) for problem in batch]
        if not shard_path(directory, number).exists():
            save_shard(shard_path(directory, number), examples)
        summary = {"kept": tally.kept, "dropped_as_evaluation_problems": tally.dropped}
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
        tokens, lengths, prompts = (arrays[name].tolist() for name in ("tokens", "lengths", "prompts"))
    ends = itertools.accumulate(lengths)
    return [
        Example(tokens[end - length : end], num_prompt)
        for end, length, num_prompt in zip(ends, lengths, prompts, strict=True)
    ]


def save_shard(path: Path, examples: Sequence[Example]) -> None:
    """Write one shard, whole or not at all."""
    import numpy as np

    temporary = path.with_suffix(".tmp.npz")
    np.savez(
        temporary,
        tokens=np.fromiter(itertools.chain.from_iterable(e.tokens for e in examples), dtype=np.uint16),
        lengths=np.array([len(e.tokens) for e in examples], dtype=np.uint16),
        prompts=np.array([e.num_prompt for e in examples], dtype=np.uint16),
    )
    temporary.rename(path)
