"""Queries of a database that cannot change it."""

from __future__ import annotations

import asyncio
import math
import sqlite3
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Final
from urllib.request import pathname2url

from ttscale.tools.arguments import read_text, schema_of_texts
from ttscale.tools.text import shortened
from ttscale.tools.threads import in_thread
from ttscale.tools.tool import ToolResult
from ttscale.types import JSON

_ALLOWED: Final = frozenset(
    {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
)
# `printf` may count to two billion within one instruction, in which nobody looks at the clock.
_REFUSED_FUNCTIONS: Final = frozenset(
    {"edit", "format", "fts3_tokenizer", "load_extension", "printf", "readfile", "writefile"}
)
_STEPS: Final = 1_000
"""Instructions of SQLite's machine between two looks at the clock."""
_MOST_TEXT: Final = 250_000
"""Bytes of one value and of a query: no function on them takes longer than a second or two."""
_MOST_PATTERN: Final = 200
"""Bytes of a pattern of LIKE or GLOB."""
_SPARE_SECONDS: Final = 2.0
"""How much longer than its time a query is waited for."""
_MOST_SHOWN: Final = 2_000
"""Characters of one value in a result."""
_MOST_SCHEMA: Final = 4_000
"""Characters of the tables' definitions in the tool's description."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlTool:
    """Reads a SQLite database: one SELECT a call, on a connection that cannot write.

    The file is opened read-only, every query that is not reading is refused by an authorizer (attached files,
    pragmas, extensions included), and time, rows and sizes are bounded. A query may sort a large table: the
    memory that takes is not.
    """

    path: str
    """A SQLite database."""
    max_rows: int = 50
    """Most rows of a result, >= 1."""
    timeout_seconds: float = 5.0
    """Longest time of a query, > 0."""
    name: str = "sql"
    """What models call it."""
    description: str = ""
    """What models are told of it; by default its tables are in it."""
    parameters: Mapping[str, JSON] = field(
        default_factory=lambda: schema_of_texts(query="One SELECT statement of SQLite."),
        init=False,
        repr=False,
        compare=False,
    )
    """JSON Schema of the arguments."""

    def __post_init__(self) -> None:
        if self.max_rows < 1:
            raise ValueError(f"max_rows must be >= 1, got {self.max_rows!r}")
        if not self.timeout_seconds > 0:
            raise ValueError(f"timeout_seconds must be > 0, got {self.timeout_seconds!r}")
        place = Path(self.path).resolve()
        try:
            tables = _tables(place, place.stat().st_mtime)
        except (OSError, sqlite3.Error) as error:
            raise ValueError(f"the database {self.path!r} cannot be read: {error}") from error
        if not self.description:
            described = f"Reads a SQLite database, one SELECT statement a call. Its tables:\n{tables}"
            object.__setattr__(self, "description", described)

    async def call(self, arguments: Mapping[str, JSON], /) -> ToolResult:
        """Run ``query``: ``{"columns", "rows", "has_more"}``, or an error that says what is wrong with it."""
        query = read_text(arguments, "query")
        if isinstance(query, ToolResult):
            return query
        try:
            async with asyncio.timeout(self.timeout_seconds + _SPARE_SECONDS):
                return await in_thread(lambda: self._run(query))
        except TimeoutError:
            return self._late()

    def _late(self) -> ToolResult:
        return ToolResult(error=f"the query took longer than {self.timeout_seconds:g} s")

    def _run(self, query: str) -> ToolResult:
        deadline = time.monotonic() + self.timeout_seconds
        try:
            with closing(_connect(Path(self.path).resolve())) as connection:
                _restrict(connection, deadline)
                cursor = connection.execute(query)
                columns = [column[0] for column in cursor.description or ()]
                rows = cursor.fetchmany(self.max_rows + 1)
        except (sqlite3.Error, sqlite3.Warning, ValueError) as error:
            if time.monotonic() >= deadline:
                return self._late()
            return ToolResult(error=f"the query was refused: {error}")
        shown = [[_plain(value) for value in row] for row in rows[: self.max_rows]]
        return ToolResult(value={"columns": columns, "rows": shown, "has_more": len(rows) > self.max_rows})


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{pathname2url(str(path))}?mode=ro", uri=True)


def _restrict(connection: sqlite3.Connection, deadline: float) -> None:
    """Let a connection read, until a time of the monotonic clock."""
    connection.execute("PRAGMA query_only = ON")
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MOST_TEXT)
    connection.setlimit(sqlite3.SQLITE_LIMIT_SQL_LENGTH, _MOST_TEXT)
    connection.setlimit(sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH, _MOST_PATTERN)
    connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    connection.set_progress_handler(lambda: int(time.monotonic() >= deadline), _STEPS)
    connection.set_authorizer(_authorize)


def _authorize(
    action: int, _first: str | None, second: str | None, _database: str | None, _trigger: str | None
) -> int:
    if action not in _ALLOWED:
        return sqlite3.SQLITE_DENY
    if action == sqlite3.SQLITE_FUNCTION and (second or "").lower() in _REFUSED_FUNCTIONS:
        return sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_OK


@lru_cache(maxsize=32)
def _tables(path: Path, _changed: float) -> str:
    """Return the definitions of a database's tables and views."""
    with closing(_connect(path)) as connection:
        rows = connection.execute(
            "SELECT sql FROM sqlite_master WHERE type IN ('table', 'view') AND sql IS NOT NULL ORDER BY rowid"
        ).fetchall()
    return shortened("\n".join(str(row[0]) for row in rows), _MOST_SCHEMA)


def _plain(value: object) -> JSON:
    if isinstance(value, bytes):
        return shortened(value.hex(), _MOST_SHOWN)
    if isinstance(value, str):
        return shortened(value, _MOST_SHOWN)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if isinstance(value, int | float) else None
