"""Results in SQLite: each is committed as its problem ends, and is there or is not, whatever happens.

1. One row a result, in one transaction with its trace and the time its cell has taken so far. The key is the
   hash of everything that determines the result; the same result put in twice is there once.
2. A problem that failed (stop reason ``"error"``) may be done again: the new result gets the next attempt
   number, and the old one stays, so that no token is forgotten.
3. Journal mode WAL lets a report be read while the run goes on. ``synchronous=NORMAL`` (see `ttscale.database`)
   is enough: problems whose commits a machine that goes down has lost are done again; ``FULL`` would guard
   against that with a wait for the disk, on the event loop, for each problem.
"""

from __future__ import annotations

import json
import sqlite3
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self, cast

from ttscale.database import open_database, transaction
from ttscale.errors import ConfigError
from ttscale.types import JSON, Outcome
from ttscale_evals.benchmarks.base import Grade
from ttscale_evals.store.cells import Begins, StoredCell, renumbering

_VERSION: Final = 2
"""Of the layout below; in the database's ``user_version``."""

_SESSIONS: Final = """
CREATE TABLE IF NOT EXISTS sessions (session INTEGER PRIMARY KEY, seconds REAL NOT NULL);
"""

_UPGRADES: Final = {
    1: "ALTER TABLE cells ADD COLUMN model TEXT; ALTER TABLE cells ADD COLUMN budget TEXT;"  # noqa: S608  # no input
    + _SESSIONS
    + "INSERT INTO sessions SELECT session, SUM(seconds) FROM stretches GROUP BY session;"
}
"""A run of version 1 had one model and one budget, which its config names, see `named`; rows took turns."""

_LAYOUT: Final = f"""
CREATE TABLE IF NOT EXISTS cells (
    number INTEGER PRIMARY KEY, benchmark TEXT NOT NULL, strategy TEXT NOT NULL,
    num_problems INTEGER NOT NULL, fingerprint TEXT NOT NULL, model TEXT, budget TEXT
);
CREATE TABLE IF NOT EXISTS results (
    key TEXT NOT NULL, attempt INTEGER NOT NULL, cell INTEGER NOT NULL REFERENCES cells (number),
    position INTEGER NOT NULL, problem TEXT NOT NULL, question TEXT NOT NULL, target TEXT NOT NULL,
    failed INTEGER NOT NULL, correct INTEGER NOT NULL,
    grade TEXT NOT NULL, outcome TEXT NOT NULL, finished_unix_seconds REAL NOT NULL,
    PRIMARY KEY (key, attempt)
);
CREATE TABLE IF NOT EXISTS traces (
    key TEXT NOT NULL, attempt INTEGER NOT NULL, spans BLOB NOT NULL, PRIMARY KEY (key, attempt)
);
CREATE TABLE IF NOT EXISTS stretches (
    cell INTEGER NOT NULL REFERENCES cells (number), session INTEGER NOT NULL, seconds REAL NOT NULL,
    PRIMARY KEY (cell, session)
);
{_SESSIONS}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of one problem."""

    key: str
    cell: int
    position: int
    """Of the problem in its benchmark, from 0."""
    problem_id: str
    question: str
    """As the model was asked."""
    target: str | None
    """Reference answer, where there is one."""
    outcome: Outcome
    grade: Grade
    attempt: int = 0
    """How often it had failed before."""

    @property
    def is_failed(self) -> bool:
        """Whether the problem was not brought to an end, for another reason than its budget."""
        return self.outcome.stop_reason == "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTrace:
    """The spans of one attempt at a problem."""

    key: str
    attempt: int
    cell: int
    problem_id: str
    packed: bytes
    """As the store keeps them: those of a great search take a tenth of what they take as objects."""

    @property
    def spans(self) -> tuple[Mapping[str, JSON], ...]:
        """Read the spans, anew each time: as in `Outcome.trace`."""
        return tuple(json.loads(zlib.decompress(self.packed)))


