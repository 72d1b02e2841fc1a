"""Mistakes made on purpose in worked solutions, for what a model itself rarely does wrong."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from ttscale.grammars.operations import apply_operator
from ttscale.reference.roles.attempts import Attempts
from ttscale.reference.roles.steps import Labelled, label, split_steps

_DIGIT: Final = re.compile(r"[0-9]")
_LEADING: Final = re.compile(r"(-?[0-9]+)([-+*/])(?:([0-9]+)\*)?([0-9]+)=.*")
_BOXED_NUMBER: Final = re.compile(r"\\boxed\{-?[0-9]+\}")
_MAX_TRIES: Final = 40
_OFF_BY_SHARE: Final = 0.4


def corrupted(
    attempts: Attempts, solution: str, rng: random.Random, fits: Callable[[Labelled], bool]
) -> Labelled | None:
    """Return a solution with one mistake, labelled, or None where a few tries gave none that fits.

    Args:
        attempts: The problem.
        solution: A right solution of it.
        rng: Chooses the mistake: a wrong digit, a step left out, a wrong result carried on.
        fits: Whether what has come of it is wrong in the way that is wanted; a mistake need not change the
            answer, nor make every later line wrong.
    """
    for _ in range(_MAX_TRIES):
        change = rng.choice((_wrong_digit, _without_a_step, _carried_on))
        labelled = label(attempts, "\n".join(change(split_steps(solution), rng)))
        if fits(labelled):
            return labelled
    return None


def _wrong_digit(steps: Sequence[str], rng: random.Random) -> list[str]:
    """Change one digit somewhere; what follows stays as it was."""
    index = rng.choice([number for number, step in enumerate(steps) if _DIGIT.search(step)])
    place = rng.choice([found.start() for found in _DIGIT.finditer(steps[index])])
    digit = rng.choice([other for other in "0123456789" if other != steps[index][place]])
    changed = f"{steps[index][:place]}{digit}{steps[index][place + 1 :]}"
    return [*steps[:index], changed, *steps[index + 1 :]]


def _without_a_step(steps: Sequence[str], rng: random.Random) -> list[str]:
    """Leave out one line, never the last one; a solution of one line stays as it is."""
    if len(steps) < 2:
        return list(steps)
    left_out = rng.randrange(len(steps) - 1)
    return [*steps[:left_out], *steps[left_out + 1 :]]


def _carried_on(steps: Sequence[str], rng: random.Random) -> list[str]:
    """Get one result wrong and go on with it, down to the box where that holds a number."""
    if len(steps) < 2:
        return list(steps)
    index = rng.randrange(len(steps) - 1)
    return _with_result(steps, index, _wrong_result(steps[index].rpartition("=")[2], rng))


def _with_result(steps: Sequence[str], index: int, result: int) -> list[str]:
    """Let a step have another result, and go on with it."""
    head = steps[index].rpartition("=")[0]
    return [*steps[:index], f"{head}={result}", *_recomputed(steps[index + 1 :], result)]


def _wrong_result(result: str, rng: random.Random) -> int:
    """Return another number with the same sign: one digit differs, or it is off by a little."""
    right = abs(int(result))
    wrong = right
    while wrong == right:
        if rng.random() < _OFF_BY_SHARE:
            wrong = max(1, right + rng.choice((-100, -10, -2, -1, 1, 2, 10, 100)))
        else:
            place = 10 ** rng.randrange(len(str(right)))
            wrong = max(1, right + place * (rng.randrange(10) - right // place % 10))
    return -wrong if result.startswith("-") else wrong


def _recomputed(steps: Sequence[str], value: int) -> Iterator[str]:
    """Yield lines as they read when the value before them is another; a line that cannot be is kept."""
    for step in steps:
        found = _LEADING.fullmatch(step)
        if found is None:
            yield f"\\boxed{{{value}}}" if _BOXED_NUMBER.fullmatch(step) else step
            continue
        operator, factor, number = found[2], found[3], int(found[4])
        term = number * int(factor or 1)
        result = value - term if operator == "-" else apply_operator(value, operator, term)
        if result is None:
            yield step
            continue
        middle = f"={value}{operator}{term}" if factor else ""
        yield f"{value}{operator}{f'{factor}*' if factor else ''}{number}{middle}={result}"
        value = result
