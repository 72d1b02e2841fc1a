"""The role `rank`: right solutions are to be likelier than wrong ones, which makes a judge of a language model.

That is an implicit process reward model without a reference (Yuan et al. 2024, arXiv:2412.01981): the reward of
a solution is its log-likelihood. It learns from nothing but which of the model's own attempts are right, by the
Bradley-Terry loss of preference learning, each right one against all wrong ones of its problem.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ttscale.errors import ConfigError
from ttscale.reference.conversation import exchange
from ttscale.reference.corpus import Example
from ttscale.reference.evaluate import boxed_answer
from ttscale.reference.problems import held_out_keys
from ttscale.reference.roles.attempts import Attempts, distinct
from ttscale.reference.roles.steps import is_right
from ttscale.reference.tokenizer import NO_TARGET, encode_conversation
from ttscale.reference.trainer import Recipe, Trainer
from ttscale.types import Prompt

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from torch import Tensor

    from ttscale.reference.network import Network

MAX_CHARACTERS: Final = 320
"""Longer attempts are left out."""


@dataclass(frozen=True, slots=True)
class Contest:
    """Solutions of one problem.

    Attributes:
        solutions: Question and solution of each; what is to be learnt are the tokens of the solution, without
            its end.
        is_right: Of each, whether its answer is right; some are and some are not.
    """

    solutions: tuple[Example, ...]
    is_right: tuple[bool, ...]


def contests(attempts: Iterable[Attempts], tokenizer: Tokenizer) -> list[Contest]:
    """Return a contest for each problem with a right and a wrong attempt; evaluation problems are left out.

    Raises:
        ConfigError: There is none.
    """
    held_out = held_out_keys()
    found = list[Contest]()
    for problem in attempts:
        texts = distinct(problem.texts, max_characters=MAX_CHARACTERS)
        rights = tuple(is_right(problem, boxed_answer(text)) for text in texts)
        if problem.key not in held_out and any(rights) and not all(rights):
            found.append(Contest(tuple(_example(tokenizer, problem, text) for text in texts), rights))
    if not found:
        raise ConfigError("No problem among the attempts has a right and a wrong one; sample more of them.")
    return found


def _example(tokenizer: Tokenizer, problem: Attempts, text: str) -> Example:
    tokens, targets = encode_conversation(tokenizer, exchange(Prompt.user(problem.question), text, problem.key))
    return Example(tokens[:-1], [*targets[:-2], NO_TARGET])


def ranking_loss(rewards: Tensor, is_right: Sequence[bool]) -> Tensor:
    """Return how unlikely it is that a right solution beats all wrong ones, in nats: the mean over right ones.

    That is -log(e^r / (e^r + Σ e^w)) of a right solution's reward r and the wrong ones' w; of one against one
    the Bradley-Terry loss.

    Args:
        rewards: Shape (solutions,).
        is_right: Of each solution; at least one is, and one is not.
    """
    import torch

    right = torch.tensor(is_right)
    return torch.nn.functional.softplus(rewards[~right].logsumexp(dim=0) - rewards[right]).mean()


class Ranker(Trainer[Contest]):
    """Teaches to rank solutions.

    Args:
        model: The network; it is changed in place.
        recipe: The optimisation; `batch_examples` contests a step.
        directory: Where checkpoints go.
        seed: Seed of the order of the contests.
        contests: What is learnt from, again and again.
    """

    def __init__(
        self, model: Network, recipe: Recipe, directory: Path, *, seed: int, contests: Sequence[Contest]
    ) -> None:
        super().__init__(model, recipe, directory, seed=seed)
        self._contests = contests

    def lessons(self) -> Iterator[list[list[Contest]]]:
        """Yield all contests in a random order, then in another."""
        size = min(self.recipe.batch_examples, len(self._contests))
        while True:
            rng = random.Random(f"{self.seed} {self.progress.shard}")
            order = rng.sample(self._contests, len(self._contests))
            for start in range(0, len(order) - size + 1, size):
                yield [[contest] for contest in order[start : start + size]]
            self.progress.shard += 1

    def loss(self, part: Sequence[Contest]) -> Tensor:
        """Return the sum of the contests' losses."""
        import torch

        return torch.stack([ranking_loss(self.rewards(contest), contest.is_right) for contest in part]).sum()

    def rewards(self, contest: Contest) -> Tensor:
        """Return the log-likelihoods of the solutions in nats, of shape (solutions,)."""
        losses, marks = self.token_losses(contest.solutions)
        return -losses.new_zeros(len(marks)).index_add(0, marks.nonzero()[:, 0], losses)
