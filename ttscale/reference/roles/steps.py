"""Which lines of a solution are right, and whether its answer is: the truth a judge learns.

A line is right if it and all lines before it are true and a right answer can still be reached from there. The
line with the box is right if its answer is. The text is a model's: it is matched against fixed patterns and
never evaluated.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from itertools import starmap, zip_longest
from typing import Final, Protocol, Self, TypeAlias, TypeVar, cast

from ttscale.answers.arithmetic import read_arithmetic
from ttscale.grammars.operations import apply_operator
from ttscale.prefix import num_common
from ttscale.reference.evaluate import boxed_answer
from ttscale.reference.roles.attempts import Attempts
from ttscale.template import RIGHT, WRONG

_RESULT = re.compile(r"(?:.*=)?([-+*/0-9]{1,40})=(-?[0-9]{1,18})")
_INTEGER = re.compile(r"\b[0-9]+\b", re.ASCII)
_BOX = "\\boxed{"

Grades: TypeAlias = tuple[tuple[int, str], ...]
"""Places in a text, in order, and of each whether it is right there: `RIGHT` or `WRONG`."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Labelled:
    """An attempt with its labels.

    Attributes:
        text: The attempt, stripped.
        steps: Its lines, empty ones left out.
        signs: Whether each line is right; as long as `steps`.
        grades: Of each line, places in it and whether it is right up to there, `RIGHT` or `WRONG`: every place
            up to the first mistake of all, in lines without a box, and those of `result_grades`.
        is_right: Whether the answer in its last box is right; an attempt without a box is wrong.
    """

    text: str
    steps: tuple[str, ...]
    signs: tuple[bool, ...]
    grades: tuple[Grades, ...]
    is_right: bool

    @property
    def is_clean(self) -> bool:
        """Whether the answer and every line are right."""
        return self.is_right and all(self.signs)


class _State(Protocol):
    """How far a solution has come."""

    def following(self) -> Mapping[str, Self]:
        """Return the lines that are right here, and the state after each."""
        ...


def split_steps(text: str) -> tuple[str, ...]:
    """Return the steps of a solution: its lines, stripped, without empty ones."""
    return tuple(line.strip() for line in text.strip().split("\n") if line.strip())


def label(attempts: Attempts, text: str) -> Labelled:
    """Label every line of one attempt at a problem.

    Args:
        attempts: The problem; its own texts are not looked at.
        text: The attempt.

    Raises:
        ValueError: The problem is of a data set whose steps cannot be checked.
    """
    steps, right = split_steps(text), is_right(attempts, boxed_answer(text))
    has_box = bool(steps) and _BOX in steps[-1]
    lines = steps[:-1] if has_box else steps
    true, place = _followed(_start(attempts), lines)
    signs = [number < true for number in range(len(lines))] + [right] * has_box
    right_places = [*map(len, lines[:true]), *([place] if true < len(lines) else [])]
    grades = tuple(starmap(_grades, zip_longest(steps, right_places)))
    return Labelled(text.strip(), steps, tuple(signs), grades, right)


@dataclass(frozen=True, slots=True)
class Lessons:
    """What can be learnt within a prompt that shows solutions, as `ttscale.reference.conversation.Turn` has it.

    One or the other: there are far more tokens to copy than lines to grade.
    """

    grades: Grades
    copied: tuple[tuple[int, int], ...]


COPY_SHARE: Final = 0.2
"""Share of a judge's conversations in which right lines are copied, and not graded."""


def lessons_within(text: str, solutions: Iterable[Labelled]) -> Lessons:
    """Return what a judge would say at the places of a prompt that shows solutions, and what is to be copied.

    At the end of a line it says whether all is right so far, of the last line whether the answer is; within a
    line, what `Labelled.grades` has. The lines that are right are to be copied.

    Args:
        text: The prompt, in which the solutions stand one after another, each followed by more text.
        solutions: The solutions.
    """
    grades, copied, end = list[tuple[int, str]](), list[tuple[int, int]](), 0
    for solution in solutions:
        end = text.index(solution.text, end)
        signs = (*solution.signs[:-1], solution.is_right)
        for step, within, sign in zip(solution.steps, solution.grades, signs, strict=True):
            begin = text.index(step, end)
            end = begin + len(step)
            grades += [(begin + place, said) for place, said in within]
            grades.append((end, RIGHT if sign else WRONG))
            if sign:
                copied.append((begin, end))
    return Lessons(tuple(grades), tuple(copied))


