"""Candidates crossover: queries, candidates that are merged, a plan that changes, and when it is enough."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from tests.unit.agents import answer, ask, noted
from ttscale.budget import Budget
from ttscale.testing import Reply, virtual_clock
from ttscale.tools import FunctionTool, Tool
from ttscale.types import Prompt
from ttscale_strategies.dag.candidates_crossover import CandidatesCrossover

MARKS = {
    "Write a plan of research": "plan",
    "Write the one query": "query",
    "Say what the results answer": "candidate",
    "Answers to it by several": "crossover",
    "Does the plan have to change": "reflect",
    "The plan is to change": "replan",
    "How much of the plan": "progress",
    "Write the report": "report",
}
USUAL: dict[str, str] = {
    "plan": "1. find it",
    "query": "where is it",
    "candidate": "here",
    "crossover": "it is here",
    "reflect": '{"should_update": false, "updates": ""}',
    "replan": "2. find more",
    "progress": "50",
    "report": answer("7"),
}


class Researcher:
    """A model that replies by what it is asked for, and remembers all of it."""

    def __init__(self, replies: Mapping[str, str | Callable[[int], str | Reply]] | None = None) -> None:
        self.replies = {**USUAL, **(replies or {})}
        self.asked = list[tuple[str, str]]()

    def __call__(self, prompt: Prompt, seed: int, ordinal: int) -> Reply:
        kind = next(kind for mark, kind in MARKS.items() if mark in prompt.question)
        number = sum(kind == before for before, _ in self.asked)
        self.asked.append((kind, prompt.question))
        reply = self.replies[kind]
        said = reply if isinstance(reply, str) else reply(number)
        return said if isinstance(said, Reply) else Reply(said, seconds=1.0)

    def count(self, kind: str) -> int:
        return sum(kind == asked for asked, _ in self.asked)


def search_tool(found: list[str]) -> Tool:
    """Return a search tool that remembers its queries."""

    def search(query: str) -> str:
        """Search."""
        found.append(query)
        return f"results {len(found)}"

    return FunctionTool(function=search, name="search")


@virtual_clock
async def test_progress_of_50_and_then_95_percent_stops_at_the_tenth_step() -> None:
    model = Researcher({"progress": lambda number: ["50", "95"][number]})
    outcome, _ = await ask(CandidatesCrossover(), model)
    assert (model.count("query"), model.count("progress"), model.count("report")) == (10, 2, 1)
    assert noted(outcome, "progress") == [50.0, 95.0]
    assert (outcome.answer, outcome.stop_reason) == ("7", "finished")


@virtual_clock
async def test_90_percent_is_not_enough_and_30_queries_are() -> None:
    model = Researcher({"progress": "90"})
    await ask(CandidatesCrossover(), model)
    assert (model.count("query"), model.count("progress"), model.count("reflect")) == (30, 5, 29)


@virtual_clock
async def test_candidates_differ_in_temperature_and_top_k_and_go_side_by_side() -> None:
    model = Researcher()
    outcome, backend = await ask(CandidatesCrossover(max_iterations=1), model)
    drawn = [request.sampling for request in backend.requests[2:5]]
    assert [(one.temperature, one.top_k) for one in drawn] == [(0.5, 30), (1.0, 40), (1.5, 50)]
    # plan, query, candidates, crossover, report
    assert outcome.seconds == pytest.approx(5.0)


@virtual_clock
async def test_findings_of_searches_are_seen_by_all_that_follows() -> None:
    queries = list[str]()
    model = Researcher({"query": lambda number: f"query {number}", "crossover": lambda n: f"finding {n}"})
    await ask(CandidatesCrossover(max_iterations=2), model, tools=[search_tool(queries)])
    assert queries == ["query 0", "query 1"]
    candidates = [text for kind, text in model.asked if kind == "candidate"]
    assert all("results 1" in text for text in candidates[:3])
    assert all("finding 0" in text and "results 2" in text for text in candidates[3:])
    assert "finding 1" in model.asked[-1][1]


@virtual_clock
async def test_the_plan_changes_where_the_reflection_says_so() -> None:
    changes = '{"should_update": true, "updates": "look further"}'
    model = Researcher({"reflect": lambda number: changes if number == 0 else "no"})
    outcome, _ = await ask(CandidatesCrossover(max_iterations=3), model)
    (replan,) = (text for kind, text in model.asked if kind == "replan")
    assert "look further" in replan
    queries = [text for kind, text in model.asked if kind == "query"]
    assert ["2. find more" in text for text in queries] == [False, True, True]
    assert noted(outcome, "num_updates") == 1


@virtual_clock
async def test_candidates_that_fail_are_left_out_and_a_single_one_is_the_finding() -> None:
    def candidate(number: int) -> Reply:
        return Reply(f"candidate {number}", error="broken" if number < 2 else None)

    model = Researcher({"candidate": candidate})
    await ask(CandidatesCrossover(max_iterations=1), model)
    assert model.count("crossover") == 0
    assert "candidate 2" in model.asked[-1][1]


@virtual_clock
async def test_a_crossover_that_fails_leaves_the_first_candidate() -> None:
    model = Researcher({"crossover": lambda _: Reply("", error="broken")})
    await ask(CandidatesCrossover(max_iterations=1), model)
    assert "Finding: here" in model.asked[-1][1]


@virtual_clock
async def test_an_empty_query_ends_the_research() -> None:
    model = Researcher({"query": lambda number: "a query" if number == 0 else " \n "})
    outcome, _ = await ask(CandidatesCrossover(), model)
    assert (model.count("query"), model.count("candidate"), outcome.answer) == (2, 3, "7")


@virtual_clock
async def test_a_failing_search_is_shown_to_the_candidates() -> None:
    def search(query: str) -> str:
        raise RuntimeError("no index")

    model = Researcher()
    await ask(CandidatesCrossover(max_iterations=1), model, tools=[FunctionTool(function=search)])
    assert "Error: search failed: RuntimeError: no index" in model.asked[2][1]


@virtual_clock
async def test_a_spent_budget_returns_the_latest_finding_with_an_answer() -> None:
    model = Researcher({"crossover": lambda number: answer(str(number))})
    outcome, _ = await ask(CandidatesCrossover(), model, budget=Budget(samples=14))
    assert (outcome.answer, outcome.stop_reason) == ("1", "budget")


@virtual_clock
async def test_every_failure_is_told() -> None:
    outcome, backend = await ask(CandidatesCrossover(), Reply("x", error="broken"))
    assert (outcome.answer, outcome.stop_reason, outcome.error) == (None, "error", "broken")
    assert len(backend.records) == 3


def test_wrong_options_are_refused() -> None:
    with pytest.raises(ValueError, match="one top_k a temperature"):
        CandidatesCrossover(temperatures=(0.5,))
    with pytest.raises(ValueError, match="num_candidates must be >= 1"):
        CandidatesCrossover(temperatures=(), top_ks=())
