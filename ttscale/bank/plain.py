"""Plain pools: somebody else's rows of (problem, sample, prediction, length), without prompts or settings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final, cast

from ttscale.bank.bank import Bank
from ttscale.bank.gathering import Asked, Gathering
from ttscale.bank.plain_row import LATE, SPARSE, USUAL, PlainRow
from ttscale.bank.verdicts import Verdicts
from ttscale.errors import ConfigError, DataError
from ttscale.records import Record

_ROLES: Final = ", ".join(USUAL)


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
    error: str | None = None
    """Why it failed; null: it did not."""
    grade: str | None = None
    """What somebody's grader said of it: a number, a truth value, C or I, yes or no; null: nothing."""
    grades: str | None = None
    """What several graders said, by name."""

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

    def sparse(self) -> frozenset[str]:
        """Return the roles whose field may be missing in some rows."""
        return frozenset(role for role in SPARSE if role in LATE or getattr(self, role) is not None)

    def within(self, record: Record) -> Mapping[str, str]:
        """Return the field of each role that there is, judged by a pool's first row; later ones may have more.

        Raises:
            DataError: a named field, or one that must be there, is missing.
        """
        found = dict[str, str]()
        for role, usual in USUAL.items():
            named = cast("str | None", getattr(self, role))
            candidates = usual if named is None else (named,)
            name = next((name for name in candidates if name in record.fields), None)
            if name is not None or (named is not None and role in SPARSE):
                found[role] = name or cast("str", named)
            elif named is not None or role in ("problem", "length"):
                raise DataError(_missing(record, role, candidates))
        if "prediction" not in found and "text" not in found:
            raise DataError(_missing(record, "prediction", USUAL["prediction"]))
        return found


def _missing(record: Record, role: str, candidates: Iterable[str]) -> str:
    have = ", ".join(map(repr, record.fields))
    wanted = " or ".join(map(repr, candidates))
    return (
        f"{record.place} has no field {wanted}; it has {have}. "
        f"Name the field of the {role} in the pool's columns: {role}=FIELD."
    )


def add_plain_rows(
    records: Iterable[Record],
    bank: Bank,
    *,
    path: Path,
    columns: Columns,
    model: str | None = None,
    listener: Callable[[str], None] | None = None,
) -> None:
    """Add a plain pool to an empty bank.

    What `Gathering` says of problems and samples holds. Where rows lack the field that is named as their
    length, it is estimated from the text.

    Args:
        records: the rows.
        bank: where they go.
        path: the file they are from, for messages.
        columns: what their fields are.
        model: whose samples they are, where no field says it; default the file's name.
        listener: is told what grades there are, and of samples that failed or whose length is estimated.

    Raises:
        DataError: a row is corrupt or there twice, a sample is missing, a named field is in no row, or there
            are no rows.
        ConfigError: a model is named, and the rows name theirs.
    """
    names: Mapping[str, str] | None = None
    first: Record | None = None
    gathering, verdicts, roles = Gathering(bank), Verdicts(), set[str]()
    for record in records:
        if names is None:
            names, first = columns.within(record), record
        if model is not None and "model" in names:
            raise ConfigError(
                f"the rows of {str(path)!r} name their models, in the field {names['model']!r}; name none."
            )
        row = PlainRow(record, names, columns.sparse())
        address = row.address(default_model=model or path.name.split(".")[0])
        number = row.whole("sample") if "sample" in names else len(gathering.places.get(address, ()))
        asked, sample = Asked(question=row.text("question"), target=row.text("target")), row.read(number)
        gathering.add(address, sample, asked, place=record.place, are_tokens_estimated=row.is_estimated)
        verdicts.add(sample, is_estimated=row.is_estimated)
        roles.update(role for role, name in names.items() if name in record.fields)
    if names is None or first is None:
        raise DataError(f"{str(path)!r} is empty; a pool has at least one sample.")
    for role in sorted(names.keys() - roles):
        raise DataError(_missing(first, role, (names[role],)))
    _check_numbers(gathering, path)
    if listener is not None:
        for note in verdicts.notes():
            listener(note)


def _check_numbers(gathering: Gathering, path: Path) -> None:
    """Raise a DataError where a problem lacks a sample between others."""
    for address, seen in gathering.places.items():
        first = 0 if 0 in seen else 1
        if gaps := [number for number in range(first, max(seen)) if number not in seen]:
            raise DataError(
                f"{str(path)!r} lacks sample {gaps[0]} of {address}, which has {len(seen)} samples up to "
                f"number {max(seen)}; add the row, or number the samples without gaps."
            )
