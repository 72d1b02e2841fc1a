"""Plain pools: somebody else's rows of (problem, sample, prediction, length), without prompts or settings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final, cast, get_args

from ttscale.bank.bank import Bank
from ttscale.bank.gathering import Address, Asked, Gathering
from ttscale.bank.sample import RecordedSample, SampleHead
from ttscale.errors import ConfigError, DataError
from ttscale.records import Record
from ttscale.types import FinishReason, SampleUsage

_USUAL: Final[Mapping[str, tuple[str, ...]]] = {
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
}
"""Where a column is looked for that nobody named."""

_ROLES: Final = ", ".join(_USUAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Which field of a plain pool's rows says what; ``None``: the first there is of the usual names.

    A row must have `problem` and `length`, and `prediction` or `text`.
    """

    problem: str | None = None
    """The problem's id, unique within its benchmark."""
    sample: str | None = None
    """Number of the sample, from 0 or 1, which orders them; without it they are numbered as they come."""
    prediction: str | None = None
    """The answer somebody took from the sample; null: none."""
    length: str | None = None
    """Generated tokens, thinking included."""
    target: str | None = None
    model: str | None = None
    benchmark: str | None = None
    question: str | None = None
    text: str | None = None
    finish_reason: str | None = None
    """``"stop"`` where there is no such field."""
    seconds: str | None = None
    """How long the sample took."""

    @classmethod
    def parse(cls, names: Mapping[str, str]) -> Columns:
        """Return the columns of a mapping from role to field.

        Raises:
            ConfigError: there is no such role.
        """
        known = {f.name for f in fields(cls)}
        if unknown := sorted(names.keys() - known):
            raise ConfigError(f"a pool has no column for {unknown[0]!r}; it has: {_ROLES}.")
        return cls(**names)

    def within(self, record: Record) -> Mapping[str, str]:
        """Return the field of each role that there is, judged by a pool's first row.

        Raises:
            DataError: a named field, or one that must be there, is missing.
        """
        found = dict[str, str]()
        for role, usual in _USUAL.items():
            named = cast("str | None", getattr(self, role))
            candidates = usual if named is None else (named,)
            name = next((name for name in candidates if name in record.fields), None)
            if name is not None:
                found[role] = name
            elif named is not None or role in ("problem", "length"):
                raise DataError(_missing(record, role, candidates))
        if "prediction" not in found and "text" not in found:
            raise DataError(_missing(record, "prediction", _USUAL["prediction"]))
        return found


def _missing(record: Record, role: str, candidates: Iterable[str]) -> str:
    have = ", ".join(map(repr, record.fields))
    wanted = " or ".join(map(repr, candidates))
    return (
        f"{record.place} has no field {wanted}; it has {have}. "
        f"Name the field of the {role} in the pool's columns: {role}=FIELD."
    )


def add_plain_rows(
    records: Iterable[Record], bank: Bank, *, path: Path, columns: Columns, model: str | None = None
) -> None:
    """Add a plain pool to an empty bank.

    What `Gathering` says of problems and samples holds.

    Args:
        records: the rows.
        bank: where they go.
        path: the file they are from, for messages.
        columns: what their fields are.
        model: whose samples they are, where no field says it; default the file's name.

    Raises:
        DataError: a row is corrupt or there twice, a sample is missing, or there are no rows.
        ConfigError: a model is named, and the rows name theirs.
    """
    names: Mapping[str, str] | None = None
    gathering = Gathering(bank)
    for record in records:
        names = columns.within(record) if names is None else names
        if model is not None and "model" in names:
            raise ConfigError(
                f"the rows of {str(path)!r} name their models, in the field {names['model']!r}; name none."
            )
        row = _Fields(record, names)
        address = row.address(default_model=model or path.name.split(".")[0])
        number = row.whole("sample") if "sample" in names else len(gathering.places.get(address, ()))
        asked = Asked(question=row.text("question"), target=row.text("target"))
        gathering.add(address, row.read(number), asked, place=record.place)
    if names is None:
        raise DataError(f"{str(path)!r} is empty; a pool has at least one sample.")
    for address, seen in gathering.places.items():
        first = 0 if 0 in seen else 1
        if gaps := [number for number in range(first, max(seen)) if number not in seen]:
            raise DataError(
                f"{str(path)!r} lacks sample {gaps[0]} of {address}, which has {len(seen)} samples up to "
                f"number {max(seen)}; add the row, or number the samples without gaps."
            )


class _Fields:
    """A row's fields by role, each checked as it is read."""

    def __init__(self, record: Record, names: Mapping[str, str]) -> None:
        self.place = record.place
        self._record = record
        self._names = names

    def _value(self, role: str) -> object:
        name = self._names.get(role)
        if name is None:
            return None
        if name not in self._record.fields:
            raise DataError(f"{self.place} has no field {name!r}; add it or take the row out.")
        return self._record.fields[name]

    def _wrong(self, role: str, what: str) -> DataError:
        name, value = self._names[role], self._value(role)
        return DataError(f"{self.place}: {name}={value!r} is not {what}; mend the row or take it out.")

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

    def read(self, number: int) -> RecordedSample:
        """Return the sample."""
        reason = self.text("finish_reason") or "stop"
        if reason not in ("stop", "length"):
            raise self._wrong("finish_reason", f"one of {', '.join(get_args(FinishReason)[:2])}")
        head = SampleHead(
            draw=number,
            finish_reason="stop" if reason == "stop" else "length",
            usage=SampleUsage(generated=self.whole("length")),
            seconds=self._seconds(),
        )
        text = self._value("text")
        if text is not None and not isinstance(text, str):
            raise self._wrong("text", "text")
        return RecordedSample(head=head, text=text, prediction=self.text("prediction"))
