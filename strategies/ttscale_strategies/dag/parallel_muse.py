"""ParallelMuse: trajectories that branch where an agent was least certain, and reports that are merged."""

from __future__ import annotations

import asyncio
import bisect
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Final, Literal, TypeAlias

from ttscale.answers import AnswerClasses, extract_answer
from ttscale.errors import BudgetExhausted
from ttscale.run import Run
from ttscale.template import numbered
from ttscale.tools import Toolbox, Tools
from ttscale.types import Outcome, Problem, Sample, Sampling
from ttscale_strategies.checks import require_positive
from ttscale_strategies.dag.acting import STEP_FIELDS, Step, call_begins, read_action, step_prompt, taken
from ttscale_strategies.dag.rules.uncertainty import (
    MISSING,
    EntropyForm,
    entropies_of,
    least_certain,
    least_certain_mixed,
    num_fresh,
    perplexity,
)
from ttscale_strategies.refine._rounds import one_sample
from ttscale_strategies.refine._workspace import fitted_texts, workspace_tokens
from ttscale_strategies.revision import asked_again, require_fields, without_thoughts
from ttscale_strategies.voting.poll import Poll, keys_of
from ttscale_strategies.voting.rules import likeliest

Region: TypeAlias = Literal["mixed", "think", "tool_call", "all"]
"""What of a step is looked at: its thoughts, its call, both as one, or half of the steps by each."""

