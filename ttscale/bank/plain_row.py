"""One row of a plain pool, read field by field."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final, cast, get_args

from ttscale.bank.gathering import Address
from ttscale.bank.grades import grade_of
from ttscale.bank.logs.usage import estimated
from ttscale.bank.sample import RecordedSample, SampleHead
from ttscale.errors import DataError
from ttscale.records import Record
from ttscale.types import FinishReason, SampleUsage

USUAL: Final[Mapping[str, tuple[str, ...]]] = {
    "problem": ("problem", "problem_id", "id", "idx"),
    "sample": ("sample", "sample_id", "epoch"),
    "prediction": ("prediction", "pred", "answer"),
    "length": ("length", "completion_tokens", "num_tokens", "tokens"),
    "target": ("target", "gold", "reference"),
    "model": ("model", "run"),
    "benchmark": ("benchmark", "dataset"),
    "question": ("question",),
    "text": ("text", "output", "completion", "response"),
    "finish_reason": ("finish_reason",),
    "seconds": ("seconds",),
    "error": ("error",),
    "grade": ("grade", "correct"),
    "grades": ("grades", "alt"),
}
"""Where a column is looked for that nobody named."""

SPARSE: Final = ("length", "seconds", "error", "grade", "grades")
"""Roles whose field may be missing in some rows, where it was named."""
LATE: Final = ("error", "grade", "grades")
"""Roles whose field is looked for in every row, named or not; of the others the first row decides."""


class PlainRow:
    """A row's fields by role, each checked as it is read."""

    def __init__(self, record: Record, names: Mapping[str, str], sparse: Collection[str]) -> None:
        """Wrap a row.

        Args:
            record: the row.
            names: of its fields, by role.
            sparse: roles whose field it may lack.
        """
        self._record = record
        self._sparse = sparse
        self._names = {role: name for role in LATE if (name := _usual(role, record)) is not None} | {**names}

    @property
    def is_estimated(self) -> bool:
        """Whether nobody counted the sample's tokens."""
        is_missing = "length" in self._sparse and self._names["length"] not in self._record.fields
        return is_missing and self._error() is None

    def _value(self, role: str) -> object:
        name = self._names.get(role)
        if name is None or (role in self._sparse and name not in self._record.fields):
            return None
        if name not in self._record.fields:
            raise DataError(f"{self._record.place} has no field {name!r}; add it or take the row out.")
        return self._record.fields[name]

    def _wrong(self, role: str, what: str) -> DataError:
        name, value = self._names[role], self._value(role)
        return DataError(f"{self._record.place}: {name}={value!r} is not {what}; mend the row or take it out.")

    def whole(self, role: str) -> int:
        """Return a whole number >= 0; digits in text count as one."""
        value = self._value(role)
        if isinstance(value, str) and value.isascii() and value.isdigit():
            value = int(value)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**63:
            raise self._wrong(role, "a whole number")
        return value

    def text(self, role: str) -> str | None:
        """Return text, or a number as text; ``None`` where it is null or empty."""
        value = self._value(role)
        if value is None or value == "":
            return None
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise self._wrong(role, "text or a number")
        return str(value)

    def _seconds(self) -> float | None:
        written = self.text("seconds")
        if written is None:
            return None
        try:
            seconds = float(written)
        except ValueError:
            seconds = -1.0
        if not 0 <= seconds < float("inf"):
            raise self._wrong("seconds", "a number of seconds")
        return seconds

    def address(self, *, default_model: str) -> Address:
        """Return which problem it is about."""
        problem = self.text("problem")
        if problem is None:
            raise self._wrong("problem", "an id")
        return Address(self.text("model") or default_model, self.text("benchmark") or "", problem)

    def _error(self) -> str | None:
        value = self._value("error")
        return str(value) if value else None

    def _length(self, text: str | None) -> SampleUsage:
        if self._error() is not None and self._value("length") is None:
            return SampleUsage()
        return estimated(text) if self.is_estimated else SampleUsage(generated=self.whole("length"))

    def _grades(self) -> dict[str, float | None]:
        """Return what graders said, by name: the field's own of a single one."""
        found, grade, several = dict[str, float | None](), self._value("grade"), self._value("grades")
        if grade is not None:
            found[self._names["grade"]] = grade_of(grade)
        if isinstance(several, Mapping):
            named = cast("Mapping[str, object]", several)
            found |= {str(name): grade_of(value) for name, value in named.items()}
        elif several is not None:
            raise self._wrong("grades", "an object of grades by name")
        return found

    def _finish_reason(self) -> FinishReason:
        if self._error() is not None:
            return "error"
        reason = self.text("finish_reason") or "stop"
        if reason not in ("stop", "length"):
            raise self._wrong("finish_reason", f"one of {', '.join(get_args(FinishReason)[:2])}")
        return "stop" if reason == "stop" else "length"

    def read(self, number: int) -> RecordedSample:
        """Return the sample."""
        text = self._value("text")
        if text is not None and not isinstance(text, str):
            raise self._wrong("text", "text")
        head = SampleHead(
            draw=number,
            finish_reason=self._finish_reason(),
            error=self._error(),
            usage=self._length(text),
            seconds=self._seconds(),
        )
        return RecordedSample(head=head, text=text, prediction=self.text("prediction"), grades=self._grades())


def _usual(role: str, record: Record) -> str | None:
    """Return the field of a role by its usual names, if a row has one."""
    return next((name for name in USUAL[role] if name in record.fields), None)
