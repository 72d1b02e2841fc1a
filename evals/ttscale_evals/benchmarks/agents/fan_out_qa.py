"""FanOutQA: questions that fan out into many, with their gold decompositions as graphs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, cast

from pydantic import TypeAdapter
from typing_extensions import TypedDict

from ttscale.errors import DataError, TTScaleError
from ttscale.records import Record
from ttscale.tools.corpus import Passage
from ttscale.types import JSON, Problem, Prompt
from ttscale.workers import Workers
from ttscale_evals.benchmarks.agents.corpus import FactSearch
from ttscale_evals.benchmarks.agents.files import AgentFile, final_answer, row_of, text_grade
from ttscale_evals.benchmarks.base import Attempt, Grade
from ttscale_evals.metrics.graphs import TaskGraph
from ttscale_evals.metrics.texts import answer_strings, flat_text, loose_accuracy, rouge_l, rouge_n


class _Evidence(TypedDict):
    title: str


class SubQuestion(TypedDict):
    """One question of a decomposition, which may itself be decomposed."""

    id: str
    question: str
    answer: object
    depends_on: list[str]
    """Ids of those whose answers it is asked with."""
    decomposition: list[SubQuestion]
    evidence: _Evidence | None
    """The article that answers it; ``None`` where its own decomposition does."""


class _Row(TypedDict):
    id: str
    question: str
    answer: object
    decomposition: list[SubQuestion]


_ROWS: Final = TypeAdapter(_Row)


@dataclass(frozen=True, kw_only=True)
class FanOutQa(AgentFile):
    """310 questions about many things at once, with gold decompositions (Zhu et al. 2024, arXiv 2402.14116).

    The file is ``fanout-final-dev.json`` of the authors' repository (code MIT, data CC BY-SA 4.0). An answer is
    right where every string of the gold answer is found in it; its value is the share that is (`loose`), and
    ROUGE is measured beside it. The judges of the paper, BLEURT and a model, are left out.

    There is no Wikipedia here: `search` finds what the gold sub-questions of the whole file say, each an entry
    under the title of its article. A strategy is tested on what it asks, in which order and at once, not on
    reading articles: the closed-book corpus of gold facts.

    The meta of a problem has the gold decomposition as graphs of tasks of one second, `graph` and
    `composed_graph`, see `decomposition_graph`.
    """

    instruction: str = "Name every item that is asked for together with its answer, within \\boxed{}."
    """Added to each question after a line break; empty for none."""
    hits: int = 3
    """Most entries that a search returns, >= 1."""
    has_search: bool = True
    """Whether there is a search; without it models answer from what they know."""

    name = "fanoutqa"

    def __post_init__(self) -> None:
        if self.hits < 1:
            raise ValueError(f"hits must be >= 1, got {self.hits!r}")

    def make(self, record: Record, number: int) -> Problem:
        """Return the problem of a row."""
        del number
        row = row_of(record, _ROWS)
        try:
            graphs = [decomposition_graph(row["decomposition"], is_composed=own) for own in (False, True)]
        except (ValueError, TTScaleError) as error:
            raise DataError(f"{record.place}: the decomposition is no graph: {error}.") from error
        return Problem(
            id=row["id"],
            prompt=Prompt.user(self.asked(row["question"])),
            target=json.dumps(row["answer"], ensure_ascii=False),
            meta={
                "question": row["question"],
                "graph": graphs[0].to_json(),
                "composed_graph": graphs[1].to_json(),
            },
        )

    def attempt(self, problem: Problem) -> Attempt:
        """Begin one try, with a search over the gold facts of the whole file."""
        del problem
        return Attempt(tools=(self._search,) if self.has_search else ())

    async def grade(self, problem: Problem, answer: str | None, workers: Workers) -> Grade:
        """Grade by the strings found: strictly for right and wrong, loosely for the value."""
        del workers
        text, gold = final_answer(answer), cast("JSON", json.loads(problem.target or "null"))
        loose, flat = loose_accuracy(text, gold), flat_text(gold)
        measures = {
            "loose": loose,
            "strict": float(loose == 1.0),
            "rouge1": rouge_n(text, flat, 1),
            "rouge2": rouge_n(text, flat, 2),
            "rougeL": rouge_l(text, flat),
        }
        return text_grade(answer, correct=loose == 1.0, value=loose, measures=measures)

    @cached_property
    def _search(self) -> FactSearch:
        rows = (row_of(record, _ROWS) for record in self.records())
        facts = dict.fromkeys(fact for row in rows for fact in gold_facts(row["decomposition"]))
        return FactSearch.of(facts, hits=self.hits)


def gold_facts(decomposition: Sequence[SubQuestion]) -> Iterator[Passage]:
    """Yield what the sub-questions of a decomposition say, those of sub-questions included."""
    for sub in walked(decomposition):
        if sub["evidence"] is not None:
            said = ", ".join(_shown(sub["answer"]))
            yield Passage(title=sub["evidence"]["title"], text=f"{sub['question']} {said}")


def _shown(answer: object) -> list[str]:
    if isinstance(answer, Mapping):
        pairs = cast("Mapping[str, JSON]", answer).items()
        return [f"{key}: {', '.join(answer_strings(value))}" for key, value in pairs]
    return answer_strings(cast("JSON", answer))


def walked(decomposition: Sequence[SubQuestion]) -> Iterator[SubQuestion]:
    """Yield sub-questions and those within them, each before its own."""
    for sub in decomposition:
        yield sub
        yield from walked(sub["decomposition"])


def decomposition_graph(decomposition: Sequence[SubQuestion], *, is_composed: bool) -> TaskGraph:
    """Return a decomposition as a graph of tasks of one second each, one a sub-question at whatever depth.

    Args:
        decomposition: of a question.
        is_composed: whether a sub-question that is decomposed itself also waits for its parts, and these for
            what it depends on. By default only `depends_on` counts, as in published counts.

    Raises:
        ValueError: a sub-question depends on one that is not there.
        GraphError: they depend on each other.
    """
    edges = list[tuple[str, str]]()
    _add_edges(decomposition, (), edges, is_composed=is_composed)
    names = [sub["id"] for sub in walked(decomposition)]
    return TaskGraph(durations=dict.fromkeys(names, 1.0), edges=edges)


def _add_edges(
    decomposition: Sequence[SubQuestion],
    inherited: Sequence[str],
    edges: list[tuple[str, str]],
    *,
    is_composed: bool,
) -> None:
    for sub in decomposition:
        waits_for = list(dict.fromkeys([*inherited, *sub["depends_on"]]))
        parts = [part["id"] for part in sub["decomposition"]] if is_composed else []
        edges += [(before, sub["id"]) for before in (*waits_for, *parts)]
        _add_edges(sub["decomposition"], waits_for if is_composed else (), edges, is_composed=is_composed)
