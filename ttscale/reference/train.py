"""Train `abacus`: `python -m ttscale.reference.train --role solve --minutes 120 --out DIR --seed 0`.

An implicit process reward model starts from it: `--role rank --from MODEL --attempts FILE`.

A second process draws the conversations at low priority while this one trains on one thread. Training lasts the
stated time: the learning rate warms up, then falls to zero at the end. A checkpoint is kept every few minutes,
and a run that was cut short goes on from it when started again with the same arguments.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ttscale.errors import ConfigError
from ttscale.reference.corpus import Example, wait_for_shard, write_corpus
from ttscale.reference.course import Course, first_network, load_or_make_tokenizer
from ttscale.reference.heads import HEADS
from ttscale.reference.mixture import FROM_ATTEMPTS, RANK, ROLES, Mixture
from ttscale.reference.network import ARCHITECTURES, LOGIT_DIVISOR, export
from ttscale.reference.ranking import Ranker, contests
from ttscale.reference.trainer import Recipe, Trainer

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

    from tokenizers import Tokenizer
    from torch import Tensor

    from ttscale.reference.network import Network

_CORPUS: Final = "corpus"


def batches(examples: Sequence[Example], recipe: Recipe, rng: random.Random) -> Iterator[list[list[Example]]]:
    """Group examples into optimiser steps of a few batches, each batch of examples of about one length."""
    pool_size = recipe.batch_examples * recipe.accumulate * 8
    order = rng.sample(list(examples), len(examples))
    for start in range(0, len(order) - recipe.batch_examples * recipe.accumulate + 1, pool_size):
        pool = sorted(order[start : start + pool_size], key=lambda example: len(example.tokens))
        whole = len(pool) // recipe.batch_examples
        parts = [pool[i * recipe.batch_examples : (i + 1) * recipe.batch_examples] for i in range(whole)]
        rng.shuffle(parts)
        for first in range(0, len(parts) - recipe.accumulate + 1, recipe.accumulate):
            yield parts[first : first + recipe.accumulate]


class CorpusTrainer(Trainer[Example]):
    """Teaches the examples of a corpus.

    Args:
        model: The network; it is changed in place.
        recipe: The optimisation.
        directory: Where checkpoints go, and where the corpus is.
        seed: Seed of the order of the examples.
        writer: The process that writes the corpus; None: it is all there.
    """

    def __init__(
        self,
        model: Network,
        recipe: Recipe,
        directory: Path,
        *,
        seed: int,
        writer: BaseProcess | None = None,
    ) -> None:
        super().__init__(model, recipe, directory, seed=seed)
        self._corpus, self._writer = directory / _CORPUS, writer

    def lessons(self) -> Iterator[list[list[Example]]]:
        """Yield the examples of shard after shard, as they appear."""
        while True:
            number = self.progress.shard
            is_written = self._writer is not None and self._writer.is_alive()
            examples = wait_for_shard(self._corpus, number, writer_alive=is_written)
            yield from batches(examples, self.recipe, random.Random(f"{self.seed} {number}"))
            self.progress.shard += 1

    def loss(self, part: Sequence[Example]) -> Tensor:
        """Return the sum over examples of the mean loss of each, whether it has one token to learn or many."""
        losses, marks = self.token_losses(part)
        return (losses / marks.sum(dim=1, keepdim=True).expand_as(marks)[marks]).sum()


def train(directory: Path, course: Course, recipe: Recipe) -> Path:
    """Train, or go on training, and export the network.

    Args:
        directory: Where data, checkpoint and result are kept.
        course: What is trained.
        recipe: The optimisation.

    Returns:
        The directory of the exported model.
    """
    import torch

    torch.set_num_threads(1)
    directory.mkdir(parents=True, exist_ok=True)
    tokenizer = load_or_make_tokenizer(directory / "tokenizer.json", course, recipe.tokenizer_examples)
    with _trainer(directory, course, recipe, tokenizer) as trainer:
        print(
            "resuming" if trainer.resume() else "starting",
            f"with {trainer.model.num_parameters():,} parameters",
            flush=True,
        )
        trainer.run()
    export(trainer.model, tokenizer, directory / "model", logit_divisor=course.divisor)
    return directory / "model"


@contextmanager
def _trainer(
    directory: Path, course: Course, recipe: Recipe, tokenizer: Tokenizer
) -> Generator[CorpusTrainer | Ranker]:
    """Lend what trains a course; while it is lent, another process writes the corpus, where there is one."""
    network, seed = first_network(course, tokenizer), course.mixture.run_seed
    if course.ranks:
        lessons = contests(course.mixture.read_attempts(), tokenizer)
        yield Ranker(network, recipe, directory, seed=seed, contests=lessons)
        return
    corpus = directory / _CORPUS
    writer = multiprocessing.get_context("spawn").Process(
        target=write_corpus,
        args=(corpus, directory / "tokenizer.json", course.mixture, course.head.encode),
        kwargs={"num_examples": recipe.num_examples},
        daemon=True,
    )
    writer.start()
    try:
        yield CorpusTrainer(network, recipe, directory, seed=seed, writer=writer)
    finally:
        writer.terminate()
        writer.join()
    print((corpus / "summary.json").read_text(encoding="utf-8").strip())


def export_checkpoint(directory: Path, target: Path, course: Course) -> None:
    """Export the last checkpoint of a run, which may be still going on.

    Raises:
        FileNotFoundError: If the run has no checkpoint yet.
    """
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
    network = first_network(course, tokenizer)
    trainer = CorpusTrainer(network, Recipe(compile_model=False), directory, seed=0)
    if not trainer.resume():
        raise FileNotFoundError(
            f"There is no checkpoint in {str(directory)!r} yet; train for a few minutes first."
        )
    export(trainer.model, tokenizer, target, logit_divisor=course.divisor)
    print(f"exported {trainer.progress} to {target}")


def read_shares(texts: Sequence[str]) -> dict[str, float]:
    """Read roles as written on the command line, ``NAME`` or ``NAME=SHARE``.

    Raises:
        ConfigError: A share is not a number.
    """
    shares = dict[str, float]()
    for text in texts:
        name, _, share = text.partition("=")
        try:
            shares[name] = float(share or 1)
        except ValueError:
            raise ConfigError(f"The share in {text!r} is not a number; write NAME=0.3, say.") from None
    return shares


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Train abacus on one thread.")
    add = parser.add_argument
    add(
        "--role", action="append", metavar="NAME[=SHARE]", help=f"what to teach, of {', '.join(ROLES)}; several"
    )
    learners = ", ".join((*FROM_ATTEMPTS, RANK))
    add("--attempts", type=Path, metavar="FILE", help=f"attempts that {learners} learn from")
    add("--minutes", type=float, default=120.0, help="training time (default: %(default)s)")
    add("--out", type=Path, required=True, help="directory of the run; resumes where it left off")
    add("--seed", type=int, default=0, help="training run (default: %(default)s)")
    add(
        "--head",
        choices=list(HEADS),
        default="token",
        help="what is learnt: the next token, or grades of steps (default: %(default)s)",
    )
    add("--size", choices=sorted(ARCHITECTURES), default="abacus", help="(default: %(default)s)")
    add("--from", type=Path, dest="start", metavar="MODEL", help="start from this exported model")
    add("--learning-rate", type=float, default=Recipe.learning_rate, help="highest (default: %(default)s)")
    add(
        "--logit-divisor",
        type=float,
        help=f"of an exported `token` head (default: {LOGIT_DIVISOR}, for the role rank 1)",
    )
    add("--no-compile", action="store_true", help="do not compile the network")
    add("--export", type=Path, metavar="DIR", help="only write the last checkpoint there as a model")
    options = parser.parse_args(arguments)
    recipe = Recipe(
        minutes=options.minutes,
        learning_rate=options.learning_rate,
        compile_model=not options.no_compile,
    )
    try:
        mixture = Mixture(read_shares(options.role or ["solve"]), options.seed, options.attempts)
        course = Course(
            mixture,
            options.size,
            options.start,
            options.logit_divisor,
            HEADS[options.head],
        )
        if options.export:
            export_checkpoint(options.out, options.export, course)
        else:
            print(f"exported to {train(options.out, course, recipe)}")
    except ConfigError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
