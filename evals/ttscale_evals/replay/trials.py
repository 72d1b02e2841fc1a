"""What came of each drawn order, kept in a run's directory beside its results."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeVar

import numpy as np

from ttscale.database import open_database, transaction
from ttscale.errors import DataError
from ttscale_evals.replay.matched import Curve, Floats, Measured
from ttscale_evals.replay.reference import Reference

T = TypeVar("T", Measured, Curve)

FILE_NAME: Final = "orders.sqlite"

_VERSION: Final = 1
_LAYOUT: Final = """
CREATE TABLE IF NOT EXISTS trials (
    cell INTEGER NOT NULL, place INTEGER NOT NULL, measured BLOB NOT NULL, PRIMARY KEY (cell, place)
);
CREATE TABLE IF NOT EXISTS refusals (
    cell INTEGER PRIMARY KEY, problem TEXT NOT NULL, reason TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS reference_votes (benchmark TEXT PRIMARY KEY, content BLOB NOT NULL);
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a strategy could not be replayed."""

    problem: str
    reason: str


class TrialStore:
    """The database of one run's drawn orders; a context manager. It belongs to the thread that opened it."""

    def __init__(self, run_dir: Path, *, writable: bool = False) -> None:
        """Open it, made if it is to be written.

        Raises:
            DataError: it is missing, of another version, or not such a database.
        """
        self._path = run_dir / FILE_NAME
        self._connection = open_database(
            self._path, layout=_LAYOUT, version=_VERSION, writable=writable, what="store of drawn orders"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    # ── writing ───────────────────────────────────────────────────────────────────────────────────────────

    def add_trial(self, cell: int, place: int, measured: Measured) -> None:
        """Commit what a cell's problems came to in one order.

        Args:
            cell: its number.
            place: of the order among the drawn ones, from 0.
            measured: of every problem of the cell.
        """
        self._write("INSERT OR REPLACE INTO trials VALUES (?, ?, ?)", cell, place, _pack(_named(measured)))

    def add_refusal(self, cell: int, refusal: Refusal) -> None:
        """Commit that a cell cannot be replayed; the first one stays."""
        row = (cell, json.dumps(refusal.problem), json.dumps(refusal.reason))
        self._write("INSERT OR IGNORE INTO refusals VALUES (?, ?, ?)", *row)

    def clear_refusal(self, cell: int) -> None:
        """Forget that a cell could not be replayed: it is tried again."""
        self._write("DELETE FROM refusals WHERE cell = ?", cell)

    def clear(self) -> None:
        """Forget everything: the run is to have other rows or more problems."""
        with transaction(self._connection):
            for table in ("trials", "refusals", "reference_votes"):
                self._connection.execute(f"DELETE FROM {table}")  # noqa: S608  # no input in it

    def set_reference(self, benchmark: str, model: str, reference: Reference) -> None:
        """Commit what a model's recordings on a benchmark are worth under plain majority voting."""
        arrays = {"any_correct": reference.any_correct, "prompt_tokens": reference.prompt_tokens}
        arrays |= _named(reference.single, "single/") | _named(reference.recorded, "recorded/")
        if reference.shuffled is not None:
            arrays |= _named(reference.shuffled, "shuffled/")
        row = (json.dumps([benchmark, model]), _pack(arrays))
        self._write("INSERT OR REPLACE INTO reference_votes VALUES (?, ?)", *row)

    def _write(self, statement: str, *row: object) -> None:
        with transaction(self._connection):
            self._connection.execute(statement, row)

    # ── reading ───────────────────────────────────────────────────────────────────────────────────────────

    def trials(self, cell: int) -> Mapping[int, Measured]:
        """Return what a cell came to, by place of the order."""
        rows = self._connection.execute(
            "SELECT place, measured FROM trials WHERE cell = ? ORDER BY place", (cell,)
        )
        return {place: self._unpack(Measured, _arrays(content)) for place, content in rows}

    def counts(self) -> Mapping[int, int]:
        """Return how many orders of each cell are done, by its number; cells without one are left out."""
        return dict(self._connection.execute("SELECT cell, COUNT(*) FROM trials GROUP BY cell").fetchall())

    def refusals(self) -> Mapping[int, Refusal]:
        """Return which cells cannot be replayed, and why, by number."""
        rows = self._connection.execute("SELECT cell, problem, reason FROM refusals")
        return {
            cell: Refusal(problem=json.loads(problem), reason=json.loads(reason))
            for cell, problem, reason in rows
        }

    def references(self) -> Mapping[tuple[str, str], Reference]:
        """Return the references by titles of benchmark and model; an older version left its one model empty."""
        rows = self._connection.execute("SELECT benchmark, content FROM reference_votes")
        return {_titles(json.loads(whose)): self._reference(_arrays(content)) for whose, content in rows}

    def _reference(self, arrays: Mapping[str, Floats]) -> Reference:
        recorded = self._unpack(Curve, arrays, "recorded/")
        is_shuffled = any(name.startswith("shuffled/") for name in arrays)
        return Reference(
            num_samples=recorded.correct.shape[1],
            single=self._unpack(Measured, arrays, "single/"),
            any_correct=self._array(arrays, "any_correct"),
            prompt_tokens=self._array(arrays, "prompt_tokens"),
            recorded=recorded,
            shuffled=self._unpack(Curve, arrays, "shuffled/") if is_shuffled else None,
        )

    def _unpack(self, cls: type[T], arrays: Mapping[str, Floats], prefix: str = "") -> T:
        return cls(**{f.name: self._array(arrays, prefix + f.name) for f in fields(cls)})

    def _array(self, arrays: Mapping[str, Floats], name: str) -> Floats:
        if name not in arrays:
            raise DataError(f"{str(self._path)!r} is damaged: {name} is missing; run the replay again.")
        return arrays[name]


def _titles(whose: str | list[str]) -> tuple[str, str]:
    return (whose, "") if isinstance(whose, str) else (whose[0], whose[1])


def _named(part: Measured | Curve, prefix: str = "") -> dict[str, Floats]:
    return {prefix + f.name: np.asarray(getattr(part, f.name), dtype=np.float64) for f in fields(part)}


def _pack(arrays: Mapping[str, Floats]) -> bytes:
    """Return arrays as a blob: their names first, then each of them."""
    content = io.BytesIO()
    np.savez_compressed(content, np.array(list(arrays)), *arrays.values())
    return content.getvalue()


def _arrays(content: bytes) -> Mapping[str, Floats]:
    """Read what `_pack` wrote."""
    with np.load(io.BytesIO(content), allow_pickle=False) as loaded:
        names: list[str] = loaded["arr_0"].tolist()
        return {name: loaded[f"arr_{place}"] for place, name in enumerate(names, start=1)}


def mean_of(trials: Mapping[int, Measured]) -> Measured:
    """Return the mean over orders, problem by problem.

    Args:
        trials: at least one, by place of the order.
    """
    every = list(trials.values())
    return Measured(
        **{f.name: np.mean([getattr(one, f.name) for one in every], axis=0) for f in fields(Measured)}
    )
