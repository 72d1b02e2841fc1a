"""Full-text search: what is found, hostile queries, what is read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ttscale.errors import DataError
from ttscale.testing import virtual_clock
from ttscale.tools.corpus import Corpus, Passage, build_index, open_corpus, write_index
from ttscale.tools.search import ReadTool, SearchTool

PASSAGES = [
    Passage(
        "Tides", "The moon pulls the sea towards it. " + "Water is water. " * 60 + "Twice a day it is high."
    ),
    Passage("Moon", "A moon goes round a planet."),
    Passage("Café au lait", "Coffee with hot milk."),
    Passage("AND", 'An operator of logic; "NOT" is another.'),
]


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return Corpus(build_index(PASSAGES))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "it's a corpus?#.jsonl"
    path.write_text(
        "\n".join(json.dumps({"title": p.title, "text": p.text}) for p in PASSAGES), encoding="utf-8"
    )
    return path


@pytest.mark.parametrize(
    ("query", "titles"),
    [
        ("moon", ["Moon", "Tides"]),
        ("pulling moons", ["Tides", "Moon"]),
        ("CAFE", ["Café au lait"]),
        ("and", ["AND"]),
        ('"NOT"', ["AND"]),
        ("title:coffee*", ["Café au lait"]),
        ("zebra", []),
        ("", []),
        ('"', []),
        ("((( ^ * ) - : NEAR(", []),
    ],
)
def test_passages_are_found_by_their_words(corpus: Corpus, query: str, titles: list[str]) -> None:
    assert [passage.title for passage in corpus.search(query)] == titles


def test_a_snippet_is_the_stretch_that_fits_and_the_number_of_passages_is_bounded(corpus: Corpus) -> None:
    (found,) = corpus.search("twice a day moon", limit=1, snippet_words=8)
    assert found.title == "Tides"
    assert "Twice a day" in found.text or "moon" in found.text
    assert len(found.text.split()) <= 9


@settings(max_examples=20)
@given(st.text(max_size=30))
def test_no_query_is_an_operator(query: str) -> None:
    Corpus(build_index(PASSAGES[:1])).search(query)


@pytest.mark.parametrize(
    ("title", "found"), [("tides", "Tides"), ("café_AU  lait", "Café au lait"), ("Coffee", None)]
)
def test_a_text_is_read_by_its_title(corpus: Corpus, title: str, found: str | None) -> None:
    passage = corpus.read(title)
    assert (passage and passage.title) == found


@virtual_clock
async def _used(file: Path) -> list[object]:
    search, read = SearchTool(path=str(file), limit=1), ReadTool(path=str(file))
    return [
        (await search.call({"query": "milk"})).value,
        (await read.call({"title": "moon"})).value,
        (await read.call({"title": "the moon"})).error,
        (await search.call({"query": "?!"})).value,
        (await search.call({"q": "milk"})).error,
    ]


def test_the_tools_search_and_read_a_file(file: Path) -> None:
    assert _used(file) == [
        [{"title": "Café au lait", "snippet": "Coffee with hot milk."}],
        "A moon goes round a planet.",
        "there is no text 'the moon'; similar: 'Tides', 'Moon'",
        [],
        "there is no argument 'q'; give 'query', a text",
    ]


def test_an_index_is_made_once_and_opened_again(file: Path, tmp_path: Path) -> None:
    index = tmp_path / "index.db"
    write_index(file, index)
    assert open_corpus(index) is open_corpus(str(index))
    assert [passage.title for passage in open_corpus(index).search("milk")] == ["Café au lait"]
    with pytest.raises(DataError, match="exists"):
        write_index(file, index)


@pytest.mark.parametrize(
    ("text", "message"), [("{", "line 1"), ('{"title": 1, "text": "x"}', "line 1"), ("[1]\n", "line 1")]
)
def test_a_broken_line_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "broken.jsonl"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        open_corpus(path)


def test_what_is_no_corpus_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="check the path"):
        open_corpus(tmp_path / "none.jsonl")
    (tmp_path / "text.db").write_text("hello")
    with pytest.raises(DataError, match="is no index"):
        open_corpus(tmp_path / "text.db")
