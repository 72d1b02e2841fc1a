"""Flash-Searcher: a graph of calls that is worked on step by step and rewritten now and then."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from ttscale.answers import extract_answer
from ttscale.run import Run
from ttscale.types import Outcome, Problem, Prompt, Sample
from ttscale_strategies.checks import require_positive
from ttscale_strategies.dag._agent import AgentOptions, answered, asked, joined_by, require_prompt
from ttscale_strategies.dag._calls import Calls, steps_text
from ttscale_strategies.dag._writing import write_plan
from ttscale_strategies.dag.executor import Executor
from ttscale_strategies.dag.graph import Graph, Node
from ttscale_strategies.dag.joining import answer_in
from ttscale_strategies.dag.plan_text import Diagnostic, PlanLimits, PlanParser
from ttscale_strategies.dag.rules.subgoals import Subgoals


@dataclass(frozen=True, kw_only=True)
class FlashSearcher(AgentOptions):
    """Flash-Searcher: parallel steps over a graph of calls, with periodic refinement (arXiv:2509.25301).

    The model plans the calls (`plan_text`; ``after`` for dependencies without data). Each step makes all
    calls at once that need nothing but completed ones. Every `refine_every` steps, and when no call can be
    made because others failed, the model is shown what has been found and writes the rest of the plan anew:
    completed calls stay and can be referred to, everything pending, failed calls included, is replaced. A
    reply without a single call changes nothing. When nothing is pending or no step is left, the model answers
    by the observations.

    Cost: 1 plan, one generation a refinement, 1 answer (none with ``joiner=last``). Latency: the plan, of every
    step its longest call, refinements, the answer: unlike `LLMCompiler` a step waits for its slowest call.

    Departures: nothing of the paper's prompts is known to us. Its rule that lets calls begin before their
    predecessors is, with `aggressive`, one that looks at data: `Subgoals.executable`; such calls are noted as
    provisional in the trace. Refinements are limited. A summary is what the model writes as Thought.
    """

    refine_every: int = 7
    """Δ, steps between two refinements, >= 1; about 7 to 9 in the paper."""
    max_steps: int = 20
    """Most steps, >= 1."""
    max_refinements: int = 3
    """>= 0."""
    aggressive: bool = False
    """Whether calls may begin, provisionally, before calls that only should come before them."""
    joiner: Literal["model", "last"] = "model"
    """Who answers: the model, or the value of the plan's last call, if every call is completed."""
    max_calls: int = 64
    """Most calls of one plan, >= 1."""
    template: str = "plan_calls"
    """Name of the prompt template that asks for a plan, with the field question, and maybe tools."""
    refine_template: str = "refine_calls"
    """Name of the one for refinements, with question, and maybe tools, steps, pending and next (number)."""
    join_template: str = "join_finally"
    """Name of the one that asks for the answer, with question, and maybe steps."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("refine_every", "max_steps", "max_calls"):
            require_positive(getattr(self, name), name)
        if self.max_refinements < 0:
            raise ValueError(f"max_refinements must be >= 0, got {self.max_refinements!r}")
        require_prompt(self.template, "tools")
        require_prompt(self.refine_template, "tools", "steps", "pending", "next")
        require_prompt(self.join_template, "steps")

    def max_samples(self) -> int:
        """Return the most plans, refinements and answers."""
        return 1 + self.max_refinements + (self.joiner == "model")

    async def solve(self, problem: Problem, run: Run) -> Outcome:
        """Plan, then call and refine until nothing is left to do, and answer.

        Raises:
            BudgetExhausted: it does not reach to the end.
        """
        calls = await self.open_calls(run)
        async with Executor(
            calls, max_workers=self.max_workers, timeout_seconds=self.timeout_seconds
        ) as executor:
            return await _Search(self, run, calls, executor).outcome()


class _Search:
    """One problem's graph of sub-goals, and what has come of it."""

    def __init__(self, options: FlashSearcher, run: Run, calls: Calls, executor: Executor) -> None:
        self._options = options
        self._run = run
        self._calls = calls
        self._executor = executor
        self._goals = Subgoals()
        self._provisional = list[str]()
        self._diagnostics = list[Diagnostic]()
        self._stated: str | None = None
        self._num_refinements = 0
        self._greatest = 0

    async def outcome(self) -> Outcome:
        try:
            sample = await self._write(asked(self._options.template, self._run, self._calls))
            if not self._goals.pending and (
                self._stated is not None or (sample is not None and sample.is_error)
            ):
                return answered(self._stated, sample)
            await self._work()
        finally:
            self._calls.note(self._executor.graph, self._diagnostics, provisional=self._provisional)
        if self._options.joiner == "last":
            return answered(self._value(), sample)
        prompt = asked(self._options.join_template, self._run, self._calls, steps=self._steps())
        verdict, sample = await joined_by(self._run, prompt, self._options)
        answer = answer_in(verdict.text) if verdict.action != "replan" else None
        return answered(self._stated if answer is None else answer, sample)

    async def _work(self) -> None:
        """Step by step make calls, and refine the graph."""
        for number in range(1, self._options.max_steps + 1):
            if not self._goals.executable(is_aggressive=self._options.aggressive):
                await self._refine()
            wanted = self._goals.executable(is_aggressive=self._options.aggressive)
            if not wanted:
                return
            for node in wanted:
                if len(node.needs) < len(self._goals.pending[node.id].needs):
                    self._provisional.append(node.id)
                self._executor.add(node)
            graph = await self._executor.finish()
            for node in wanted:
                self._goals.note(node.id, graph.results[node.id])
            if number % self._options.refine_every == 0:
                await self._refine()

    async def _refine(self) -> None:
        """Have what is left of the plan written anew, if anything is."""
        if not self._goals.pending or self._num_refinements == self._options.max_refinements:
            return
        self._num_refinements += 1
        pending = steps_text(
            self._pending_graph(), self._goals.pending, max_characters=self._options.max_observation_characters
        )
        prompt = asked(
            self._options.refine_template,
            self._run,
            self._calls,
            steps=self._steps(),
            pending=pending,
            next=str(self._greatest + 1),
        )
        await self._write(prompt)

    async def _write(self, prompt: Prompt) -> Sample | None:
        """Have calls planned in the place of all that are pending; none: these stay."""
        parser = PlanParser(
            self._calls.box,
            earlier=self._goals.completed,
            above=self._greatest,
            limits=PlanLimits(max_calls=self._options.max_calls),
        )
        nodes = list[Node]()
        written = await write_plan(
            self._run, prompt, parser, sampling=self._options.sampling, add=nodes.append, calls=self._calls
        )
        self._diagnostics += parser.diagnostics
        if (stated := extract_answer(written.text)) is not None:
            self._stated = stated
            self._run.best(stated, text=written.text)
        if nodes:
            self._greatest = int(nodes[-1].id)
            self._goals.refine(nodes)
        return written.sample

    def _pending_graph(self) -> Graph:
        """Return what is pending as a graph that stands alone."""
        graph = Graph()
        for node in self._goals.pending.values():
            graph.add(replace(node, needs=()))
        return graph

    def _steps(self) -> str:
        graph = self._executor.graph
        limit = self._options.max_observation_characters
        return steps_text(graph, graph.nodes, self._diagnostics, max_characters=limit)

    def _value(self) -> str | None:
        """Return the value of the call that comes last in the plan, if every call is completed."""
        if self._goals.pending or not self._goals.completed:
            return self._stated
        last = max(self._goals.completed, key=int)
        return self._goals.completed[last].text
