"""Train `abacus`: `python -m ttscale.reference.train --role solve --minutes 120 --out DIR --seed 0`.

A process reward model starts from it, and lets added layers learn alone: `--head process --size abacus-prm
--frozen-layers 6`, first `--role check --from MODEL`, then the role `judge` as well, with `--attempts FILE`.

A second process draws the conversations at low priority while this one trains on one thread. Training lasts the
stated time: the learning rate warms up, then falls to zero at the end. A checkpoint is kept every few minutes,
and a run that was cut short goes on from it when started again with the same arguments.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ttscale.errors import ConfigError
from ttscale.reference.corpus import Example, wait_for_shard, write_corpus
from ttscale.reference.course import Course, first_network, load_or_make_tokenizer
from ttscale.reference.heads import HEADS
from ttscale.reference.mixture import FROM_ATTEMPTS, ROLES, Mixture
from ttscale.reference.network import ARCHITECTURES, LOGIT_DIVISOR, PAD_ID, export, head_of
from ttscale.reference.tokenizer import NO_TARGET

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

    from torch import Tensor
    from torch.optim import Optimizer

    from ttscale.reference.network import Network


@dataclass(frozen=True)
class Recipe:
    """The optimisation.

    Attributes:
        minutes: Training time, without the preparation of the data.
        learning_rate: Highest learning rate.
        warmup_share: Share of the time during which the learning rate rises.
        batch_examples: Examples per forward pass.
        accumulate: Forward passes per optimiser step.
        num_examples: Examples to draw; when they run out, they are read again.
        tokenizer_examples: Problems from which the vocabulary is learnt.
        checkpoint_minutes: Training time between two checkpoints.
        compile_model: Whether to compile the network (a C++ compiler is needed).
    """

    minutes: float = 120.0
    learning_rate: float = 2e-3
    warmup_share: float = 0.02
    batch_examples: int = 8
    accumulate: int = 2
    num_examples: int = 250_000
    tokenizer_examples: int = 4000
    checkpoint_minutes: float = 5.0
    compile_model: bool = True


@dataclass
class Progress:
    """How far training has come: `seconds` trained, `steps` taken, `tokens` read, next `shard` to read."""

    seconds: float = 0.0
    steps: int = 0
    tokens: int = 0
    shard: int = 0


def learning_rate_at(share: float, recipe: Recipe) -> float:
    """The learning rate after a share (0 to 1) of the training time: it rises, then falls in a line to zero."""
    rising = share / recipe.warmup_share
    falling = (1 - share) / (1 - recipe.warmup_share)
    return recipe.learning_rate * max(0.0, min(rising, falling))


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


def collate(examples: Sequence[Example]) -> tuple[Tensor, Tensor]:
    """Pad examples to one length.

    Returns:
        The token ids, and what is to be learnt at each or `NO_TARGET`; both of shape (examples, longest
        length).
    """
    import torch

    longest = max(len(example.tokens) for example in examples)
    ids = torch.full((len(examples), longest), PAD_ID, dtype=torch.long)
    targets = torch.full((len(examples), longest), NO_TARGET, dtype=torch.long)
    for row, example in enumerate(examples):
        ids[row, : len(example.tokens)] = torch.tensor(example.tokens)
        targets[row, : len(example.tokens)] = torch.tensor(example.targets)
    return ids, targets


class Trainer:
    """Trains a network on the examples of a corpus for a stated time.

    Args:
        model: The network; it is changed in place.
        recipe: The optimisation.
        directory: Where checkpoints go.
        seed: Seed of the order of the examples.
    """

    def __init__(self, model: Network, recipe: Recipe, directory: Path, *, seed: int) -> None:
        import torch

        self.model, self.recipe, self.progress, self.seed = model, recipe, Progress(), seed
        self._checkpoint = directory / "checkpoint.pt"
        self._optimizer = make_optimizer(model, recipe.learning_rate)
        self._body = torch.compile(model.model, dynamic=True) if recipe.compile_model else model.model
        self._head = head_of(model)
        self.losses: list[float] = []

    def step(self, parts: Sequence[Sequence[Example]]) -> float:
        """Take one optimiser step and return the loss in nats: the mean over examples of their mean loss.

        Every example weighs the same, whether it has one token to learn or hundreds.
        """
        import torch
        from torch.nn.functional import cross_entropy

        padded = [collate(part) for part in parts]
        total = sum(len(part) for part in parts)
        loss_sum = 0.0
        for ids, targets in padded:
            marks = targets != NO_TARGET
            positions = torch.arange(ids.shape[1])[None]
            hidden = self._body(input_ids=ids, position_ids=positions, use_cache=False).last_hidden_state
            losses = cross_entropy(self._head(hidden[marks]), targets[marks], reduction="none")
            loss = (losses / marks.sum(dim=1, keepdim=True).expand_as(marks)[marks]).sum() / total
            loss.backward()
            loss_sum += loss.item()
            self.progress.tokens += ids.numel()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self._optimizer.step()
        self._optimizer.zero_grad()
        self.progress.steps += 1
        return loss_sum

    def run(self, corpus: Path, writer: BaseProcess | None) -> None:
        """Train until the time is used up, reading shards from `corpus` as they appear."""
        limit, saved = self.recipe.minutes * 60, self.progress.seconds
        while self.progress.seconds < limit:
            number = self.progress.shard
            examples = wait_for_shard(corpus, number, writer_alive=writer is not None and writer.is_alive())
            rng = random.Random(f"{self.seed} {number}")
            for parts in batches(examples, self.recipe, rng):
                self._timed_step(parts)
                if self.progress.seconds - saved > self.recipe.checkpoint_minutes * 60:
                    self.save()
                    saved = self.progress.seconds
                if self.progress.seconds >= limit:
                    break
            self.progress.shard += 1
        self.save()

    def _timed_step(self, parts: Sequence[Sequence[Example]]) -> None:
        share = self.progress.seconds / (self.recipe.minutes * 60)
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate_at(share, self.recipe)
        began = time.monotonic()
        self.losses.append(self.step(parts))
        self.progress.seconds += time.monotonic() - began
        if self.progress.steps % 25 == 0:
            recent, self.losses = sum(self.losses) / len(self.losses), []
            done = self.progress
            print(
                f"{done.seconds / 60:6.1f} min  step {done.steps:6d}  {done.tokens / 1e6:7.3f} M tokens  "
                f"loss {recent:.4f}",
                flush=True,
            )

    def save(self) -> None:
        """Write the checkpoint, replacing the last one only when it is whole."""
        import torch

        temporary = self._checkpoint.with_suffix(".tmp")
        state = {
            "model": self.model.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "progress": asdict(self.progress),
        }
        torch.save(state, temporary)
        temporary.replace(self._checkpoint)

    def resume(self) -> bool:
        """Go on from the checkpoint, if there is one."""
        import torch

        if not self._checkpoint.exists():
            return False
        state = torch.load(self._checkpoint, weights_only=True)
        self.model.load_state_dict(state["model"])
        self._optimizer.load_state_dict(state["optimizer"])
        self.progress = Progress(**state["progress"])
        return True


def make_optimizer(model: Network, learning_rate: float) -> Optimizer:
    """AdamW with weight decay on the matrices only."""
    import torch

    learning = [weight for weight in model.parameters() if weight.requires_grad]
    matrices = [weight for weight in learning if weight.ndim > 1]
    others = [weight for weight in learning if weight.ndim <= 1]
    groups = [{"params": matrices, "weight_decay": 0.05}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=learning_rate, betas=(0.9, 0.98), fused=True)


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
    writer = multiprocessing.get_context("spawn").Process(
        target=write_corpus,
        args=(directory / "corpus", directory / "tokenizer.json", course.mixture, course.head.encode),
        kwargs={"num_examples": recipe.num_examples},
        daemon=True,
    )
    writer.start()
    trainer = Trainer(first_network(course, tokenizer), recipe, directory, seed=course.mixture.run_seed)
    print(
        "resuming" if trainer.resume() else "starting",
        f"with {trainer.model.num_parameters():,} parameters",
        flush=True,
    )
    try:
        trainer.run(directory / "corpus", writer)
    finally:
        writer.terminate()
        writer.join()
    export(trainer.model, tokenizer, directory / "model", logit_divisor=course.logit_divisor)
    print((directory / "corpus" / "summary.json").read_text(encoding="utf-8").strip())
    return directory / "model"


def export_checkpoint(directory: Path, target: Path, course: Course) -> None:
    """Export the last checkpoint of a run, which may be still going on.

    Raises:
        FileNotFoundError: If the run has no checkpoint yet.
    """
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
    trainer = Trainer(first_network(course, tokenizer), Recipe(compile_model=False), directory, seed=0)
    if not trainer.resume():
        raise FileNotFoundError(
            f"There is no checkpoint in {str(directory)!r} yet; train for a few minutes first."
        )
    export(trainer.model, tokenizer, target, logit_divisor=course.logit_divisor)
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
    add("--attempts", type=Path, metavar="FILE", help=f"attempts that {', '.join(FROM_ATTEMPTS)} learn from")
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
    add(
        "--frozen-layers",
        type=int,
        default=0,
        metavar="N",
        help="the embedding and the first N layers stay as they are (default: all learn)",
    )
    add("--learning-rate", type=float, default=Recipe.learning_rate, help="highest (default: %(default)s)")
    add("--logit-divisor", type=float, default=LOGIT_DIVISOR, help="of an exported `token` head (%(default)s)")
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
            options.frozen_layers,
        )
        if options.export:
            export_checkpoint(options.out, options.export, course)
        else:
            print(f"exported to {train(options.out, course, recipe)}")
    except ConfigError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
