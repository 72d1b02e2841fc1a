"""Turning records of questions and answers into problems."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final, cast

from ttscale.errors import DataError
from ttscale.records import Record
from ttscale.types import Problem, Prompt

INSTRUCTION: Final = "Please reason step by step, and put your final answer within \\boxed{}."
"""Added to the questions of answer-graded benchmarks unless they are given another."""

QUESTION_FIELDS: Final = ("question", "problem", "prompt", "input", "query")
ANSWER_FIELDS: Final = ("answer", "final_answer", "expected_answer", "target", "label", "solution", "output")
ID_FIELDS: Final = ("id", "unique_id", "problem_id", "question_id", "task_id", "idx", "index")

_GSM8K_ANSWER: Final = re.compile(r"####\s*(.+?)\s*$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Which field of a record holds what; ``None``: found by its name on the first record."""

    question: str | None = None
    answer: str | None = None
    id: str | None = None

    def found_in(self, record: Record) -> Columns:
        """Return the columns with every name settled; `id` may stay ``None``: rows are then numbered.

        Raises:
            DataError: a named field is missing, or there is none of the usual names.
        """
        return Columns(
            question=_find(record, self.question, QUESTION_FIELDS, "question"),
            answer=_find(record, self.answer, ANSWER_FIELDS, "answer"),
            id=_find(record, self.id, ID_FIELDS, "id") if self.id else _usual(record, ID_FIELDS),
        )


def _find(record: Record, given: str | None, usual: Sequence[str], parameter: str) -> str:
    have = ", ".join(record.fields)
    if given is not None:
        if given not in record.fields:
            raise DataError(f"{record.place} has no field {given!r}; it has: {have}.")
        return given
    found = _usual(record, usual)
    if found is None:
        raise DataError(f"{record.place} has none of the usual fields; say {parameter}=FIELD, one of: {have}.")
    return found


def _usual(record: Record, names: Sequence[str]) -> str | None:
    by_lower = {name.lower(): name for name in record.fields}
    return next((by_lower[name] for name in names if name in by_lower), None)


def to_problems(
    records: Iterable[Record],
    *,
    name: str,
    columns: Columns,
    instruction: str,
    limit: int | None = None,
    seed: int | None = None,
) -> Iterator[Problem]:
    """Yield one problem a record.

    Args:
        records: each must hold a question and an answer.
        name: begins the ids of rows that have none of their own.
        columns: where question, answer and id are.
        instruction: added to each question after a line break, unless empty.
        limit: at most so many.
        seed: with a limit, draw that many at random, in file order; ``None``: the first ones.

    Raises:
        DataError: a record lacks its question or answer, two have the same id, or there are none.
    """
    settled: Columns | None = None

    def make(record: Record, number: int) -> Problem:
        nonlocal settled
        settled = settled or columns.found_in(record)
        return _problem(record, settled, f"{name}-{number}", instruction)

    return made_of(records, make, name=name, limit=limit, seed=seed)


def made_of(
    records: Iterable[Record],
    make: Callable[[Record, int], Problem],
    *,
    name: str,
    limit: int | None = None,
    seed: int | None = None,
) -> Iterator[Problem]:
    """Yield what is made of each record.

    Args:
        records: one a problem.
        make: makes a problem of a record and its number, from 1.
        name: of the benchmark.
        limit: at most so many.
        seed: with a limit, draw that many at random, in file order; ``None``: the first ones.

    Raises:
        DataError: two problems have the same id, or there are none.
    """
    if limit is not None and seed is not None:
        records = _drawn(list(records), limit, seed)
    places: dict[str, str] = {}
    for number, record in enumerate(islice(records, limit), start=1):
        problem = make(record, number)
        if problem.id in places:
            both = f"{places[problem.id]} and {record.place}"
            raise DataError(f"{both} have the same id {problem.id!r}; make them differ or say id=FIELD.")
        places[problem.id] = record.place
        yield problem
    if not places:
        raise DataError(f"the benchmark {name!r} holds no problems; check its path and the limit.")


def _drawn(records: list[Record], limit: int, seed: int) -> list[Record]:
    chosen = random.Random(seed).sample(range(len(records)), min(limit, len(records)))
    return [records[index] for index in sorted(chosen)]


def _problem(record: Record, columns: Columns, number_id: str, instruction: str) -> Problem:
    question = _text(record, columns.question).strip()
    target = target_of(_text(record, columns.answer))
    given = record.fields.get(columns.id) if columns.id else None
    return Problem(
        id=number_id if given is None or given == "" else str(given),
        prompt=Prompt.user(f"{question}\n{instruction}" if instruction else question),
        target=target,
        meta={"question": question},
    )


def _text(record: Record, column: str | None) -> str:
    """Return a field as text; a list of answers is joined by commas."""
    value = record.fields.get(column or "")
    if isinstance(value, list | tuple):
        value = ", ".join(str(item) for item in cast("Sequence[object]", value))
    if value is None or not str(value).strip() or isinstance(value, Mapping):
        raise DataError(f"{record.place} has no text in its field {column!r}; mend the line or leave it out.")
    return str(value)


def target_of(answer: str) -> str:
    r"""Return the final answer of a reference answer or solution.

    That is what follows ``####`` at the end (GSM8K, with thousands separators taken out), else the content of
    the last ``\boxed{}``, else the whole text.
    """
    marked = _GSM8K_ANSWER.search(answer)
    if marked:
        return re.sub(r"(?<=\d),(?=\d{3})", "", marked[1])
    return _last_boxed(answer) or answer.strip()


def _last_boxed(text: str) -> str | None:
    start = text.rfind("\\boxed{")
    if start < 0:
        return None
    depth, begin = 0, start + len("\\boxed")
    for position in range(begin, len(text)):
        depth += (text[position] == "{") - (text[position] == "}")
        if depth == 0:
            return text[begin + 1 : position].strip() or None
    return None
