"""Training for a stated time: optimiser steps, a progress line, and checkpoints to go on from."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from ttscale.reference.network import PAD_ID, head_of
from ttscale.reference.tokenizer import NO_TARGET

if TYPE_CHECKING:
    from torch import Tensor
    from torch.optim import Optimizer

    from ttscale.reference.corpus import Example
    from ttscale.reference.network import Network

_Lesson = TypeVar("_Lesson")


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


class Trainer(ABC, Generic[_Lesson]):
    """Trains a network for a stated time.

    Args:
        model: The network; it is changed in place.
        recipe: The optimisation.
        directory: Where checkpoints go.
        seed: Seed of the order of the lessons.
    """

    def __init__(self, model: Network, recipe: Recipe, directory: Path, *, seed: int) -> None:
        import torch

        self.model, self.recipe, self.progress, self.seed = model, recipe, Progress(), seed
        self._checkpoint = directory / "checkpoint.pt"
        self._optimizer = make_optimizer(model, recipe.learning_rate)
        self._body = torch.compile(model.model, dynamic=True) if recipe.compile_model else model.model
        self._head = head_of(model)
        self.losses: list[float] = []

    @abstractmethod
    def lessons(self) -> Iterator[Sequence[Sequence[_Lesson]]]:
        """Yield the parts of one optimiser step after another, without end, from where `progress` stands."""

    @abstractmethod
    def loss(self, part: Sequence[_Lesson]) -> Tensor:
        """Return the sum of the losses of a part's lessons, in nats."""

    def token_losses(self, examples: Sequence[Example]) -> tuple[Tensor, Tensor]:
        """Return how unlikely the network finds what is to be learnt, token by token, in one forward pass.

        Returns:
            The losses in nats, of shape (tokens to be learnt,), and where they are: a mask of shape (examples,
            longest length), in which they follow each other row by row.
        """
        import torch
        from torch.nn.functional import cross_entropy

        ids, targets = collate(examples)
        marks = targets != NO_TARGET
        positions = torch.arange(ids.shape[1])[None]
        hidden = self._body(input_ids=ids, position_ids=positions, use_cache=False).last_hidden_state
        self.progress.tokens += ids.numel()
        return cross_entropy(self._head(hidden[marks]), targets[marks], reduction="none"), marks

    def step(self, parts: Sequence[Sequence[_Lesson]]) -> float:
        """Take one optimiser step and return the loss in nats: the mean over lessons, which weigh the same."""
        import torch

        total, loss_sum = sum(map(len, parts)), 0.0
        for part in parts:
            loss = self.loss(part) / total
            loss.backward()
            loss_sum += loss.item()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self._optimizer.step()
        self._optimizer.zero_grad()
        self.progress.steps += 1
        return loss_sum

    def run(self) -> None:
        """Train until the time is used up."""
        limit, saved = self.recipe.minutes * 60, self.progress.seconds
        lessons = self.lessons()
        while self.progress.seconds < limit:
            self._timed_step(next(lessons))
            if self.progress.seconds - saved > self.recipe.checkpoint_minutes * 60:
                self.save()
                saved = self.progress.seconds
        self.save()

    def _timed_step(self, parts: Sequence[Sequence[_Lesson]]) -> None:
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


def make_optimizer(model: Network, learning_rate: float) -> Optimizer:
    """AdamW with weight decay on the matrices only."""
    import torch

    learning = [weight for weight in model.parameters() if weight.requires_grad]
    matrices = [weight for weight in learning if weight.ndim > 1]
    others = [weight for weight in learning if weight.ndim <= 1]
    groups = [{"params": matrices, "weight_decay": 0.05}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=learning_rate, betas=(0.9, 0.98), fused=True)
