"""What a model is trained on: a mixture of roles, each with its own stream of conversations."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from ttscale.errors import ConfigError
from ttscale.grammars import spawn
from ttscale.reference.conversation import Conversation, exchange
from ttscale.reference.problems import training_problems
from ttscale.reference.roles import compare, judge, outlines, plan, revise, sudoku, threads
from ttscale.reference.roles.attempts import Attempts, read_attempts
from ttscale.reference.roles.questions import training_questions
from ttscale.registry import load_template
from ttscale.types import Prompt

Stream = Iterator[Conversation]

TEMPLATES: Final = (
    "revise",
    "judge_steps",
    "judge_answer",
    "compare",
    "threads",
    "thread",
    "outlines",
    "plan",
)
"""The prompt templates that the roles are asked by."""


def _solve(run_seed: int) -> Stream:
    for problem in training_problems(run_seed):
        yield exchange(Prompt.user(problem.question), problem.solution, problem.key)


def _threads(run_seed: int) -> Stream:
    questions = training_questions(threads.CONFIGS, run_seed)
    return threads.conversations(random.Random(f"threads {run_seed}"), questions)


def _outlines(run_seed: int) -> Stream:
    questions = training_questions(outlines.CONFIGS, run_seed)
    return outlines.conversations(random.Random(f"outlines {run_seed}"), questions)


def _plan(run_seed: int) -> Stream:
    questions = training_questions(plan.CONFIGS, run_seed)
    return plan.conversations(random.Random(f"plan {run_seed}"), questions)


FROM_PROBLEMS: Final[Mapping[str, Callable[[int], Stream]]] = MappingProxyType(
    {"solve": _solve, "threads": _threads, "outlines": _outlines, "plan": _plan}
)
"""The roles that learn from problems alone, and the endless stream of each for a training run."""

FROM_ATTEMPTS: Final[Mapping[str, Callable[[random.Random, Sequence[Attempts]], Stream]]] = MappingProxyType(
    {"revise": revise.conversations, "judge": judge.conversations, "compare": compare.conversations}
)
"""The roles that learn from the model's own attempts, and one pass over them of each."""

RANK: Final = "rank"
"""The role that learns which of the model's own attempts are right, and has no conversations."""

ROLES: Final = (*FROM_PROBLEMS, *FROM_ATTEMPTS, RANK)
"""Every role."""


def phrases() -> list[str]:
    """The fixed texts of all roles: the vocabulary has each as one token."""
    found = [phrase for name in TEMPLATES for phrase in load_template(name).phrases]
    modules = (revise.PHRASES, spawn.PHRASES, outlines.PHRASES, plan.PHRASES, sudoku.PHRASES)
    return list(dict.fromkeys([*found, *itertools.chain.from_iterable(modules)]))


@dataclass(frozen=True)
class Mixture:
    """What the conversations of a training run are drawn from.

    Attributes:
        shares: The weight of each role, above 0; a role that is not named is not taught.
        run_seed: The training run, 0 or more: it selects the generator seeds and the order.
        attempts: The file of attempts, for `RANK` and the roles in `FROM_ATTEMPTS`.

    Raises:
        ConfigError: An unknown role, a share that is not above 0, or a role that lacks its attempts.
    """

    shares: Mapping[str, float]
    run_seed: int
    attempts: Path | None = None

    def __post_init__(self) -> None:
        for role, share in self.shares.items():
            if role not in ROLES:
                raise ConfigError(f"No role is called {role!r}; known: {', '.join(ROLES)}.")
            if not share > 0:
                raise ConfigError(f"The share of the role {role!r} is {share!r}; give a number above 0.")
            if role in (*FROM_ATTEMPTS, RANK) and self.attempts is None:
                raise ConfigError(
                    f"The role {role!r} learns from attempts; write some with "
                    f"`python -m ttscale.reference.attempts` and name the file with --attempts FILE."
                )
        if not self.shares:
            raise ConfigError(f"There is nothing to teach; name a role: {', '.join(ROLES)}.")

    def read_attempts(self) -> list[Attempts]:
        """Return the attempts; none without a file.

        Raises:
            DataError: The file is broken.
        """
        return read_attempts(self.attempts) if self.attempts is not None else []

    def conversations(self) -> Iterator[Conversation]:
        """Yield conversations without end, the same ones for the same mixture.

        Raises:
            DataError: The file of attempts is broken.
            ConfigError: A role finds nothing to learn in the attempts.
        """
        attempts = self.read_attempts()
        streams = {role: self._stream(role, attempts) for role in self.shares}
        rng = random.Random(f"mixture {self.run_seed}")
        names, weights = list(self.shares), list(self.shares.values())
        while True:
            yield next(streams[rng.choices(names, weights)[0]])

    def _stream(self, role: str, attempts: Sequence[Attempts]) -> Stream:
        if role in FROM_PROBLEMS:
            yield from FROM_PROBLEMS[role](self.run_seed)
            return
        for turn in itertools.count():
            rng = random.Random(f"{role} {self.run_seed} {turn}")
            is_empty = True
            for conversation in FROM_ATTEMPTS[role](rng, rng.sample(list(attempts), len(attempts))):
                is_empty = False
                yield conversation
            if is_empty:
                raise ConfigError(f"The role {role!r} finds nothing to learn in {str(self.attempts)!r}.")