@functools.lru_cache(maxsize=1 << 14)
def result_grades(step: str) -> Grades:
    """Return of each digit of the number a line ends in whether it is that of what stands before the ``=``.

    It looks at this line alone, which may do a wrong thing rightly. A line that is no calculation has none.

    Args:
        step: One line.

    Returns:
        Places in the line, and `RIGHT` or `WRONG` of each: wrong from the first digit on that differs.
    """
    found = _RESULT.fullmatch(step)
    value = read_arithmetic(f"({found[1]})") if found is not None else None
    if found is None or value is None:
        return ()
    true = str(value) if value.denominator == 1 else ""
    stated, begin = found[2], found.start(2)
    signs = [true.startswith(stated[: number + 1]) for number in range(len(stated))]
    return tuple((begin + number, RIGHT if sign else WRONG) for number, sign in enumerate(signs))


def is_right(attempts: Attempts, answer: str) -> bool:
    """Whether an answer solves the problem, as reasoning-gym's checker says by a score of 1.

    Of a countdown, only expressions of whole numbers, `+ - * /` and brackets count, up to 200 characters.

    Raises:
        ValueError: The problem is of a data set whose answers cannot be checked.
    """
    return _of(_ANSWER_CHECKS, attempts.name)(_metadata(attempts), answer)


def can_reach(value: int, numbers: Iterable[int], target: int) -> bool:
    """Whether applying all numbers, one after another, can turn a value into the target.

    Every value on the way is a positive whole number. Up to five numbers take milliseconds.
    """
    return _can_reach(value, tuple(sorted(numbers)), target)


@functools.lru_cache(maxsize=1 << 16)
def _can_reach(value: int, numbers: tuple[int, ...], target: int) -> bool:
    if not numbers:
        return value == target
    for index, number in enumerate(numbers):
        rest = numbers[:index] + numbers[index + 1 :]
        results = (apply_operator(value, operator, number) for operator in "+-*/")
        if any(result is not None and _can_reach(result, rest, target) for result in results):
            return True
    return False


def _followed(state: _State, lines: Sequence[str]) -> tuple[int, int]:
    """Return how many lines are right before the first that is not, and how much of that one is."""
    for count, line in enumerate(lines):
        following = state.following()
        if line not in following:
            return count, max((num_common(line, right) for right in following), default=0)
        state = following[line]
    return len(lines), 0


def _grades(step: str, num_right: int | None) -> Grades:
    """Return the grades of a line, of which so much is right; None: it stands behind a mistake, or is a box."""
    found = dict(result_grades(step))
    if num_right is not None:
        found |= dict.fromkeys(range(num_right), RIGHT)
        if num_right < len(step):
            found[num_right] = WRONG
    return tuple(sorted(found.items()))


def _start(attempts: Attempts) -> _State:
    return _of(_STARTS, attempts.name)(_metadata(attempts))


def _metadata(attempts: Attempts) -> Mapping[str, object]:
    return cast("Mapping[str, object]", attempts.entry["metadata"])


def _of(table: Mapping[str, _T], name: str) -> _T:
    if name not in table:
        raise ValueError(f"The steps of {name!r} cannot be checked; use one of {', '.join(table)}.")
    return table[name]


