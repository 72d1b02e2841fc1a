"""SQLite as this project uses it: one file, write-ahead log, a version, short transactions.

Journal mode WAL lets others read while a process writes. With ``synchronous=NORMAL`` a commit is in the
operating system's hands when it returns: a killed process loses nothing that was committed; a machine that goes
down may lose the last commits, never tear one.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ttscale.errors import DataError

MEMORY = Path(":memory:")
"""In place of a file: a database that is gone when it is closed."""

_MAGIC = b"SQLite format 3\x00"


def is_database(path: Path) -> bool:
    """Whether a file is an SQLite database, by its first bytes."""
    with path.open("rb") as file:
        return file.read(len(_MAGIC)) == _MAGIC


def open_database(
    path: Path,
    *,
    layout: str,
    version: int,
    writable: bool,
    what: str,
    upgrades: Mapping[int, str] | None = None,
) -> sqlite3.Connection:
    """Open a database, and make its tables if it is new and to be written.

    Args:
        path: the file, or `MEMORY`.
        layout: statements that make the tables, each ended by a semicolon.
        version: of the layout.
        writable: whether it may be written; the directory must exist.
        what: kind of database, for messages: ``"sample bank"``.
        upgrades: statements that make a layout of the next version out of an older one, by that one's version.
            They are run where the database is to be written; to be read it is opened as it is.

    Raises:
        DataError: it is missing, of another version, or not such a database.
    """
    if not writable and path != MEMORY and not path.is_file():
        raise DataError(f"there is no {what} {str(path)!r}; check the path.")
    try:
        connection = _connect(path, writable=writable)
    except sqlite3.Error as error:
        raise DataError(f"the {what} {str(path)!r} cannot be opened: {error}.") from error
    try:
        _prepare(connection, layout, version, upgrades or {}, writable=writable)
        found = _version(connection)
    except sqlite3.Error as error:
        connection.close()
        raise DataError(f"{str(path)!r} is not a {what}: {error}.") from error
    if found != version and (writable or found not in (upgrades or {})):
        connection.close()
        raise DataError(
            f"the {what} {str(path)!r} has the layout of another version ({found}, not {version}); "
            f"read it with the ttscale that wrote it."
        )
    return connection


def _connect(path: Path, *, writable: bool) -> sqlite3.Connection:
    if writable or path == MEMORY:
        return sqlite3.connect(path, isolation_level=None)
    # Reading in WAL mode wants a file for its index beside the database, where there may be no place for one.
    place = "" if os.access(path.parent, os.W_OK) else "&immutable=1"
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro{place}", isolation_level=None, uri=True)


def _prepare(
    connection: sqlite3.Connection, layout: str, version: int, upgrades: Mapping[int, str], *, writable: bool
) -> None:
    connection.execute("PRAGMA busy_timeout = 10000")
    if not writable:
        return
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    with transaction(connection):
        found = _version(connection)
        if found == 0:
            _execute(connection, layout)
            found = version
        while found in upgrades:
            _execute(connection, upgrades[found])
            found += 1
        if found != _version(connection):
            connection.execute(f"PRAGMA user_version = {found}")


def _execute(connection: sqlite3.Connection, statements: str) -> None:
    """Run statements, each ended by a semicolon, within the transaction there is."""
    for statement in filter(str.strip, statements.split(";")):
        connection.execute(statement)


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


@contextmanager
def transaction(connection: sqlite3.Connection) -> Generator[None]:
    """Make a block one transaction: ``BEGIN IMMEDIATE`` to ``COMMIT``, or ``ROLLBACK`` on an exception."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
