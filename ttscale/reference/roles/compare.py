"""Conversations that teach to compare: which of two solutions of a question is the right one."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from typing import Final

from ttscale.reference.conversation import Conversation, exchange
from ttscale.reference.roles.attempts import Attempts, distinct, worked_solution
from ttscale.reference.roles.corruptions import corrupted
from ttscale.reference.roles.steps import COPY_SHARE, Labelled, label, lessons_within
from ttscale.registry import load_template
from ttscale.template import CHOICES

MAX_CHARACTERS: Final = 240
"""Longer attempts are left out: two have to fit in a prompt."""

SYNTHETIC_SHARE: Final = 0.1
"""Share of the problems without a right or without a wrong attempt for which the missing one is made."""


def conversations(rng: random.Random, attempts: Iterable[Attempts]) -> Iterator[Conversation]:
    """Yield one conversation for each problem that has a right and a wrong attempt; both orders are as likely.

    For a small share of the other problems the missing solution is made: the worked solution, or a right
    one with a mistake that makes its answer wrong.

    Args:
        rng: Chooses pairs and orders; the same state gives the same conversations.
        attempts: The problems with what was sampled for them; gone through once.

    Yields:
        Conversations, in the order of the problems.
    """
    for problem in attempts:
        labelled = [label(problem, text) for text in distinct(problem.texts, max_characters=MAX_CHARACTERS)]
        rights = [solution for solution in labelled if solution.is_right]
        wrongs = [solution for solution in labelled if not solution.is_right]
        if labelled and not (rights and wrongs) and rng.random() < SYNTHETIC_SHARE:
            rights = rights or _right(problem, rng)
            wrongs = wrongs or _wrong(problem, rng.choice(rights), rng)
        if rights and wrongs:
            right, wrong = rng.choice(rights), rng.choice(wrongs)
            first, copy = rng.random() < 0.5, rng.random() < COPY_SHARE
            yield about_pair(problem, right, wrong, right_first=first, copy=copy)


def about_pair(
    problem: Attempts, right: Labelled, wrong: Labelled, *, right_first: bool, copy: bool = False
) -> Conversation:
    """Return the conversation that asks which of two solutions is right."""
    pair = (right, wrong) if right_first else (wrong, right)
    template = load_template("compare")
    prompt = template.render(question=problem.question, solution_a=pair[0].text, solution_b=pair[1].text)
    lessons, choice = lessons_within(prompt.messages[-1].content, pair), CHOICES[0 if right_first else 1]
    grades, copied = ((), lessons.copied) if copy else (lessons.grades, ())
    return exchange(prompt, choice, problem.key, grades=grades, copied=copied)


def _right(problem: Attempts, rng: random.Random) -> list[Labelled]:
    worked = worked_solution(problem, rng)
    return [] if worked is None else [label(problem, worked)]


def _wrong(problem: Attempts, right: Labelled, rng: random.Random) -> list[Labelled]:
    made = corrupted(problem, right.text, rng, _is_wrong)
    return [] if made is None else [made]


def _is_wrong(solution: Labelled) -> bool:
    return not solution.is_right
