"""Candidates crossover: research in steps, each answered by several candidates that are merged into one."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from ttscale.errors import BudgetExhausted
from ttscale.run import Run
from ttscale.template import numbered
from ttscale.tools import Toolbox, Tools
from ttscale.types import Outcome, Problem, Sample, Sampling
from ttscale_strategies.checks import require_at_least
from ttscale_strategies.dag.rules.research import (
    Reflection,
    num_research_calls,
    progress_in,
    query_in,
    reflection_in,
)
from ttscale_strategies.refine._rounds import one_sample
from ttscale_strategies.refine._workspace import fitted_texts, workspace_tokens
from ttscale_strategies.revision import asked_again, require_fields, without_thoughts
from ttscale_strategies.voting.poll import Ballot, Poll, keys_of
from ttscale_strategies.voting.rules import Majority

_STATE = ("question", "plan", "findings")
_TEMPLATES = {
    "research_plan": ("question",),
    "research_query": _STATE,
    "research_answer": (*_STATE, "query", "results"),
    "cross_over": ("question", "query", "candidates"),
    "research_reflect": _STATE,
    "research_replan": (*_STATE, "updates"),
    "research_progress": _STATE,
    "research_report": _STATE,
}
_NONE = "none"


@dataclass(frozen=True, kw_only=True)
class CandidatesCrossover:
    """Deep Researcher with candidates crossover and a plan that reflects (Prateek 2026, arXiv:2601.20843).

    A plan; then, one after another, queries by it. Each is searched for, and answered by several candidates
    side by side, of rising temperature and top-k, which one call crosses over; the merged answer is a finding
    that all later calls see. After each the model reflects whether the plan has to change, and every
    `progress_every` queries it says how much of the plan is done: beyond `enough_progress` percent, or after
    `max_iterations`, one last call writes the report, whose answer counts.

    Cost: with C candidates and I iterations ``2 + I * (C + 2) + 2 * (I - 1)`` calls at most and one for every
    look at the progress, and I searches; all but the candidates of a query go one after another.

    Departures: how many results a search brings, and of which least score, is the search tool's business (in
    the paper 5, and 0.3). A candidate that fails or says nothing is left out; a single one is the finding as
    it is. A query that fails, or is empty, ends the research. Nothing is reflected on after the last query.
    Findings that half of half a context does not hold are cut evenly, and so are results. Until the report is
    there, the last finding that states an answer is the best so far. `confidence` is the share of the texts
    that state an answer, findings and report, that state the one given.
    """

    tools: Tools = ()
    """The search tool, and others that are not used; none: those that come with the problem."""
    search: str | None = None
    """Name of the tool that is called with a query; ``None``: the first one. Without any tool nothing is
    searched for, and candidates answer by what they know."""
    query_argument: str = "query"
    """Name of the argument that takes the query."""
    max_iterations: int = 30
    """Queries, >= 1."""
    temperatures: tuple[float, ...] = (0.5, 1.0, 1.5)
    """Of the candidates, each >= 0."""
    top_ks: tuple[int, ...] = (30, 40, 50)
    """Of the candidates, each >= 1, one a temperature."""
    progress_every: int = 5
    """Queries between two looks at the progress, >= 1."""
    enough_progress: float = 90.0
    """Percent of the plan, in [0, 100], beyond which the report is written."""
    temperature: float | None = None
    """Of all other calls; ``None``: the model's own."""
    max_tokens: int | None = None
    """Most generated tokens of a call; ``None``: what the context leaves."""

    needs: ClassVar[frozenset[str]] = frozenset()

    def __post_init__(self) -> None:
        if len(self.temperatures) != len(self.top_ks):
            raise ValueError(
                f"there must be one top_k a temperature, got {len(self.top_ks)} for {len(self.temperatures)}"
            )
        self.max_samples()
        self.samplings()
        require_at_least(self.enough_progress, 0.0, "enough_progress")
        for name, fields in _TEMPLATES.items():
            require_fields(name, fields)

    def max_samples(self) -> int:
        """Return the most calls, see `num_research_calls`."""
        return num_research_calls(self.max_iterations, len(self.temperatures), self.progress_every)

    def samplings(self) -> list[Sampling]:
        """Return how the candidates' tokens are drawn."""
        return [
            Sampling(temperature=temperature, top_k=top_k, max_tokens=self.max_tokens)
            for temperature, top_k in zip(self.temperatures, self.top_ks, strict=True)
        ]

    async def solve(self, problem: Problem, run: Run) -> Outcome:
        """Research, and report, or answer by the findings when the budget is spent."""
        box = await Toolbox.open(run, self.tools or run.tools)
        return await _Research(self, run, box).outcome()


