"""Conversations that teach to judge: every step of a solution, and a whole solution."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from ttscale.reference.conversation import Conversation, Turn, exchange
from ttscale.reference.roles.attempts import Attempts, distinct, worked_solution
from ttscale.reference.roles.corruptions import corrupted
from ttscale.reference.roles.steps import COPY_SHARE, Labelled, label, lessons_within
from ttscale.registry import load_template
from ttscale.template import RIGHT, WRONG, steps_prompt

MAX_CHARACTERS: Final = 320
"""Longer attempts are left out: they ramble."""

SYNTHETIC_SHARE: Final = 0.35
"""Share of solutions that are made, right or with one mistake, where the model's own would do as well."""

_LEAST_SHARE: Final = 0.4
"""Below this share of a sign among the targets, a solution that has it is made if need be."""


@dataclass
class _Balance:
    """How often each sign has been taught."""

    rights: int = 0
    wrongs: int = 0

    def add(self, signs: Iterable[bool]) -> None:
        for sign in signs:
            self.rights += sign
            self.wrongs += not sign

    @property
    def wanted(self) -> _Wanted:
        """What should come next."""
        rarest = min(self.rights, self.wrongs)
        return _Wanted(self.rights <= self.wrongs, rarest <= _LEAST_SHARE * (self.rights + self.wrongs))


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Whether a right solution is wanted, and whether so badly that it is to be made if need be."""

    right: bool
    badly: bool


def conversations(rng: random.Random, attempts: Iterable[Attempts]) -> Iterator[Conversation]:
    """Yield two conversations a problem: one about the steps of a solution, one about a whole solution.

    The solutions are the attempts themselves, chosen so that right and wrong stay balanced. Where a problem
    has none of the kind that is behind, and for a small share anyway, a worked solution is taken, or one with
    a mistake made on purpose.

    Args:
        rng: Chooses the solutions; the same state gives the same conversations.
        attempts: The problems with what was sampled for them; gone through once.

    Yields:
        Conversations, in the order of the problems.
    """
    of_steps, of_answers = _Balance(), _Balance()
    for problem in attempts:
        labelled = [label(problem, text) for text in distinct(problem.texts, max_characters=MAX_CHARACTERS)]
        solution = _choose(problem, labelled, _has_right_steps, of_steps.wanted, rng)
        if solution is not None:
            of_steps.add(solution.signs)
            yield about_steps(problem, solution, copy=rng.random() < COPY_SHARE)
        solution = _choose(problem, labelled, _has_right_answer, of_answers.wanted, rng)
        if solution is not None:
            of_answers.add((solution.is_right,))
            yield about_answer(problem, solution, copy=rng.random() < COPY_SHARE)


def about_steps(problem: Attempts, solution: Labelled, *, copy: bool = False) -> Conversation:
    """Return the conversation that judges every step of a solution, see `steps_prompt`.

    Raises:
        ConfigError: The solution has no step.
    """
    prompt = steps_prompt(load_template("judge_steps"), problem.question, solution.steps)
    given = [message.content for message in prompt.messages if message.role == "user"]
    turns = list[Turn]()
    for content, step, sign, within in zip(given, solution.steps, solution.signs, solution.grades, strict=True):
        begin = len(content) - len(step)
        grades = () if copy else tuple((begin + place, said) for place, said in within)
        copied = ((begin, len(content)),) if copy and sign else ()
        turns += [
            Turn("user", content, grades=grades, copied=copied),
            Turn("assistant", RIGHT, _verdict(sign)),
        ]
    return Conversation(tuple(turns), problem.key)


def about_answer(problem: Attempts, solution: Labelled, *, copy: bool = False) -> Conversation:
    """Return the conversation that judges whether a whole solution has the right answer."""
    prompt = load_template("judge_answer").render(question=problem.question, solution=solution.text)
    lessons = lessons_within(prompt.messages[-1].content, [solution])
    grades, copied = ((), lessons.copied) if copy else (lessons.grades, ())
    return exchange(prompt, _verdict(solution.is_right), problem.key, grades=grades, copied=copied)


def _verdict(sign: bool) -> str:
    return RIGHT if sign else WRONG


def _has_right_steps(solution: Labelled) -> bool:
    return all(solution.signs)


def _has_right_answer(solution: Labelled) -> bool:
    return solution.is_right


def _choose(
    problem: Attempts,
    solutions: Sequence[Labelled],
    is_good: Callable[[Labelled], bool],
    wanted: _Wanted,
    rng: random.Random,
) -> Labelled | None:
    """Choose a solution of the wanted kind, or of the other where that does no harm; None: there is none."""
    fitting = [solution for solution in solutions if is_good(solution) == wanted.right]
    if rng.random() < SYNTHETIC_SHARE or (wanted.badly and not fitting):
        made = _make(problem, is_good, rng, right=wanted.right)
        if made is not None or not fitting:
            return made
    usable = fitting or solutions
    return rng.choice(usable) if usable else None


def _make(
    problem: Attempts, is_good: Callable[[Labelled], bool], rng: random.Random, *, right: bool
) -> Labelled | None:
    """Return the worked solution of a problem, or one with a mistake; None where there is none."""
    worked = worked_solution(problem, rng)
    if worked is None:
        return None
    return label(problem, worked) if right else corrupted(problem, worked, rng, lambda it: not is_good(it))
