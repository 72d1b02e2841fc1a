"""Which lines of a solution are right, and whether its answer is: the truth a judge learns.

A line is right if it and all lines before it are true and a right answer can still be reached from there. The
line with the box is right if its answer is. The text is a model's: it is matched against fixed patterns and
never evaluated.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Final, Protocol, Self, TypeVar, cast

from ttscale.answers.arithmetic import read_arithmetic
from ttscale.reference.evaluate import boxed_answer
from ttscale.reference.problems import apply_operator
from ttscale.reference.roles.attempts import Attempts
from ttscale.template import RIGHT, WRONG

_NUMBER = r"([0-9]{1,9})"
_CHAIN_LINE = re.compile(rf"(-?[0-9]{{1,9}})([-+]){_NUMBER}=(-?[0-9]{{1,9}})")
_COUNTDOWN_LINE = re.compile(rf"{_NUMBER}([-+*/]){_NUMBER}=([0-9]{{1,18}})")
_LEGS_FIRST = re.compile(rf"{_NUMBER}\*{_NUMBER}={_NUMBER}")
_LEGS_LINE = re.compile(rf"{_NUMBER}\+{_NUMBER}\*{_NUMBER}={_NUMBER}\+{_NUMBER}={_NUMBER}")
_RESULT = re.compile(r"(?:.*=)?([-+*/0-9]{1,40})=(-?[0-9]{1,18})")
_INTEGER = re.compile(r"\b[0-9]+\b", re.ASCII)
_BOX = "\\boxed{"

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Labelled:
    """An attempt with its labels.

    Attributes:
        text: The attempt, stripped.
        steps: Its lines, empty ones left out.
        signs: Whether each line is right; as long as `steps`.
        is_right: Whether the answer in its last box is right; an attempt without a box is wrong.
    """

    text: str
    steps: tuple[str, ...]
    signs: tuple[bool, ...]
    is_right: bool

    @property
    def is_clean(self) -> bool:
        """Whether the answer and every line are right."""
        return self.is_right and all(self.signs)


class _State(Protocol):
    """How far a solution has come."""

    def after(self, line: str) -> Self | None:
        """Return the state after a line, or None if the line is not right."""
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
    true = _count_true(_start(attempts), lines)
    signs = [number < true for number in range(len(lines))] + [right] * has_box
    return Labelled(text.strip(), steps, tuple(signs), right)


@dataclass(frozen=True, slots=True)
class Lessons:
    """What can be learnt within a prompt that shows solutions, as `ttscale.reference.conversation.Turn` has it.

    One or the other: there are far more tokens to copy than lines to grade.
    """

    grades: tuple[tuple[int, str], ...]
    copied: tuple[tuple[int, int], ...]


COPY_SHARE: Final = 0.2
"""Share of a judge's conversations in which right lines are copied, and not graded."""


def lessons_within(text: str, solutions: Iterable[Labelled]) -> Lessons:
    """Return what a judge would say at the places of a prompt that shows solutions, and what is to be copied.

    At the end of a line it says whether all is right so far, of the last line whether the answer is; at each
    digit of a result, see `result_grades`. The lines that are right are to be copied.

    Args:
        text: The prompt, in which the solutions stand one after another, each followed by more text.
        solutions: The solutions.
    """
    grades, copied, end = list[tuple[int, str]](), list[tuple[int, int]](), 0
    for solution in solutions:
        end = text.index(solution.text, end)
        for step, sign in zip(solution.steps, (*solution.signs[:-1], solution.is_right), strict=True):
            begin = text.index(step, end)
            end = begin + len(step)
            grades += [(begin + place, said) for place, said in result_grades(step)]
            grades.append((end, RIGHT if sign else WRONG))
            if sign:
                copied.append((begin, end))
    return Lessons(tuple(grades), tuple(copied))


def result_grades(step: str) -> tuple[tuple[int, str], ...]:
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


def _count_true(state: _State, lines: Sequence[str]) -> int:
    """Return how many lines are right before the first that is not."""
    for count, line in enumerate(lines):
        following = state.after(line)
        if following is None:
            return count
        state = following
    return len(lines)


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
    """A sum so far, and the signed terms that are still to be added in this order."""

    total: int
    terms: tuple[int, ...]

    @classmethod
    def start(cls, metadata: Mapping[str, object]) -> Self:
        first, *rest = re.findall(r"[-+]?[0-9]+", str(metadata["expression"]).replace(" ", ""))
        return cls(int(first), tuple(map(int, rest)))

    def after(self, line: str) -> Self | None:
        found = _CHAIN_LINE.fullmatch(line)
        if found is None or not self.terms:
            return None
        total, term = self.total + self.terms[0], int(found[2] + found[3])
        is_true = (int(found[1]), term, int(found[4])) == (self.total, self.terms[0], total)
        return type(self)(total, self.terms[1:]) if is_true else None


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

    def after(self, line: str) -> Self | None:
        found = (_LEGS_FIRST if self.total is None else _LEGS_LINE).fullmatch(line)
        if found is None or not self.animals:
            return None
        count, legs = self.animals[0]
        total, wanted = count * legs, [count, legs, count * legs]
        if self.total is not None:
            total += self.total
            wanted = [self.total, count, legs, self.total, count * legs, total]
        return type(self)(total, self.animals[1:]) if list(map(int, found.groups())) == wanted else None


@dataclass(frozen=True, slots=True)
class _Countdown:
    """The value reached so far (None: none), and the numbers that are left to reach the target with."""

    value: int | None
    numbers: tuple[int, ...]
    target: int

    @classmethod
    def start(cls, metadata: Mapping[str, object]) -> Self:
        return cls(None, tuple(cast("list[int]", metadata["numbers"])), cast("int", metadata["target"]))

    def after(self, line: str) -> Self | None:
        found = _COUNTDOWN_LINE.fullmatch(line)
        if found is None:
            return None
        left, number, stated = int(found[1]), int(found[3]), int(found[4])
        rest = list(self.numbers)
        try:
            if self.value is None:
                rest.remove(left)
            rest.remove(number)
        except ValueError:
            return None
        result = apply_operator(left, found[2], number)
        if (self.value is not None and left != self.value) or result is None or result != stated:
            return None
        return type(self)(result, tuple(rest), self.target) if can_reach(result, rest, self.target) else None


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
