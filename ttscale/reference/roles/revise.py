"""Conversations that teach to revise: earlier attempts, unmarked, and a right solution."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from ttscale.reference.conversation import Conversation, exchange
from ttscale.reference.roles.attempts import Attempts, distinct, worked_solution
from ttscale.reference.roles.steps import Labelled, label
from ttscale.registry import load_template
from ttscale.template import numbered

MAX_ATTEMPTS: Final = 3
"""Most attempts shown in one conversation."""

MAX_CHARACTERS: Final = 450
"""Most characters of the attempts shown in one conversation: hardly more than tokens."""

LABEL: Final = "Attempt"
"""The heading of an attempt, before its number."""

PHRASES: Final = (f"{LABEL} ",)
"""Fixed texts beside those of the template."""

_ALL_WRONG_SHARE: Final = 0.4
"""Share of the problems with wrong attempts of which wrong ones only are shown."""

_ALL_RIGHT_SHARE: Final = 0.25
"""Share of the problems without a wrong attempt that are used: little is learnt from copying."""


def conversations(rng: random.Random, attempts: Iterable[Attempts]) -> Iterator[Conversation]:
    """Yield one conversation a problem: 1 to `MAX_ATTEMPTS` attempts, then a solution right in every line.

    That solution is one of the attempts shown, if one is right throughout; else another sample of the problem
    that is, or the worked solution.

    Args:
        rng: Chooses the attempts; the same state gives the same conversations.
        attempts: The problems with what was sampled for them; gone through once.

    Yields:
        Conversations, in the order of the problems; most problems without a wrong attempt are left out.
    """
    for problem in attempts:
        labelled = [label(problem, text) for text in distinct(problem.texts, max_characters=MAX_CHARACTERS)]
        wrongs = [solution for solution in labelled if not solution.is_right]
        if not labelled or (not wrongs and rng.random() >= _ALL_RIGHT_SHARE):
            continue
        shown = _shown(wrongs if wrongs and rng.random() < _ALL_WRONG_SHARE else labelled, rng)
        target = _target(problem, shown, labelled, rng)
        if target is not None:
            yield about_attempts(problem, [solution.text for solution in shown], target)


def about_attempts(problem: Attempts, texts: Sequence[str], target: str) -> Conversation:
    """Return the conversation that gives attempts and teaches a better one."""
    prompt = load_template("revise").render(question=problem.question, attempts=numbered(LABEL, texts))
    return exchange(prompt, target, problem.key)


def _shown(solutions: Sequence[Labelled], rng: random.Random) -> list[Labelled]:
    """Choose one or more solutions that fit in a prompt together, in random order."""
    wanted = rng.randint(1, MAX_ATTEMPTS)
    chosen, left = list[Labelled](), MAX_CHARACTERS
    for solution in rng.sample(solutions, min(wanted, len(solutions))):
        if len(solution.text) <= left:
            chosen.append(solution)
            left -= len(solution.text)
    return chosen


def _target(
    problem: Attempts, shown: Sequence[Labelled], others: Sequence[Labelled], rng: random.Random
) -> str | None:
    for solutions in (shown, others):
        clean = [solution.text for solution in solutions if solution.is_clean]
        if clean:
            return rng.choice(clean)
    return worked_solution(problem, rng)
