"""Tools that search a local corpus and read in it."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field

from ttscale.tools.arguments import read_text, schema_of_texts
from ttscale.tools.corpus import open_corpus
from ttscale.tools.threads import in_thread
from ttscale.tools.tool import ToolResult
from ttscale.types import JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchTool:
    """Full-text search over a local corpus (`ttscale.tools.corpus`): the passages that fit a query best."""

    path: str
    """A ``.jsonl`` file of ``{"title", "text"}``, or an index made of one."""
    limit: int = 5
    """Most passages, >= 1."""
    snippet_words: int = 40
    """Words that are shown of each, from 1 to 64."""
    timeout_seconds: float = 30.0
    """Longest time of a call, > 0; the first call to a ``.jsonl`` file indexes it, which is not counted."""
    name: str = "search"
    """What models call it."""
    description: str = "Searches a collection of texts. Returns the titles that fit best, each with a snippet."
    """What models are told of it."""
    parameters: Mapping[str, JSON] = field(
        default_factory=lambda: schema_of_texts(query="Words to look for."),
        init=False,
        repr=False,
        compare=False,
    )
    """JSON Schema of the arguments."""

    def __post_init__(self) -> None:
        if self.limit < 1:
            raise ValueError(f"limit must be >= 1, got {self.limit!r}")
        if not 1 <= self.snippet_words <= 64:
            raise ValueError(f"snippet_words must be from 1 to 64, got {self.snippet_words!r}")
        if not self.timeout_seconds > 0:
            raise ValueError(f"timeout_seconds must be > 0, got {self.timeout_seconds!r}")

    async def call(self, arguments: Mapping[str, JSON], /) -> ToolResult:
        """Search for ``query``: a list of ``{"title", "snippet"}``, best first; nothing found is an empty list.

        Raises:
            DataError: the corpus cannot be read.
        """
        query = read_text(arguments, "query")
        if isinstance(query, ToolResult):
            return query
        corpus = await in_thread(lambda: open_corpus(self.path))
        try:
            async with asyncio.timeout(self.timeout_seconds):
                found = await in_thread(
                    lambda: corpus.search(query, limit=self.limit, snippet_words=self.snippet_words)
                )
        except TimeoutError:
            return ToolResult(error=f"{self.name} took longer than {self.timeout_seconds:g} s")
        except sqlite3.Error as error:
            return ToolResult(error=f"{self.name} failed: {error}")
        return ToolResult(value=[{"title": passage.title, "snippet": passage.text} for passage in found])


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadTool:
    """Reads one text of a local corpus (`ttscale.tools.corpus`) by its title."""

    path: str
    """A ``.jsonl`` file of ``{"title", "text"}``, or an index made of one."""
    name: str = "read"
    """What models call it."""
    description: str = "Reads the whole text of a title that a search has found."
    """What models are told of it."""
    parameters: Mapping[str, JSON] = field(
        default_factory=lambda: schema_of_texts(title="The title, as the search gives it."),
        init=False,
        repr=False,
        compare=False,
    )
    """JSON Schema of the arguments."""

    async def call(self, arguments: Mapping[str, JSON], /) -> ToolResult:
        """Return the text of ``title``; where there is none, an error that names similar ones.

        Raises:
            DataError: the corpus cannot be read.
        """
        title = read_text(arguments, "title")
        if isinstance(title, ToolResult):
            return title

        def read() -> str | list[str]:
            corpus = open_corpus(self.path)
            passage = corpus.read(title)
            return [found.title for found in corpus.search(title, limit=3)] if passage is None else passage.text

        try:
            found = await in_thread(read)
        except sqlite3.Error as error:
            return ToolResult(error=f"{self.name} failed: {error}")
        if isinstance(found, str):
            return ToolResult(value=found)
        similar = f"; similar: {', '.join(map(repr, found))}" if found else ""
        return ToolResult(error=f"there is no text {title[:200]!r}{similar}")