class ResultStore:
    """The database of one run; a context manager. It belongs to the thread that opened it."""

    def __init__(self, path: Path, *, writable: bool = False) -> None:
        """Open a database, with its tables made if it is to be written.

        Raises:
            ConfigError: it is missing, of another version, or not such a database.
        """
        self._path = path
        if not writable and not path.is_file():
            raise ConfigError(
                f"{str(path.parent)!r} holds no results ({path.name} is missing); check the directory."
            )
        self._connection = open_database(
            path, layout=_LAYOUT, version=_VERSION, writable=writable, what="run store", upgrades=_UPGRADES
        )
        try:
            self.session = self._next_session()
        except sqlite3.DatabaseError as error:
            self._connection.close()
            raise ConfigError(f"{str(path)!r} is not a run store: {error}.") from error

    def _next_session(self) -> int:
        return int(
            self._connection.execute("SELECT COALESCE(MAX(session), 0) + 1 FROM stretches").fetchone()[0]
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the database; calling it twice is harmless."""
        self._connection.close()

    # ── writing ───────────────────────────────────────────────────────────────────────────────────────────

    def name_cells(self, *, model: str, budget: str) -> None:
        """Write down the model and budget of cells that an older version made; see `named`."""
        with transaction(self._connection):
            self._connection.execute(
                "UPDATE cells SET model = ?, budget = ? WHERE model IS NULL", (_dump(model), _dump(budget))
            )

    def set_cells(self, cells: Sequence[StoredCell], *, begins: Begins | None = None) -> None:
        """Write down what the run will do: the same cells again, or with others among them, or raised ones.

        Results and seconds of a cell go with it to its new number.

        Args:
            cells: all of them.
            begins: see `Begins`; ``None``: no cell has more problems than before.

        Raises:
            ConfigError: a cell is gone, or the run began with other problems: the data have changed since.
        """
        before = self.cells()
        if before == list(cells):
            return
        numbers = renumbering(before, cells, begins, where=str(self._path.parent))
        with transaction(self._connection):
            for table in ("results", "stretches"):
                for old, new in numbers.items():  # out of the way first: numbers may change places
                    self._connection.execute(f"UPDATE {table} SET cell = ? WHERE cell = ?", (-1 - new, old))  # noqa: S608  # no input in it
                self._connection.execute(f"UPDATE {table} SET cell = -1 - cell WHERE cell < 0")  # noqa: S608  # no input in it
            self._connection.execute("DELETE FROM cells")
            self._connection.executemany(
                "INSERT INTO cells (number, benchmark, strategy, num_problems, fingerprint, model, budget) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                [
                    (
                        *(c.number, _dump(c.benchmark), _dump(c.strategy), c.num_problems, c.fingerprint),
                        *(_dump(c.model), _dump(c.budget)),
                    )
                    for c in cells
                ],
            )

    def add(
        self, result: Result, *, cell_seconds: float, session_seconds: float = 0.0, keep_trace: bool = True
    ) -> None:
        """Commit one result; a result of the same key and attempt that is there already stays as it is.

        Args:
            result: with the outcome's trace.
            cell_seconds: wall-clock seconds its cell has been at work in this session.
            session_seconds: wall-clock seconds of the session so far.
            keep_trace: whether the trace is stored too.
        """
        outcome = result.outcome.with_(trace=()).to_json()
        grade: JSON = {
            "correct": result.grade.correct,
            "value": result.grade.value,
            "reason": result.grade.reason,
            "measures": dict(result.grade.measures),
        }
        row = (
            *(result.key, result.attempt, result.cell, result.position, result.problem_id),
            *(_dump(result.question), _dump(result.target)),
            *(int(result.is_failed), int(result.grade.correct), _dump(grade), _dump(outcome), time.time()),
        )
        with transaction(self._connection):
            self._connection.execute("INSERT OR IGNORE INTO results VALUES (?,?,?,?,?,?,?,?,?,?,?,?)", row)
            if keep_trace:
                spans = zlib.compress(_dump(result.outcome.trace).encode(), level=1)
                self._connection.execute(
                    "INSERT OR IGNORE INTO traces VALUES (?,?,?)", (result.key, result.attempt, spans)
                )
            self._connection.execute(
                "INSERT INTO stretches VALUES (?,?,?) ON CONFLICT (cell, session) "
                "DO UPDATE SET seconds = MAX(seconds, excluded.seconds)",
                (result.cell, self.session, cell_seconds),
            )
            self._connection.execute(
                "INSERT INTO sessions VALUES (?,?) ON CONFLICT (session) "
                "DO UPDATE SET seconds = MAX(seconds, excluded.seconds)",
                (self.session, session_seconds),
            )

    # ── reading ───────────────────────────────────────────────────────────────────────────────────────────

    def cells(self) -> list[StoredCell]:
        """Return what the run does, in its order."""
        columns = {column[1] for column in self._connection.execute("PRAGMA table_info(cells)")}
        more = "model, budget" if "model" in columns else "NULL, NULL"
        rows = self._connection.execute(
            f"SELECT number, benchmark, strategy, num_problems, fingerprint, {more} FROM cells ORDER BY number"  # noqa: S608  # no input in it
        )
        return [
            StoredCell(
                number=number,
                benchmark=json.loads(benchmark),
                strategy=json.loads(strategy),
                num_problems=num_problems,
                fingerprint=fingerprint,
                model="" if model is None else json.loads(model),
                budget="" if budget is None else json.loads(budget),
            )
            for number, benchmark, strategy, num_problems, fingerprint, model, budget in rows
        ]

    def attempts(self) -> Mapping[str, tuple[int, bool]]:
        """Return of every key the number of the last attempt and whether that failed."""
        rows = self._connection.execute("SELECT key, MAX(attempt), failed FROM results GROUP BY key")
        return {key: (attempt, bool(failed)) for key, attempt, failed in rows}

    def results(self, cell: int | None = None, *, superseded: bool = False) -> Iterator[Result]:
        """Yield the last attempt at each problem, in the order of cells and problems; without traces.

        Args:
            cell: only of this cell.
            superseded: yield the earlier, failed attempts instead.
        """
        last = "SELECT MAX(attempt) FROM results AS other WHERE other.key = results.key"
        query = (
            "SELECT key, attempt, cell, position, problem, question, target, grade, outcome FROM results "  # noqa: S608  # no input in it
            f"WHERE (?1 IS NULL OR cell = ?1) AND attempt {'<' if superseded else '='} ({last}) "
            "ORDER BY cell, position, attempt"
        )
        with closing(self._connection.execute(query, (cell,))) as rows:
            for key, attempt, number, position, problem, question, target, grade, outcome in rows:
                yield Result(
                    key=key,
                    cell=number,
                    position=position,
                    problem_id=problem,
                    question=json.loads(question),
                    target=json.loads(target),
                    outcome=Outcome.from_json(_load(outcome)),
                    grade=Grade(**json.loads(grade)),
                    attempt=attempt,
                )

    def num_correct(self) -> int:
        """Return how many problems have a right answer."""
        rows = self._connection.execute("SELECT MAX(attempt), correct FROM results GROUP BY key")
        return sum(correct for _, correct in rows)

    def traces(self) -> Iterator[StoredTrace]:
        """Yield the trace of every attempt at each problem that has one kept, in the order of problems."""
        query = (
            "SELECT key, attempt, cell, problem, spans FROM results JOIN traces USING (key, attempt) "
            "ORDER BY cell, position, attempt"
        )
        with closing(self._connection.execute(query)) as rows:
            for key, attempt, cell, problem, spans in rows:
                yield StoredTrace(
                    key=key,
                    attempt=attempt,
                    cell=cell,
                    problem_id=problem,
                    packed=spans,
                )

    def wall_seconds(self, cell: int) -> float:
        """Return how long a cell has been at work in all sessions, up to its last result of each."""
        query = "SELECT COALESCE(SUM(seconds), 0.0) FROM stretches WHERE cell = ?"
        return float(self._connection.execute(query, (cell,)).fetchone()[0])

    def seconds_at_work(self) -> float:
        """Return how long all sessions have taken up to their last results."""
        tables = {name for (name,) in self._connection.execute("SELECT name FROM sqlite_master")}
        table = "sessions" if "sessions" in tables else "stretches"
        query = f"SELECT COALESCE(SUM(seconds), 0.0) FROM {table}"  # noqa: S608  # no input in it
        return float(self._connection.execute(query).fetchone()[0])


def _dump(document: JSON) -> str:
    # Escaped ASCII: a sample may end within a surrogate pair, which is no UTF-8.
    return json.dumps(document)


def _load(text: str) -> Mapping[str, JSON]:
    return cast("Mapping[str, JSON]", json.loads(text))
