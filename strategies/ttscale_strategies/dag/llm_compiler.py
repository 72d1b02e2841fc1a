"""LLMCompiler: a plan of tool calls is carried out as a graph while it is still being written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ttscale.answers import extract_answer
from ttscale.run import Run
from ttscale.types import Outcome, Problem, Prompt, Sample
from ttscale_strategies.checks import require_positive
from ttscale_strategies.dag._agent import AgentOptions, answered, asked, joined_by, require_prompt
from ttscale_strategies.dag._calls import Calls, steps_text
from ttscale_strategies.dag._writing import finished_value, write_plan
from ttscale_strategies.dag.executor import Executor
from ttscale_strategies.dag.graph import Node
from ttscale_strategies.dag.joining import Verdict, answer_in
from ttscale_strategies.dag.plan_text import Diagnostic, PlanLimits, PlanParser


@dataclass(frozen=True, kw_only=True)
class LLMCompiler(AgentOptions):
    """LLMCompiler: planner, task fetching unit, joiner (arXiv:2312.04511).

    The model writes a plan of calls in which ``$k`` stands for the result of call k (`plan_text`). Each call
    begins as soon as its line has ended and the calls it refers to have (`Executor`): the plan is still being
    written then. When all have ended the model, as joiner, answers by the observations or asks for another
    plan, which goes on with the numbers and may refer to all earlier results; after the last plan it must
    answer.

    Cost: 1 + r plans and as many joins, r being the replans made, at most 2 · (max_replans + 1) generations;
    with ``joiner=last`` one. A plan that makes no call and states an answer is the answer. Latency: the
    planner up to the last line on the longest chain, that chain of calls, the joiner. The trace tells of each
    call when it was planned, began and ended.

    Departures: errors, time-outs, unknown tools and lines that are no calls are observations for the joiner,
    where the released code hangs or passes them over. A result is inserted once, and nothing in it is looked
    at again. ``after`` in a line, ``joiner=last``, `on_error` and `stream` are ours. Limits of a plan are
    `max_calls` and those of `PlanLimits`; a planner that goes on is stopped. The paper's examples of plans
    are not in the prompts, which are ours.
    """

    max_replans: int = 0
    """Most plans after the first, >= 0; 0 as in all configurations released."""
    joiner: Literal["model", "last"] = "model"
    """Who answers: the model, or the value of the plan's last call, if no line of the plan was refused."""
    on_error: Literal["observe", "skip", "stop"] = "observe"
    """What becomes of calls that need one which failed: they are called with the error's text, or are skipped;
    ``stop``: the first failure cancels all other calls of the plan."""
    stream: bool = True
    """Whether calls begin while the plan is still being written; otherwise once it has ended."""
    max_calls: int = 64
    """Most calls of one plan, >= 1."""
    template: str = "plan_calls"
    """Name of the prompt template that asks for a plan, with the field question, and maybe tools."""
    replan_template: str = "replan_calls"
    """Name of the one for further plans, with question, and maybe tools, steps and next (number)."""
    join_template: str = "join_calls"
    """Name of the joiner's, with question, and maybe steps."""
    final_template: str = "join_finally"
    """Name of the joiner's after the last plan, likewise."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(self.max_calls, "max_calls")
        if self.max_replans < 0:
            raise ValueError(f"max_replans must be >= 0, got {self.max_replans!r}")
        if self.joiner == "last" and self.max_replans:
            raise ValueError(
                "joiner=last never asks for another plan; leave max_replans=0 or choose joiner=model"
            )
        require_prompt(self.template, "tools")
        require_prompt(self.replan_template, "tools", "steps", "next")
        require_prompt(self.join_template, "steps")
        require_prompt(self.final_template, "steps")

    def max_samples(self) -> int:
        """Return the most plans and joins."""
        return 1 if self.joiner == "last" else 2 * (self.max_replans + 1)

    async def solve(self, problem: Problem, run: Run) -> Outcome:
        """Plan, call and join, until the joiner answers.

        Raises:
            BudgetExhausted: it does not reach to the end.
        """
        calls = await self.open_calls(run)
        executor = Executor(
            calls,
            max_workers=self.max_workers,
            timeout_seconds=self.timeout_seconds,
            fail_fast=self.on_error == "stop",
        )
        return await _Session(self, run, calls, executor).outcome()


class _Session:
    """One problem's plans, one after the other, over one graph."""

    def __init__(self, options: LLMCompiler, run: Run, calls: Calls, executor: Executor) -> None:
        self._options = options
        self._run = run
        self._calls = calls
        self._executor = executor
        self._diagnostics = list[Diagnostic]()
        self._stated: str | None = None

    async def outcome(self) -> Outcome:
        async with self._executor:
            try:
                return await self._planned()
            finally:
                self._calls.note(self._executor.graph, self._diagnostics)

    async def _planned(self) -> Outcome:
        """Plan and join, until the joiner answers or no plan is left."""
        options, num_left = self._options, self._options.max_replans
        prompt = asked(options.template, self._run, self._calls)
        while True:
            parser, sample = await self._plan(prompt)
            if (outcome := self._direct(parser, sample)) is not None:
                return outcome
            template = options.join_template if num_left else options.final_template
            prompt = asked(template, self._run, self._calls, steps=self._steps())
            verdict, joined = await joined_by(self._run, prompt, options)
            if verdict.action != "replan" or not num_left:
                answer = answer_in(verdict.text) if verdict.action != "replan" else None
                return answered(self._stated if answer is None else answer, joined)
            prompt = self._replanning(verdict)
            num_left -= 1

    async def _plan(self, prompt: Prompt) -> tuple[PlanParser, Sample | None]:
        """Have a plan written and carried out."""
        options = self._options
        self._executor.restart()
        parser = PlanParser(
            self._calls.box,
            earlier=self._executor.graph.nodes,
            when="success" if options.on_error == "skip" else "end",
            limits=PlanLimits(max_calls=options.max_calls),
        )
        later = list[Node]()
        add = self._executor.add if options.stream else later.append
        written = await write_plan(
            self._run, prompt, parser, sampling=options.sampling, add=add, calls=self._calls
        )
        self._calls.plan(node.id for node in later)
        for node in later:
            self._executor.add(node)
        self._diagnostics += parser.diagnostics
        stated = extract_answer(written.text)
        if stated is not None:
            self._stated = stated
            self._run.best(answer_in(stated), text=written.text)
        await self._executor.finish()
        return parser, written.sample

    def _direct(self, parser: PlanParser, sample: Sample | None) -> Outcome | None:
        """Return the outcome of a plan that needs no joiner; ``None``: it needs one."""
        if self._options.joiner == "last":
            value = finished_value(parser, self._executor.graph)
            answer = self._stated if not parser.calls else value
            return answered(answer, sample)
        if not parser.calls and (self._stated is not None or (sample is not None and sample.is_error)):
            return answered(self._stated, sample)
        return None

    def _replanning(self, verdict: Verdict) -> Prompt:
        thought = "\n".join(line for line in (verdict.thought, verdict.text) if line)
        steps = f"{self._steps()}\n\nThought: {thought}" if thought else self._steps()
        following = 1 + max((int(id) for id in self._executor.graph.nodes), default=0)
        return asked(self._options.replan_template, self._run, self._calls, steps=steps, next=str(following))

    def _steps(self) -> str:
        graph = self._executor.graph
        ids: Sequence[str] = tuple(graph.nodes)
        return steps_text(
            graph, ids, self._diagnostics, max_characters=self._options.max_observation_characters
        )
