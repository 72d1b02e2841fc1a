"""Searches over local texts: a corpus of the user's, or facts that are held in memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ttscale.tools import ToolResult
from ttscale.tools.arguments import read_text, schema_of_texts
from ttscale.tools.corpus import Corpus, Passage, build_index
from ttscale.tools.search import ReadTool, SearchTool
from ttscale.types import JSON, Problem
from ttscale_evals.benchmarks.agents.files import AgentFile
from ttscale_evals.benchmarks.base import Attempt


@dataclass(frozen=True, kw_only=True)
class WithCorpus(AgentFile):
    """A benchmark whose file holds no facts: its tools find what is in a corpus of the user's."""

    corpus_path: str | None = None
    """Texts to search and read in: JSON lines of `title` and `text`, or an index made of them (see
    `ttscale.tools.corpus`), an extract of Wikipedia say. ``None``: there is no search, and models answer from
    what they know."""
    hits: int = 5
    """Most texts that a search returns, >= 1."""

    def attempt(self, problem: Problem) -> Attempt:
        """Begin one try, with `search` and `read` where there is a corpus."""
        del problem
        if self.corpus_path is None:
            return Attempt()
        search = SearchTool(path=self.corpus_path, limit=self.hits)
        return Attempt(tools=(search, ReadTool(path=self.corpus_path)))


@dataclass(frozen=True, slots=True, kw_only=True)
class FactSearch:
    """Full-text search over facts in memory: whole entries, best first, ranked as by `Corpus.search`."""

    corpus: Corpus = field(compare=False)
    hits: int
    """Most entries, >= 1."""
    name: str = "search"
    description: str = "Searches a collection of facts. Returns the entries that fit best, with their titles."
    parameters: Mapping[str, JSON] = field(
        default_factory=lambda: schema_of_texts(query="Words to look for, a name say."),
        init=False,
        repr=False,
        compare=False,
    )

    @classmethod
    def of(cls, facts: Iterable[Passage], *, hits: int) -> FactSearch:
        """Index facts and return the search over them."""
        return cls(corpus=Corpus(build_index(facts)), hits=hits)

    async def call(self, arguments: Mapping[str, JSON], /) -> ToolResult:
        """Search for ``query``: a list of ``{"title", "text"}``; nothing found is an empty list."""
        query = read_text(arguments, "query")
        if isinstance(query, ToolResult):
            return query
        found = self.corpus.search(query, limit=self.hits, snippet_words=64)
        return ToolResult(value=[{"title": passage.title, "text": passage.text} for passage in found])