@dataclass(frozen=True, slots=True)
class _Chain:
    """A sum so far, and the terms that are still to be added in this order, as written, with their signs."""

    total: int
    terms: tuple[str, ...]

    @classmethod
    def start(cls, metadata: Mapping[str, object]) -> Self:
        first, *rest = re.findall(r"[-+]?[0-9]+", str(metadata["expression"]).replace(" ", ""))
        return cls(int(first), tuple(rest))

    def following(self) -> Mapping[str, Self]:
        if not self.terms:
            return {}
        term, *rest = self.terms
        total = self.total + int(term)
        return {f"{self.total}{term}={total}": type(self)(total, tuple(rest))}


@dataclass(frozen=True, slots=True)
class _Legs:
    """The legs counted so far (None: none); of the animals that follow in this order, counts and legs."""

    total: int | None
    animals: tuple[tuple[int, int], ...]

    @classmethod
    def start(cls, metadata: Mapping[str, object]) -> Self:
        from reasoning_gym.arithmetic.leg_counting import ANIMALS

        counts = cast("Mapping[str, int]", metadata["animals"])
        return cls(None, tuple((count, int(ANIMALS[animal])) for animal, count in counts.items()))

    def following(self) -> Mapping[str, Self]:
        if not self.animals:
            return {}
        (count, legs), *rest = self.animals
        product, before = count * legs, self.total
        total = product + (before or 0)
        line = f"{count}*{legs}={product}"
        if before is not None:
            line = f"{before}+{count}*{legs}={before}+{product}={total}"
        return {line: type(self)(total, tuple(rest))}


@dataclass(frozen=True, slots=True)
class _Countdown:
    """The value reached so far (None: none), and the numbers that are left to reach the target with."""

    value: int | None
    numbers: tuple[int, ...]
    target: int

    @classmethod
    def start(cls, metadata: Mapping[str, object]) -> Self:
        return cls(None, tuple(cast("list[int]", metadata["numbers"])), cast("int", metadata["target"]))

    def following(self) -> Mapping[str, Self]:
        return dict(self._moves())

    def _moves(self) -> Iterator[tuple[str, Self]]:
        """Yield every operation of the running value, or at first of a number, with another number."""
        firsts = [(self.value, self.numbers)] if self.value is not None else _each_taken(self.numbers)
        for left, others in firsts:
            for number, rest in _each_taken(others):
                for operator in "+-*/":
                    result = apply_operator(left, operator, number)
                    if result is not None and can_reach(result, rest, self.target):
                        yield f"{left}{operator}{number}={result}", type(self)(result, rest, self.target)


def _each_taken(numbers: tuple[int, ...]) -> list[tuple[int, tuple[int, ...]]]:
    """Return each number with the others."""
    return [(number, numbers[:index] + numbers[index + 1 :]) for index, number in enumerate(numbers)]


def _is_sum(metadata: Mapping[str, object], answer: str) -> bool:
    total = sum(map(int, re.findall(r"[-+]?[0-9]+", str(metadata["expression"]).replace(" ", ""))))
    try:
        return Decimal(answer.replace(",", "")) == total
    except InvalidOperation:
        return False


def _is_leg_count(metadata: Mapping[str, object], answer: str) -> bool:
    from reasoning_gym.arithmetic.leg_counting import ANIMALS

    counts = cast("Mapping[str, int]", metadata["animals"])
    return answer == str(sum(count * int(ANIMALS[animal]) for animal, count in counts.items()))


def _is_countdown(metadata: Mapping[str, object], answer: str) -> bool:
    if read_arithmetic(f"({answer})") != metadata["target"]:  # in brackets: a difference may look like a range
        return False
    return sorted(map(int, _INTEGER.findall(answer))) == sorted(cast("list[int]", metadata["numbers"]))


_STARTS: Mapping[str, Callable[[Mapping[str, object]], _State]] = {
    "chain_sum": _Chain.start,
    "countdown": _Countdown.start,
    "leg_counting": _Legs.start,
}
_ANSWER_CHECKS: Mapping[str, Callable[[Mapping[str, object], str], bool]] = {
    "chain_sum": _is_sum,
    "countdown": _is_countdown,
    "leg_counting": _is_leg_count,
}
