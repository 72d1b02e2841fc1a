"""Game of 24: four numbers, each to be used once, that give 24."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from pydantic import TypeAdapter
from typing_extensions import TypedDict

from ttscale.answers.arithmetic import read_arithmetic
from ttscale.errors import DataError
from ttscale.records import Record
from ttscale.tools.calculator import Calculator
from ttscale.types import Problem, Prompt
from ttscale.workers import Workers
from ttscale_evals.benchmarks.agents.files import AgentFile, final_answer, row_of, text_grade
from ttscale_evals.benchmarks.base import Attempt, Grade

TARGET: Final = 24


class _Row(TypedDict):
    Rank: str
    Puzzles: str


_ROWS: Final = TypeAdapter(_Row)
_SIGNS: Final = {"\\times": "*", "\\cdot": "*", "\\div": "/", "×": "*", "·": "*", "÷": "/", "−": "-", "–": "-"}
_FRACTION: Final = re.compile(r"\\[dt]?frac\{([^{}]*)\}\{([^{}]*)\}")
MAX_CHARACTERS: Final = 1000
"""A longer answer is no expression."""


@dataclass(frozen=True, kw_only=True)
class GameOf24(AgentFile):
    """1,362 puzzles by how many people solved them (Tree of Thoughts, arXiv 2305.10601, ``24.csv``; MIT).

    The paper, and LLMCompiler after it, take ranks 901 to 1000. An answer is right where it is an expression of
    ``+ - * /`` and brackets whose exact value is 24, with each of the numbers once and no other.
    """

    instruction: str = "Put the expression within \\boxed{}."
    """Added to each question after a line break; empty for none."""
    first_rank: int = 1
    """Of the puzzles that are taken, >= 1; higher ones are harder."""
    last_rank: int | None = None
    """Of the puzzles that are taken, itself included; ``None``: to the end."""

    name = "game24"

    def __post_init__(self) -> None:
        if self.first_rank < 1:
            raise ValueError(f"first_rank must be >= 1, got {self.first_rank!r}")
        if self.last_rank is not None and self.last_rank < self.first_rank:
            raise ValueError(f"last_rank must be >= first_rank, got {self.last_rank!r}")

    def records(self) -> Iterator[Record]:
        """Yield the rows of the chosen ranks."""
        for record in super().records():
            rank = _rank(record)
            if self.first_rank <= rank and (self.last_rank is None or rank <= self.last_rank):
                yield record

    def make(self, record: Record, number: int) -> Problem:
        """Return the problem of a row."""
        del number
        puzzle = row_of(record, _ROWS)["Puzzles"]
        numbers = [int(word) for word in puzzle.split() if word.isascii() and word.isdigit()]
        if len(numbers) != 4 or len(puzzle.split()) != 4:
            raise DataError(f"{record.place}: {puzzle!r} are not four whole numbers; mend the row.")
        shown = ", ".join(map(str, numbers))
        question = f"Use {shown}, each exactly once, with +, -, *, / and brackets to get {TARGET}."
        return Problem(
            id=f"{self.name}-{_rank(record)}",
            prompt=Prompt.user(self.asked(question)),
            meta={"question": question, "numbers": numbers, "rank": _rank(record)},
        )

    def attempt(self, problem: Problem) -> Attempt:
        """Begin one try, with a calculator."""
        del problem
        return Attempt(tools=(Calculator(),))

    async def grade(self, problem: Problem, answer: str | None, workers: Workers) -> Grade:
        """Grade by the expression's numbers and exact value."""
        del workers
        numbers = TypeAdapter(list[int]).validate_python(problem.meta["numbers"])
        is_right = makes_24(final_answer(answer), numbers)
        return text_grade(answer, correct=is_right, value=float(is_right))


def makes_24(text: str, numbers: list[int]) -> bool:
    """Whether an expression uses each number once, no other, and its exact value is 24.

    A side that says ``= 24`` may stand before or after it; LaTeX signs and fractions are read.
    """
    if len(text) > MAX_CHARACTERS:
        return False
    for sign, plain in _SIGNS.items():
        text = text.replace(sign, plain)
    text = _FRACTION.sub(r"((\1)/(\2))", text).replace("\\left", "").replace("\\right", "").strip("$. \n")
    sides = [side.strip() for side in text.split("=")]
    if len(sides) == 2 and str(TARGET) in sides:
        sides.remove(str(TARGET))
    if len(sides) != 1 or sorted(map(int, re.findall("[0-9]{1,9}", sides[0]))) != sorted(numbers):
        return False
    return read_arithmetic(f"({sides[0]})") == TARGET  # brackets say that it is no date or range


def _rank(record: Record) -> int:
    rank = row_of(record, _ROWS)["Rank"]
    if not (rank.isascii() and rank.isdigit()):
        raise DataError(f"{record.place}: the rank {rank!r} is no whole number; mend the row.")
    return int(rank)
