"""Plan-over-Graph: a task as rules of production, and a parallel plan over them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, cast

from ttscale.answers import extract_answer
from ttscale.run import Run, question_of
from ttscale.types import JSON, Outcome, Problem, Prompt, Sample
from ttscale_strategies.checks import require_positive
from ttscale_strategies.dag._agent import AgentOptions, answered, asked, require_prompt
from ttscale_strategies.dag._calls import Calls
from ttscale_strategies.dag._writing import write_on
from ttscale_strategies.dag.executor import Executor
from ttscale_strategies.dag.graph import Graph, Node
from ttscale_strategies.dag.rules.production import (
    Production,
    Subtask,
    least_times,
    plan_nodes,
    read_production,
    read_subtasks,
    score_plan,
)
from ttscale_strategies.refine.rules import objects_in

_MAX_CHARACTERS: Final = 200_000
_MAX_LISTS: Final = 64


@dataclass(frozen=True, kw_only=True)
class PlanOverGraph(AgentOptions):
    """Plan-over-Graph: plan over an AND/OR graph of what can be made of what (arXiv:2502.14563).

    The rules are read from `Problem.meta` (``production``), from the question where it holds them as JSON, or
    else by the model from the story. Then the model plans: subtasks, each the application of a rule, with
    those that must have ended before. A plan is valid if each follows a rule and is given its sources by what
    it depends on, in no circle, and the target is made; one that is not goes back with its fault. Its
    makespan, by t(item) = min over the rules used of (max over sources of t + time), is the answer. With
    `perform` the subtasks are carried out too, each as soon as those that it depends on have ended, by that
    tool.

    Cost: a generation to read the rules, where they are not given, and one a plan, at most `attempts`. The
    trace has makespan and cost of the plan and the least makespan there is; `rules.least_cost` has the least
    cost.

    Departures: the prompts are ours, and no model was trained. Inputs are checked by what a subtask depends on,
    not merely by what there is in the plan. Results belong to their subtasks whatever ends first, which the
    released scheduler mixes up. A reply without a plan that states an answer is a last resort.
    """

    attempts: int = 3
    """Most plans, >= 1."""
    perform: str | None = None
    """Name of the tool that carries out a subtask, given name, source and target; ``None``: nobody does."""
    template: str = "plan_rules"
    """Name of the prompt template that asks for a plan, with the field question, and maybe rules and faults."""
    read_template: str = "read_rules"
    """Name of the one that asks for the rules, with the field question."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(self.attempts, "attempts")
        require_prompt(self.template, "rules", "faults")
        require_prompt(self.read_template)

    def max_samples(self) -> int:
        """Return attempts + 1."""
        return self.attempts + 1

    async def solve(self, problem: Problem, run: Run) -> Outcome:
        """Read the rules, plan, and carry the plan out if there is a tool for it.

        Raises:
            BudgetExhausted: it does not reach to the end.
        """
        calls = await self.open_calls(run)
        production, sample = given_production(problem, run), None
        if production is None:
            sample = await write_on(run, asked(self.read_template, run, calls), "", self.sampling())
            production = production_in(sample.text)
        if production is None:
            stated = None if sample is None or sample.is_error else extract_answer(sample.text)
            return answered(stated, sample)
        return await self._planned(production, run, calls)

    async def _planned(self, production: Production, run: Run, calls: Calls) -> Outcome:
        stated, sample, faults = None, None, ""
        for _ in range(self.attempts):
            prompt = self._prompt(production, run, calls, faults)
            sample = await write_on(run, prompt, "", self.sampling())
            if sample.is_error:
                continue
            try:
                subtasks = subtasks_in(sample.text)
                nodes = plan_nodes(production, subtasks, tool=self.perform or "")
            except ValueError as error:
                faults = f"\n\nYour last plan was not valid: {error}."
                if (said := extract_answer(sample.text)) is not None:
                    stated = said
                    run.best(said, text=sample.text)
                continue
            return await self._scored(production, subtasks, nodes, run, calls, sample)
        return answered(stated, sample)

    async def _scored(
        self,
        production: Production,
        subtasks: Sequence[Subtask],
        nodes: Sequence[Node],
        run: Run,
        calls: Calls,
        sample: Sample,
    ) -> Outcome:
        score = score_plan(production, subtasks)
        answer = f"{score.makespan:.12g}"
        run.best(answer, text=sample.text)
        run.note(
            makespan=score.makespan, cost=score.cost, least_makespan=least_times(production)[production.target]
        )
        if self.perform is not None:
            await self._perform(nodes, calls)
        return answered(answer, sample)

    async def _perform(self, nodes: Sequence[Node], calls: Calls) -> None:
        graph = Graph()
        graph.replace_nodes({node.id: node for node in nodes})
        try:
            async with Executor(
                calls, graph=graph, max_workers=self.max_workers, timeout_seconds=self.timeout_seconds
            ) as executor:
                await executor.finish()
        finally:
            calls.note(graph)

    def _prompt(self, production: Production, run: Run, calls: Calls, faults: str) -> Prompt:
        rules = "\n".join(
            json.dumps(
                {
                    "id": rule.id,
                    "source": sorted(rule.source),
                    "target": sorted(rule.target),
                    "time": rule.time,
                    "cost": rule.cost,
                },
                ensure_ascii=False,
            )
            for rule in production.rules
        )
        start = json.dumps(
            {"initial_source": sorted(production.initial), "target": production.target}, ensure_ascii=False
        )
        return asked(self.template, run, calls, rules=f"{rules}\n{start}", faults=faults)


def given_production(problem: Problem, run: Run) -> Production | None:
    """Return the rules that come with a problem: in its meta, or as JSON in what it asks."""
    given = problem.meta.get("production")
    if given is not None:
        return read_production(given)
    return production_in(question_of(problem.prompt, run))


def production_in(text: str) -> Production | None:
    """Return the rules that stand in a text as JSON; ``None``: there are none that can be read."""
    for found in objects_in(text):
        try:
            return read_production(found)
        except ValueError:
            continue
    return None


def subtasks_in(text: str) -> list[Subtask]:
    """Return the plan that stands in a text as a JSON list.

    Raises:
        ValueError: there is none that can be read; the message is of the first list there is.
    """
    fault: ValueError | None = None
    for found in _lists_in(text[:_MAX_CHARACTERS]):
        try:
            if subtasks := read_subtasks(found):
                return subtasks
        except ValueError as error:
            fault = fault or error
    raise fault or ValueError("there is no JSON list of subtasks in it")


def _lists_in(text: str) -> Iterator[JSON]:
    decoder, start = json.JSONDecoder(), -1
    for _ in range(_MAX_LISTS):
        start = text.find("[", start + 1)
        if start < 0:
            return
        try:
            found, end = cast("tuple[JSON, int]", decoder.raw_decode(text, start))
        except (ValueError, RecursionError):
            continue
        yield found
        start = end - 1
