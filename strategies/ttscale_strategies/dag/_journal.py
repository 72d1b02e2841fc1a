"""Results of tool calls on disk, so that an agent that was killed does not make them again."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Generator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Final

from ttscale.database import open_database
from ttscale.errors import ConfigError, DataError
from ttscale.tools import Tool, ToolResult, WrappedTool
from ttscale.types import JSON

FILE_NAME: Final = "calls.db"
_LAYOUT: Final = (
    "CREATE TABLE calls (whose TEXT, call TEXT, result TEXT, PRIMARY KEY (whose, call)) WITHOUT ROWID;"
)
_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class CallJournal:
    """The calls of one agent at one problem, in a file that many may share.

    A result belongs to a call by its id, its tool and its arguments: where an agent that begins again plans
    something else, that is called.
    """

    path: Path
    whose: str
    """All that tells this agent's calls from those of others."""
    kept: dict[str, ToolResult] = field(default_factory=dict[str, ToolResult])
    """Results by call."""

    @classmethod
    def of(cls, folder: str, *whose: JSON) -> CallJournal:
        """Return the journal in a folder, which is made, with what it has.

        Raises:
            ConfigError: there can be none.
        """
        journal = cls(Path(folder) / FILE_NAME, json.dumps(whose))
        try:
            journal.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"the journal {folder!r} cannot be made: {error}") from error
        with journal._open() as database:
            rows = database.execute("SELECT call, result FROM calls WHERE whose = ?", (journal.whose,))
            for call, result in rows:
                found = ToolResult(**json.loads(result))
                journal.kept[call] = replace(found, usd=0.0, waited_seconds=0.0, is_reused=True)
        return journal

    @contextmanager
    def _open(self) -> Generator[sqlite3.Connection]:
        try:
            what, path = "journal of calls", self.path
            database = open_database(path, layout=_LAYOUT, version=_VERSION, writable=True, what=what)
            with closing(database):
                yield database
        except (DataError, sqlite3.Error) as error:
            raise ConfigError(f"the journal {str(self.path)!r} cannot be used: {error}") from error

    def keep(self, call: str, result: ToolResult) -> None:
        """Write down what came of a call; a kill after this takes nothing away.

        Raises:
            ConfigError: the file cannot be written.
        """
        with self._open() as database:
            values = (self.whose, call, json.dumps(asdict(result)))
            database.execute("INSERT OR REPLACE INTO calls VALUES (?, ?, ?)", values)


@dataclass(frozen=True, slots=True)
class JournaledTool(WrappedTool):
    """A tool for one call, whose result is taken from a journal or kept there."""

    tool: Tool
    journal: CallJournal
    id: str
    """Of the call."""

    async def call(self, arguments: Mapping[str, JSON], /) -> ToolResult:
        """Make the call unless it was made before; an error that may pass is not kept."""
        call = json.dumps([self.id, self.tool.name, arguments], sort_keys=True)
        if (kept := self.journal.kept.get(call)) is not None:
            return kept
        result = await self.tool.call(arguments)
        if not result.is_transient:
            self.journal.keep(call, result)
        return result
