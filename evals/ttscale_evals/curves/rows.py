"""Rows of recorded samples with whatever they say of them: answers, targets, grades, rewards.

A row is a sample; or a problem with its ``samples`` in a list, each an object or ``[answer, grade, …]``; or a
problem whose fields are lists, with a place for each sample.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, cast

from ttscale.answers import extract_answer
from ttscale.bank.grades import grade_of
from ttscale.errors import ConfigError, DataError
from ttscale.records import Record
from ttscale.types import Problem, Prompt
from ttscale_evals.curves.collection import Asked, Collection, Drawn

_USUAL: Final[Mapping[str, tuple[str, ...]]] = {
    "problem": ("problem", "problem_id", "id", "idx", "i"),
    "sample": ("sample", "sample_id", "epoch"),
    "prediction": ("prediction", "pred", "answer"),
    "target": ("target", "gold", "gt", "reference", "ground_truth"),
    "model": ("model", "run"),
    "benchmark": ("benchmark", "dataset"),
    "question": ("question",),
    "text": ("text", "output", "completion", "response"),
    "grade": ("correct", "is_correct", "grade", "score"),
    "grades": ("grades", "scores", "alt"),
    "reward": ("reward", "rewards", "pred_score"),
    "error": ("error",),
    "samples": ("samples",),
}
"""Where what nobody named is looked for."""

_HEADER: Final = "_meta"
"""A line with this field describes the file, and is no row."""

_Fields = Mapping[str, object]


def check_roles(columns: Mapping[str, str]) -> None:
    """Find out whether there are such columns.

    Raises:
        ConfigError: there is no such role.
    """
    if unknown := sorted(columns.keys() - _USUAL.keys()):
        raise ConfigError(f"a pool has no column for {unknown[0]!r}; it has: {', '.join(_USUAL)}.")


def read_rows(records: Iterable[Record], *, columns: Mapping[str, str], name: str) -> list[Collection]:
    """Return what rows say, by model and benchmark in their order.

    Args:
        records: the rows.
        columns: from role to field, where the field's name is not a usual one.
        name: of the file: the model's, where no field says it.

    Raises:
        DataError: a row is wrong, or a sample is there twice; the line is named.
        ConfigError: there is no such role.
    """
    check_roles(columns)
    found = dict[tuple[str, str], dict[str, _Gathered]]()
    for record in records:
        if _HEADER in record.fields:
            continue
        row = _Row(record, columns)
        address = row.text("model") or name, row.text("benchmark") or ""
        problems = found.setdefault(address, {})
        problem = row.problem()
        gathered = problems.setdefault(problem.id, _Gathered(problem))
        gathered.add(row, problem)
    return [
        Collection(model=model, benchmark=benchmark, problems=[one.asked() for one in problems.values()])
        for (model, benchmark), problems in found.items()
    ]


@dataclass(slots=True)
class _Gathered:
    """The samples of a problem so far, by number."""

    known: Problem
    samples: dict[int, Drawn] = field(default_factory=dict[int, Drawn])

    def add(self, row: _Row, problem: Problem) -> None:
        """Add what a row has."""
        if (problem.target, problem.prompt) != (self.known.target, self.known.prompt):
            raise DataError(
                f"{row.place}: the question or target of problem {problem.id!r} differs from that of an "
                f"earlier row; mend one of them."
            )
        for fields in row.samples():
            number = row.number(fields)
            place = len(self.samples) if number is None else number
            if place in self.samples:
                raise DataError(
                    f"{row.place}: sample {place} of problem {problem.id!r} is there twice; take one out, or "
                    f"name the field that tells models apart, with --column model=FIELD."
                )
            self.samples[place] = row.drawn(fields)

    def asked(self) -> Asked:
        """Return the problem with its samples in order."""
        return Asked(problem=self.known, samples=[self.samples[number] for number in sorted(self.samples)])


class _Row:
    """One row, each field checked as it is read."""

    def __init__(self, record: Record, columns: Mapping[str, str]) -> None:
        self.place = record.place
        self._fields = record.fields
        self._columns = columns
        self._taken = set(columns.values())

    def _name(self, role: str, fields: _Fields) -> str | None:
        """Return the field of a role, if there is one; one that was named for another role is not looked at."""
        if role in self._columns:
            named = self._columns[role]
            return named if named in fields else None
        return next((name for name in _USUAL[role] if name in fields and name not in self._taken), None)

    def _value(self, role: str, fields: _Fields) -> object:
        name = self._name(role, fields)
        return None if name is None else fields[name]

    def text(self, role: str, fields: _Fields | None = None) -> str | None:
        """Return text, or a number as text; ``None`` where it is missing, null or empty."""
        fields = self._fields if fields is None else fields
        value = self._value(role, fields)
        if value is None or value == "":
            return None
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise self._wrong(role, fields, "text or a number")
        return str(value)

    def _wrong(self, role: str, fields: _Fields, what: str) -> DataError:
        name, value = self._name(role, fields), repr(self._value(role, fields))
        return DataError(
            f"{self.place}: {name}={value[:80]} is not {what}; mend it, or name another field with "
            f"--column {role}=FIELD."
        )

    def problem(self) -> Problem:
        """Return what the row is about."""
        name = self.text("problem")
        if name is None:
            have = ", ".join(map(repr, self._fields))
            raise DataError(
                f"{self.place} does not name its problem; it has {have}. Name the field with "
                f"--column problem=FIELD."
            )
        prompt = Prompt.user(self.text("question") or name)
        return Problem(id=name, prompt=prompt, target=self.text("target"))

    def samples(self) -> Sequence[_Fields]:
        """Return the fields of each of the row's samples."""
        nested = self._value("samples", self._fields)
        if isinstance(nested, list):
            return [self._sample(one) for one in cast("list[object]", nested)]
        columns = (self._value(role, self._fields) for role in ("prediction", "text", "grade"))
        length = next((len(cast("list[object]", found)) for found in columns if isinstance(found, list)), None)
        if length is None:
            return [self._fields]
        lists = {name: cast("list[object]", v) for name, v in self._fields.items() if isinstance(v, list)}
        aligned = {name: values for name, values in lists.items() if len(values) == length}
        return [{name: values[place] for name, values in aligned.items()} for place in range(length)]

    def _sample(self, one: object) -> _Fields:
        if isinstance(one, dict):
            return cast("dict[str, object]", one)
        if isinstance(one, list) and len(cast("list[object]", one)) >= 2:
            answer, grade, *_ = cast("list[object]", one)
            return {_USUAL["prediction"][0]: answer, _USUAL["grade"][0]: grade}
        raise DataError(f"{self.place} has a sample that is neither an object nor [answer, grade, …]; mend it.")

    def number(self, fields: _Fields) -> int | None:
        """Return the number of a sample; ``None``: nobody numbered it."""
        value = self._value("sample", fields)
        if isinstance(value, str) and value.isascii() and value.isdigit():
            value = int(value)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int):
            raise self._wrong("sample", fields, "a whole number")
        return value

    def drawn(self, fields: _Fields) -> Drawn:
        """Return a sample."""
        if self._name("prediction", fields) is None:
            text = self._value("text", fields)
            answer = extract_answer(text) if isinstance(text, str) else None
        else:
            answer = self.text("prediction", fields)
        return Drawn(
            answer=answer,
            grades=self._grades(fields),
            reward=self._reward(fields),
            has_failed=self._value("error", fields) not in (None, "", False),
        )

    def _grades(self, fields: _Fields) -> Mapping[str, float | None]:
        found = dict[str, float | None]()
        several = self._value("grades", fields)
        if isinstance(several, dict):
            named = cast("dict[str, object]", several)
            found = {name: self._grade(value, "grades", fields) for name, value in named.items()}
        if self._name("grade", fields) is not None:
            found[""] = self._grade(self._value("grade", fields), "grade", fields)
        return found

    def _grade(self, value: object, role: str, fields: _Fields) -> float | None:
        if value is None or value == "":
            return None
        grade = grade_of(value)
        if grade is None or not 0 <= grade <= 1:
            raise self._wrong(role, fields, "a grade, which is right, wrong or in [0, 1]")
        return grade

    def _reward(self, fields: _Fields) -> float | None:
        """Return the reward; of those of steps the last."""
        value = self._value("reward", fields)
        if isinstance(value, list):
            steps = cast("list[object]", value)
            value = steps[-1] if steps else None
        if value is None:
            return None
        try:
            reward = float(cast("float", value))
        except (TypeError, ValueError):
            reward = math.nan
        if not math.isfinite(reward):
            raise self._wrong("reward", fields, "a finite number")
        return reward
