"""AsyncHow: how long everyday plans take at least, with as many helpers as one likes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, cast

from pydantic import TypeAdapter
from typing_extensions import TypedDict

from ttscale.errors import DataError, TTScaleError
from ttscale.records import Record
from ttscale.template import Template
from ttscale.types import Problem, Prompt
from ttscale.workers import Workers
from ttscale_evals.benchmarks.agents.files import AgentFile, final_answer, row_of, text_grade
from ttscale_evals.benchmarks.base import Grade
from ttscale_evals.metrics.durations import read_duration
from ttscale_evals.metrics.graphs import TaskGraph

GraphPrompt = Literal["none", "edge_list", "adjacency_list", "adjacency_matrix", "build"]
"""What is said of the graph beside the constraints in words: nothing; the graph itself, in one of three forms
(plan like a graph, PLaG); or that the model is to write it down first (build a graph, BaG)."""

_STORY: Final = (
    "{title}. These steps are needed, with the time that each takes:\n\n{steps}\n\n{constraints}\n\n{graph}How "
    "long does it take at least to do all of them, if there are helpers without limit, and steps that need not "
    "wait for each other are done at the same time?"
)

TEMPLATES: Final[Mapping[GraphPrompt, Template]] = {
    "none": Template.user(_STORY.replace("{graph}", "")),
    "edge_list": Template.user(
        _STORY.replace("{graph}", "As a graph, an edge (a, b) where step a ends before b begins:\n{edges}\n\n")
    ),
    "adjacency_list": Template.user(
        _STORY.replace("{graph}", "As a graph, with each step the steps that wait for it:\n{edges}\n\n")
    ),
    "adjacency_matrix": Template.user(
        _STORY.replace(
            "{graph}", "As a matrix, 1 where the step of the row is waited for by the column's:\n{edges}\n\n"
        )
    ),
    "build": Template.user(
        _STORY.replace(
            "{graph}", "First write down the graph as a list of edges, and the time of each step. Then answer. "
        )
    ),
}
"""Prompts by what they say of the graph; PLaG and BaG of arXiv 2402.02805, in words of our own."""

_START: Final = "START"
_END: Final = "END"


class _Row(TypedDict):
    id: int | str
    title: str
    steps: list[str]
    edges: list[tuple[str, str]]
    durations_text: dict[str, str]
    durations_seconds_min_max: dict[str, tuple[float, float]]
    task_time_seconds: tuple[float, float]


_ROWS: Final = TypeAdapter(_Row)


@dataclass(frozen=True, kw_only=True)
class AsyncHow(AgentFile):
    """Plans of WikiHow with durations and constraints (Lin et al. 2024, arXiv 2402.02805; MIT).

    The right answer is the longest path through the graph of the steps. An answer is right where the last
    duration it names is that, once units are the same; where the gold answer is a range, every part of it must
    lie within. The meta of a problem has the graph, with the longer duration of each step in seconds.

    Rows are JSON lines: `title`, `steps`, `edges` between the numbers of steps, `START` and `END`,
    `durations_text` and `durations_seconds_min_max` by step, `task_time_seconds` (shortest, longest).
    """

    graph: GraphPrompt = "none"
    """What the prompt says of the graph."""

    name = "asynchow"

    def make(self, record: Record, number: int) -> Problem:
        """Return the problem of a row."""
        del number
        row = row_of(record, _ROWS)
        graph = _graph_of(row, record.place)
        low, high = row["task_time_seconds"]
        question = self._question(row, graph)
        return Problem(
            id=str(row["id"]),
            prompt=Prompt.user(self.asked(question)),
            target=f"{high:.0f} seconds" if low == high else f"{low:.0f} to {high:.0f} seconds",
            meta={"question": question, "graph": graph.to_json(), "seconds": [low, high]},
        )

    async def grade(self, problem: Problem, answer: str | None, workers: Workers) -> Grade:
        """Grade by the last duration that an answer names."""
        del workers
        low, high = cast("Sequence[float]", problem.meta["seconds"])
        named = read_duration(final_answer(answer))
        is_right = named is not None and _at_most(low, named[0]) and _at_most(named[1], high)
        return text_grade(answer, correct=is_right, value=float(is_right))

    def _question(self, row: _Row, graph: TaskGraph) -> str:
        times = row["durations_text"]
        steps = [
            f"{number}. {step} ({times[str(number)]})" for number, step in enumerate(row["steps"], start=1)
        ]
        waits = [f"Step {first} must end before step {second} begins." for first, second in graph.edges]
        template = TEMPLATES[self.graph]
        shown = {"edges": _shown_edges(graph, self.graph)} if "edges" in template.fields else {}
        return template.render(
            title=row["title"].strip().rstrip("."),
            steps="\n".join(steps),
            constraints=" ".join(waits) or "No step waits for another one.",
            **shown,
        ).question


def _graph_of(row: _Row, place: str) -> TaskGraph:
    names = [str(number) for number in range(1, len(row["steps"]) + 1)]
    missing = [name for name in names if name not in row["durations_seconds_min_max"]]
    if missing or any(name not in row["durations_text"] for name in names):
        raise DataError(f"{place}: a step has no duration; mend the row or leave it out.")
    edges = [(first, second) for first, second in row["edges"] if first != _START and second != _END]
    durations = {name: row["durations_seconds_min_max"][name][1] for name in names}
    try:
        return TaskGraph(durations=durations, edges=edges)
    except (ValueError, TTScaleError) as error:
        raise DataError(f"{place}: the steps are no graph: {error}.") from error


def _shown_edges(graph: TaskGraph, how: GraphPrompt) -> str:
    if how == "edge_list":
        return ", ".join(f"({first}, {second})" for first, second in graph.edges) or "none"
    if how == "adjacency_list":
        after = {name: [second for first, second in graph.edges if first == name] for name in graph.durations}
        return "\n".join(f"{name}: {', '.join(later) or 'none'}" for name, later in after.items())
    edges = set(graph.edges)
    return "\n".join(
        " ".join(str(int((first, second) in edges)) for second in graph.durations) for first in graph.durations
    )


def _at_most(first: float, second: float) -> bool:
    return first <= second or math.isclose(first, second, rel_tol=1e-6)
