"""What benchmarks from one data file share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final, TypeVar

from pydantic import TypeAdapter, ValidationError

from ttscale.answers import extract_answer
from ttscale.errors import DataError
from ttscale.records import Record, read_records
from ttscale.types import Problem
from ttscale.workers import Workers
from ttscale_evals.benchmarks.base import NO_ANSWER, Attempt, Grade
from ttscale_evals.benchmarks.questions import made_of

INSTRUCTION: Final = "Answer as briefly as you can, and put your final answer within \\boxed{}."
"""Added to questions unless they are given another."""

Row = TypeVar("Row")


@dataclass(frozen=True, kw_only=True)
class AgentFile:
    """Problems from a file that the user has; a subclass says what its rows mean and how answers are graded."""

    path: str
    """The file."""
    instruction: str = INSTRUCTION
    """Added to each question after a line break; empty for none."""
    seed: int | None = None
    """With a limit, which problems are drawn; ``None``: the first ones."""

    name: ClassVar[str]

    def problems(self, *, limit: int | None = None, seed: int | None = None) -> Iterator[Problem]:
        """Yield the problems, in file order.

        Raises:
            DataError: the file is missing or broken; the message names the line or item.
        """
        chosen = self.seed if seed is None else seed
        return made_of(self.records(), self.make, name=self.name, limit=limit, seed=chosen)

    def records(self) -> Iterator[Record]:
        """Yield the rows. Raises as `problems`."""
        return read_records(Path(self.path).expanduser())

    def make(self, record: Record, number: int) -> Problem:
        """Return the problem of a row.

        Args:
            record: the row.
            number: of the row, from 1.

        Raises:
            DataError: the row is not as it should be.
        """
        raise NotImplementedError

    async def grade(self, problem: Problem, answer: str | None, workers: Workers) -> Grade:
        """Grade an answer."""
        raise NotImplementedError

    def attempt(self, problem: Problem) -> Attempt:
        """Begin one try: there are no tools, unless the benchmark has some."""
        del problem
        return Attempt()

    def asked(self, question: str) -> str:
        """Return a question with the instruction."""
        return f"{question}\n{self.instruction}" if self.instruction else question


def row_of(record: Record, adapter: TypeAdapter[Row]) -> Row:
    """Return a record's fields, checked.

    Raises:
        DataError: a field is missing or of another type; the message names the line.
    """
    try:
        return adapter.validate_python(record.fields)
    except ValidationError as error:
        raise broken(record, error) from error


def broken(record: Record, error: ValidationError) -> DataError:
    """Return the error that says what is wrong with a row."""
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"]))
    what = "is missing" if first["type"] == "missing" else f"is wrong: {first['msg'].lower()}"
    return DataError(f"{record.place}: the field {where!r} {what}; mend the row or leave it out.")


def final_answer(answer: str | None) -> str:
    r"""Return what an answer says in its ``\boxed{}`` or the like, else all of it; empty for no answer."""
    return "" if answer is None else (extract_answer(answer) or answer).strip()


def text_grade(
    answer: str | None, *, correct: bool, value: float, measures: Mapping[str, float] | None = None
) -> Grade:
    """Return the grade of an answer, or that there was none."""
    return Grade(
        correct=correct and answer is not None,
        value=value,
        reason=NO_ANSWER if answer is None else "",
        measures=measures or {},
    )