class _Research:
    """The plan and the findings."""

    def __init__(self, options: CandidatesCrossover, run: Run, box: Toolbox) -> None:
        self._options = options
        self._run = run
        self._box = box
        self._search = options.search or next(iter(box.names), None)
        self._plan = _NONE
        self._findings = list[str]()
        self._progress = list[float | None]()
        self._num_updates = 0
        self._poll = Poll(run, _latest, electorate=_latest_first)

    async def outcome(self) -> Outcome:
        """Research to the end.

        Raises:
            BudgetExhausted: the budget is spent before anything was found.
        """
        last: Sample | None = None
        try:
            last = await self._ask("plan", "research_plan", {})
            self._plan = _text(last) or _NONE
            for number in range(1, self._options.max_iterations + 1):
                if not await self._look_up(number) or await self._is_done(number):
                    break
            last = await self._ask("report", "research_report", self._state)
            await self._poll.add(replace(last, index=self._options.max_iterations + 1))
        except BudgetExhausted:
            if not self._poll.ballots:
                raise
            self._poll.stop_reason = "budget"
        return self._poll.outcome()

    @property
    def _state(self) -> dict[str, str]:
        fitted = fitted_texts(self._run, self._findings, self._room)
        return {"plan": self._plan, "findings": "\n\n".join(filter(None, fitted)) or _NONE}

    @property
    def _room(self) -> int | None:
        tokens = workspace_tokens(self._run, None)
        return None if tokens is None else tokens // 2

    # ── one query ─────────────────────────────────────────────────────────────────────────────────────────

    async def _look_up(self, number: int) -> bool:
        """Search for the next query, and take a finding in; return whether there was one to search for."""
        query = query_in(_text(await self._ask(f"query {number}", "research_query", self._state)))
        if not query:
            return False
        texts = await self._candidates(number, query, await self._results(query))
        merged = await self._crossed_over(number, query, texts)
        if merged is not None:
            self._findings.append(f"Query: {query}\nFinding: {_text(merged)}")
            await self._poll.add(replace(merged, index=number))
        self._run.note(num_queries=number, num_findings=len(self._findings))
        return True

    async def _results(self, query: str) -> str:
        if self._search is None:
            return _NONE
        found = await self._box.call(self._run, self._search, {self._options.query_argument: query})
        return fitted_texts(self._run, [found.text], self._room, keep="start")[0] or _NONE

    async def _candidates(self, number: int, query: str, results: str) -> list[Sample]:
        """Return the candidates that say something, in the order of their temperatures."""
        drawn = dict[int, Sample]()
        unpaid = list[BudgetExhausted]()
        values = {**self._state, "query": query, "results": results}

        async def draw(place: int, sampling: Sampling) -> None:
            try:
                label = f"candidate {number}.{place}"
                drawn[place] = await self._ask(label, "research_answer", values, sampling=sampling)
            except BudgetExhausted as error:
                unpaid.append(error)

        async with asyncio.TaskGroup() as group:
            for place, sampling in enumerate(self._options.samplings()):
                group.create_task(draw(place, sampling))
        if unpaid and not drawn:
            raise unpaid[0]
        return [drawn[place] for place in sorted(drawn) if _text(drawn[place])]

    async def _crossed_over(self, number: int, query: str, samples: Sequence[Sample]) -> Sample | None:
        """Return the candidates' crossover; of one that fails or says nothing, the first candidate."""
        if len(samples) < 2:
            return samples[0] if samples else None
        texts = fitted_texts(self._run, [_text(sample) for sample in samples], self._room)
        shown = numbered("Answer", [text for text in texts if text.strip()])
        merged = await self._ask(f"crossover {number}", "cross_over", {"query": query, "candidates": shown})
        return merged if _text(merged) else samples[0]

    # ── the plan ──────────────────────────────────────────────────────────────────────────────────────────

    async def _is_done(self, number: int) -> bool:
        """Mend the plan, and look at the progress now and then; return whether that is enough."""
        options = self._options
        if number == options.max_iterations:
            return False
        said = reflection_in(_text(await self._ask(f"reflection {number}", "research_reflect", self._state)))
        if said.should_update:
            await self._replan(number, said)
        if number % options.progress_every:
            return False
        self._progress.append(
            progress_in(_text(await self._ask(f"progress {number}", "research_progress", self._state)))
        )
        self._run.note(progress=list(self._progress))
        return (self._progress[-1] or 0.0) > options.enough_progress

    async def _replan(self, number: int, said: Reflection) -> None:
        changed = await self._ask(
            f"replan {number}", "research_replan", {**self._state, "updates": said.updates}
        )
        if text := _text(changed):
            self._plan = text
            self._num_updates += 1
            self._run.note(num_updates=self._num_updates)

    async def _ask(
        self, label: str, template: str, values: Mapping[str, str], *, sampling: Sampling | None = None
    ) -> Sample:
        options = self._options
        chosen = sampling or Sampling(temperature=options.temperature, max_tokens=options.max_tokens)
        async with self._run.child(label=label, numbered=False) as child:
            return await one_sample(child, asked_again(template, child, **values), chosen)


def _text(sample: Sample) -> str:
    """Return what a call says after its thoughts; nothing for one that failed."""
    return "" if sample.finish_reason in ("error", "abort") else without_thoughts(sample.text)


def _latest_first(ballots: Sequence[Ballot]) -> Sequence[Ballot]:
    return ballots[::-1]


def _latest(voters: Sequence[Ballot]) -> Majority | None:
    """Elect the latest answer, with its share of all."""
    votes = Counter(key for key in keys_of(voters) if key is not None)
    latest = next((ballot.key for ballot in voters if ballot.key is not None), None)
    return None if latest is None else Majority(latest, votes[latest], votes.total())
