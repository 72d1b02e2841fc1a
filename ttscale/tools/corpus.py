"""Full-text search over a local corpus, with SQLite's FTS5."""

from __future__ import annotations

import json
import re
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final
from urllib.request import pathname2url

from ttscale.errors import DataError

_WORD: Final = re.compile(r"\w+")
_MOST_WORDS: Final = 64
"""Words of a query that are looked at."""
_MOST_SHOWN: Final = 64
"""Words of a snippet; what FTS5 allows."""
_TITLE_WEIGHT: Final = 5.0
"""How much more a word in a title counts than one in a text."""
_TABLES: Final = """
    CREATE VIRTUAL TABLE passages USING fts5(title, text, tokenize = 'porter unicode61 remove_diacritics 2');
    CREATE TABLE titles (folded TEXT PRIMARY KEY, number INTEGER NOT NULL) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Passage:
    """One text of a corpus."""

    title: str
    text: str


class Corpus:
    """Titles and texts with an index of their words; made by `open_corpus`, safe to use from any thread.

    Words are folded to their stems (Porter), upper case and accents are ignored, passages are ranked by BM25
    with the words of titles counted five times.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    def search(self, query: str, *, limit: int = 5, snippet_words: int = 40) -> list[Passage]:
        """Return the passages that fit a query best, each with the stretch of its text that fits best.

        A passage need not hold every word. Nothing in a query is an operator: quotation marks, ``AND``, ``*``
        and ``title:`` are words or nothing.

        Args:
            query: any text; its first 64 words count.
            limit: most passages, >= 1.
            snippet_words: words of a stretch, from 1 to 64.
        """
        words = list(dict.fromkeys(word.lower() for word in _WORD.findall(query)))[:_MOST_WORDS]
        if not words:
            return []
        match = " OR ".join(f'"{word}"' for word in words)
        snippet = f"snippet(passages, 1, '', '', '…', {min(max(1, snippet_words), _MOST_SHOWN)})"
        statement = (
            f"SELECT title, {snippet} FROM passages WHERE passages MATCH ? "  # noqa: S608  # a whole number
            f"ORDER BY bm25(passages, {_TITLE_WEIGHT}, 1.0), rowid LIMIT ?"
        )
        with self._lock:
            rows = self._connection.execute(statement, (match, limit)).fetchall()
        return [Passage(*row) for row in rows]

    def read(self, title: str) -> Passage | None:
        """Return the passage of that title, upper and lower case alike; ``None``: there is none."""
        statement = (
            "SELECT title, text FROM passages WHERE rowid = (SELECT number FROM titles WHERE folded = ?)"
        )
        with self._lock:
            row = self._connection.execute(statement, (_folded(title),)).fetchone()
        return None if row is None else Passage(*row)

    def close(self) -> None:
        """Close the index."""
        self._connection.close()


def _folded(title: str) -> str:
    return " ".join(title.replace("_", " ").casefold().split())


def build_index(passages: Iterable[Passage], path: Path | None = None) -> sqlite3.Connection:
    """Build the index of a corpus, in a new file or in memory, and return the connection to it.

    Of passages with one title `Corpus.read` finds the first.

    Args:
        passages: of the corpus.
        path: the file, which must not exist; ``None``: in memory.

    Raises:
        DataError: the file cannot be made, or exists.
    """
    if path is not None and path.exists():
        raise DataError(f"the index {str(path)!r} exists; delete it or choose another file.")
    try:
        connection = sqlite3.connect(path or ":memory:", check_same_thread=False)
        with connection:
            connection.executescript(_TABLES)
            for number, passage in enumerate(passages, start=1):
                connection.execute(
                    "INSERT INTO passages(rowid, title, text) VALUES (?, ?, ?)",
                    (number, passage.title, passage.text),
                )
                connection.execute(
                    "INSERT OR IGNORE INTO titles VALUES (?, ?)", (_folded(passage.title), number)
                )
    except sqlite3.Error as error:
        raise DataError(f"the index {str(path or 'in memory')!r} cannot be made: {error}.") from error
    return connection


def read_passages(path: Path) -> Iterator[Passage]:
    """Yield the passages of a JSONL file of objects with `title` and `text`.

    Raises:
        DataError: it cannot be read, or a line is no such object.
    """
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield _passage(line, f"{str(path)!r}, line {number}")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"the corpus {str(path)!r} cannot be read: {error}.") from error


def _passage(line: str, where: str) -> Passage:
    try:
        row: object = json.loads(line)
    except ValueError as error:
        raise DataError(f"{where}: {error}.") from error
    if isinstance(row, Mapping) and isinstance(row.get("title"), str) and isinstance(row.get("text"), str):
        return Passage(row["title"], row["text"])
    raise DataError(f"{where}: write {{'title': TEXT, 'text': TEXT}}.")


@lru_cache(maxsize=8)
def _opened(path: Path, _changed: float) -> Corpus:
    if path.suffix == ".jsonl":
        return Corpus(build_index(read_passages(path)))
    connection = sqlite3.connect(f"file:{pathname2url(str(path))}?mode=ro", uri=True, check_same_thread=False)
    try:
        connection.execute("SELECT number FROM titles JOIN passages ON passages.rowid = number LIMIT 1")
    except sqlite3.Error as error:
        connection.close()
        raise DataError(
            f"{str(path)!r} is no index: {error}; make one with ttscale.tools.corpus.build_index."
        ) from error
    return Corpus(connection)


def open_corpus(path: str | Path) -> Corpus:
    """Open a corpus: a ``.jsonl`` file, indexed in memory, or an index made by `build_index`.

    As long as the file does not change, every call returns the same corpus.

    Raises:
        DataError: the file cannot be read, or is neither.
    """
    place = Path(path).resolve()
    try:
        changed = place.stat().st_mtime
    except OSError as error:
        raise DataError(
            f"the corpus {str(path)!r} cannot be read: {error.strerror}; check the path."
        ) from error
    with _OPENING:
        return _opened(place, changed)


_OPENING: Final = threading.Lock()


def write_index(source: Path, target: Path) -> None:
    """Index a JSONL corpus once and for all, in a file that `open_corpus` takes.

    Raises:
        DataError: the corpus cannot be read, or the file exists.
    """
    with closing(build_index(read_passages(source), target)):
        return
