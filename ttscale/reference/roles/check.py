"""Conversations that teach to check sums: worked solutions in which many results are wrong, each carried on.

Whoever judges a solution must see a wrong sum among many right ones. That is rare in what a model writes, and
a judge that learns from such texts alone learns first where in a text mistakes are likely. Here it is not
likelier anywhere.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from typing import Final

from ttscale.reference.conversation import Conversation
from ttscale.reference.problems import Problem
from ttscale.reference.roles.attempts import Attempts
from ttscale.reference.roles.corruptions import slipped
from ttscale.reference.roles.judge import about_steps
from ttscale.reference.roles.steps import label

SHARES: Final = (0.1, 0.3, 0.5)
"""Of the results of a solution, how many are wrong: one of these, as likely as the others."""


def conversations(rng: random.Random, problems: Iterable[Problem]) -> Iterator[Conversation]:
    """Yield a conversation a problem, which judges every step of a solution.

    Args:
        rng: Chooses the mistakes; the same state gives the same conversations.
        problems: With their worked solutions.
    """
    for problem in problems:
        bare = Attempts(problem.name, problem.seed, problem.question, problem.key, ())
        yield about_steps(bare, label(bare, slipped(problem.solution, rng, rng.choice(SHARES))))
