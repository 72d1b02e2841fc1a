"""Attempts for the tests of roles: worked solutions, and solutions with mistakes."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from functools import cache

from ttscale.reference.problems import Problem, training_problems
from ttscale.reference.roles.attempts import Attempts
from ttscale.reference.roles.corruptions import corrupted


def problems(count: int, *, run_seed: int = 60) -> list[Problem]:
    """Return training problems of all sets; those drawn for one test are not drawn again for another."""
    drawn, more = _stream(run_seed)
    drawn.extend(itertools.islice(more, max(0, count - len(drawn))))
    return drawn[:count]


@cache
def _stream(run_seed: int) -> tuple[list[Problem], Iterator[Problem]]:
    """Return the problems drawn so far, and all that follow."""
    return [], training_problems(run_seed)


def attempts_at(
    problem: Problem, rng: random.Random, *, num_samples: int = 6, right_share: float = 0.5
) -> Attempts:
    """Return attempts of which about this share is right."""
    bare = Attempts.of(problem)
    texts = list[str]()
    for _ in range(num_samples):
        made = None
        if rng.random() >= right_share:
            made = corrupted(bare, problem.solution, rng, lambda it: not it.is_right)
        texts.append(problem.solution if made is None else made.text)
    return Attempts.of(problem, texts)


def sampled(count: int, *, right_share: float = 0.5, seed: int = 0) -> list[Attempts]:
    """Return attempts at `count` problems."""
    rng = random.Random(seed)
    return [attempts_at(problem, rng, right_share=right_share) for problem in problems(count)]


def attempts(name: str, question: str, key: str, *texts: str) -> Attempts:
    """Return attempts at one problem written by hand."""
    return Attempts(name, 1_000_000_007, question, key, texts)


CHAIN = attempts("chain_sum", "What is 18 + 43 - 11?", "chain_sum 18 + 43 - 11")
COUNTDOWN = attempts(
    "countdown", "Find a way to make 10 using all of these: 3, 2, 2.", "countdown 10 [2, 2, 3]"
)
LEGS = attempts(
    "leg_counting",
    "How many legs are there in total if you have 14 beetles, 1 cat, 10 chickens?",
    "leg_counting 14 beetle, 1 cat, 10 chicken",
)