_REPORT: Final = re.compile(r"<report>(.*?)</report>", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class ParallelMuse:
    """Partial rollouts from uncertain steps, and reports instead of votes (Li et al. 2025, arXiv:2510.24698).

    ``parallel_muse:n=8,k=2,branches=3`` first has M = 1 agent work the question out. Of its steps the k at
    which its tokens hesitated most are tried again, by r branches each, which begin with the steps before and
    so share their prefix in the engine's cache; the rest of the N trajectories start afresh, beside the first
    one. Each trajectory is compressed into a report, and one call that reads all reports answers.

    How much a step hesitated is exp of the mean entropy of its tokens, over the `num_top` likeliest of each,
    within a `region`: what it thought, the tool call that it made, all of it, or half of the steps by either.

    Cost: at most ``n * max_steps`` steps, n reports and one answer, less the steps that branches share.
    Latency: two trajectories, a report and the answer, one after another.

    Departures: branches are steps of a conversation written anew, so that their prompts are equal to the
    first one's to the letter; earlier thoughts are not shown to later steps. A trajectory without enough
    branchable steps has fresh ones in their place. Where the last call gives no answer the trajectories vote,
    where the paper predicts nothing. The paper's presence penalty is no field of ours. `confidence` is the
    share of the trajectories with an answer that have the one given.
    """

    tools: Tools = ()
    """What the agents may call; none: those that come with the problem."""
    n: int = 8
    """N, trajectories, >= M · (1 + k · r)."""
    num_initial: int = 1
    """M, those that others branch from, >= 1."""
    k: int = 2
    """Steps of each of these that are tried again, >= 0."""
    branches: int = 3
    """r, from each such step, >= 1."""
    region: Region = "mixed"
    entropy: EntropyForm = "exact"
    """Whether entropies are computed as they are defined, or as in the paper's code."""
    num_top: int = 16
    """Likeliest tokens looked at, >= 1; at most what the model gives."""
    max_steps: int = 16
    """Of a trajectory, >= 1."""
    temperature: float | None = 0.6
    """The paper's; ``None``: the model's own."""
    top_p: float | None = 0.95
    max_tokens: int | None = None
    """Most generated tokens of a call; ``None``: what the context leaves."""
    template: str = "act"
    """Name of the prompt of a step, with the fields question, tools and steps."""
    report_template: str = "report_steps"
    """Name of the one that asks for a report, with the fields question and steps."""
    integrate_template: str = "integrate_reports"
    """Name of the one that asks for the answer, with the fields question and reports."""

    needs: ClassVar[frozenset[str]] = frozenset({"max_top_logprobs", "token_ids"})

    def __post_init__(self) -> None:
        num_fresh(self.n, self.num_initial, self.k, self.branches)
        require_positive(self.num_top, "num_top")
        require_positive(self.max_steps, "max_steps")
        self.sampling()
        require_fields(self.template, STEP_FIELDS)
        require_fields(self.report_template, ("question", "steps"))
        require_fields(self.integrate_template, ("question", "reports"))

    def max_samples(self) -> None:
        """Return ``None``: how many steps branches share depends on where they branch; see the cost above."""
        return

    def sampling(self, *, logprobs: int | None = None) -> Sampling:
        """Return how tokens are drawn."""
        return Sampling(
            temperature=self.temperature, top_p=self.top_p, max_tokens=self.max_tokens, logprobs=logprobs
        )

    async def solve(self, problem: Problem, run: Run) -> Outcome:
        """Explore, report, and answer, or answer by what there is when the budget is spent."""
        box = await Toolbox.open(run, self.tools or run.tools)
        return await _Exploration(self, run, box).outcome()


@dataclass(frozen=True, slots=True)
class Hesitation:
    """Perplexities of a step, `MISSING` where it has no such region."""

    think: float
    tool_call: float
    all: float


@dataclass(slots=True)
class _Trajectory:
    """One agent's way."""

    number: int
    steps: list[Step]
    hesitations: list[Hesitation]
    """Of the steps, its last words included."""
    last: Sample | None = None
    report: str | None = None


class _Exploration:
    """All trajectories and their reports."""

    def __init__(self, options: ParallelMuse, run: Run, box: Toolbox) -> None:
        self._options = options
        self._run = run
        self._box = box
        self._poll = Poll(run)
        self._hearing = asyncio.Lock()
        self._ended = dict[int, _Trajectory]()
        self._branched = dict[int, tuple[int, ...]]()
        self._unpaid = list[BudgetExhausted]()

    async def outcome(self) -> Outcome:
        """Explore, and integrate.

        Raises:
            BudgetExhausted: the budget does not buy a single step.
        """
        options = self._options
        per_initial = 1 + options.k * options.branches
        async with asyncio.TaskGroup() as group:
            for number in range(options.num_initial):
                group.create_task(self._branch_out(group, number * per_initial))
            for number in range(options.num_initial * per_initial, options.n):
                group.create_task(self._explore(number, ()))
        if self._unpaid:
            if not self._poll.ballots:
                raise self._unpaid[0]
            self._poll.stop_reason = "budget"
        return await self._integrated()

    async def _branch_out(self, group: asyncio.TaskGroup, number: int) -> None:
        """Follow an initial trajectory, then start its branches; those it has no steps for start afresh."""
        options = self._options
        first = await self._follow(number, ())
        places = chosen_places(options.region, first.hesitations, options.k)
        self._branched[number] = places
        self._run.note(branched=[list(self._branched[initial]) for initial in sorted(self._branched)])
        starts = [first.steps[:place] for place in places for _ in range(options.branches)]
        starts += [[] for _ in range(options.k * options.branches - len(starts))]
        for offset, start in enumerate(starts, start=1):
            group.create_task(self._explore(number + offset, start))
        await self._end(first)

    async def _explore(self, number: int, start: Sequence[Step]) -> None:
        await self._end(await self._follow(number, start))

    # ── trajectories ──────────────────────────────────────────────────────────────────────────────────────

    async def _follow(self, number: int, start: Sequence[Step]) -> _Trajectory:
        """Take steps until the agent answers or fails, or `max_steps` are taken."""
        options = self._options
        way = _Trajectory(number, list(start), [])
        try:
            async with self._run.child(label=f"trajectory {number}", numbered=False) as child:
                num_top = min(options.num_top, child.capabilities.max_top_logprobs)
                while len(way.steps) < options.max_steps:
                    prompt = step_prompt(options.template, child, self._box, way.steps)
                    sample = await one_sample(child, prompt, options.sampling(logprobs=num_top))
                    if way.last is None or not sample.is_error:
                        way.last = sample
                    if sample.finish_reason in ("error", "abort"):
                        break
                    way.hesitations.append(hesitation(child, sample, num_top, options.entropy))
                    action = read_action(sample.text)
                    if action.kind == "finish":
                        break
                    way.steps.append(await taken(action, child, self._box))
        except BudgetExhausted as error:
            self._unpaid.append(error)
        return way

    async def _end(self, way: _Trajectory) -> None:
        """Let a trajectory vote, and have a report of it written."""
        if way.last is None:
            return
        async with self._hearing:
            await self._poll.add(replace(way.last, index=way.number))
        if way.last.finish_reason not in ("error", "abort"):
            try:
                way.report = await self._reported(way)
            except BudgetExhausted as error:
                self._unpaid.append(error)
        self._ended[way.number] = way

    async def _reported(self, way: _Trajectory) -> str | None:
        """Return the report of a trajectory; ``None``: there is none in the reply."""
        options = self._options
        async with self._run.child(label=f"report {way.number}", numbered=False) as child:
            told = [f"Step: {step.action.text}\nResult: {step.observation}" for step in way.steps]
            if way.last is not None:
                told.append(f"Last words: {without_thoughts(way.last.text)}")
            fitted = fitted_texts(child, told, workspace_tokens(child, None))
            prompt = asked_again(options.report_template, child, steps="\n".join(fitted))
            sample = await one_sample(child, prompt, options.sampling())
        return None if sample.finish_reason in ("error", "abort") else report_in(sample.text)

    # ── the answer ────────────────────────────────────────────────────────────────────────────────────────

    async def _integrated(self) -> Outcome:
        """Return the answer that the reports lead to; that of most trajectories where there is none."""
        options, voted = self._options, self._poll.outcome()
        reports = [way.report for _, way in sorted(self._ended.items()) if way.report]
        self._run.note(num_reports=len(reports))
        if not reports or voted.stop_reason == "budget":
            return voted
        try:
            async with self._run.child(label="integrate") as child:
                fitted = fitted_texts(child, reports, workspace_tokens(child, None))
                shown = numbered("Report", [text for text in fitted if text.strip()])
                prompt = asked_again(options.integrate_template, child, reports=shown)
                sample = await one_sample(child, prompt, options.sampling())
        except BudgetExhausted:
            return voted.with_(stop_reason="budget")
        answer = extract_answer(sample.text) if sample.finish_reason not in ("error", "abort") else None
        if answer is None:
            return voted
        ballots = self._poll.ballots
        answers = [*(ballot.answer for ballot in ballots), answer]
        key = (await AnswerClasses(self._run.workers).keys(answers))[-1]
        votes = [key for key in keys_of(ballots) if key is not None]
        confidence = votes.count(key) / len(votes) if key is not None and votes else None
        return voted.with_(
            answer=answer, key=key, confidence=confidence, text=sample.text, stop_reason="finished", error=None
        )


def report_in(text: str) -> str | None:
    """Return what stands in the last report tags of a reply, stripped; ``None``: nothing."""
    found = _REPORT.findall(text)
    return (found[-1].strip() or None) if found else None


def hesitation(run: Run, sample: Sample, num_top: int, form: EntropyForm) -> Hesitation:
    """Return how much a step hesitated in its thoughts, its call and all of it.

    Args:
        run: whose model wrote it.
        sample: with the log-probabilities of the likeliest tokens.
        num_top: how many of them count.
        form: of the entropy.
    """
    entropies = entropies_of(likeliest(sample.top_logprobs or (), num_top), form)
    begin = call_begins(sample.text)
    if begin is None:
        return Hesitation(perplexity(entropies), MISSING, perplexity(entropies))
    ids = sample.token_ids
    # the first token whose text goes beyond the beginning of the call belongs to the call
    place = bisect.bisect_right(range(len(ids)), begin, key=lambda place: len(run.decode(ids[: place + 1])))
    return Hesitation(perplexity(entropies[:place]), perplexity(entropies[place:]), perplexity(entropies))


def chosen_places(region: Region, steps: Sequence[Hesitation], k: int) -> tuple[int, ...]:
    """Return the places of the steps that are tried again, in their order.

    Args:
        region: what of a step counts.
        steps: in order.
        k: at most so many, >= 0.
    """
    thoughts, calls = [step.think for step in steps], [step.tool_call for step in steps]
    match region:
        case "mixed":
            return least_certain_mixed(calls, thoughts, k)
        case "think":
            return least_certain(thoughts, k)
        case "tool_call":
            return least_certain(calls, k)
        case "all":
            return least_certain([step.all for step in steps], k)
