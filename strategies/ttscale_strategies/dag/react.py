"""ReAct: thoughts, calls and observations in turn, one call at a time."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar, Final, Literal

from ttscale.answers import extract_answer
from ttscale.run import Run
from ttscale.tools import ToolResult
from ttscale.types import Outcome, Problem, Prompt
from ttscale_strategies.checks import require_positive
from ttscale_strategies.dag._agent import AgentOptions, answered, asked, require_prompt
from ttscale_strategies.dag._calls import Calls
from ttscale_strategies.dag._writing import finished_value, write_on
from ttscale_strategies.dag.executor import Executor
from ttscale_strategies.dag.graph import Node
from ttscale_strategies.dag.joining import answer_in, in_brackets, parse_verdict
from ttscale_strategies.dag.plan_text import PlanLimits, PlanParser, bound_arguments, parameters_of

_OBSERVATION: Final = "\nObservation:"
_ACTION: Final = re.compile(
    r"^[ \t]*action[ \t]*:[ \t]*([A-Za-z_][\w.-]{0,63})[ \t]*\((.*)", re.IGNORECASE | re.MULTILINE
)


@dataclass(frozen=True, kw_only=True)
class ReAct(AgentOptions):
    """ReAct: one thought, one call, one observation at a time (arXiv:2210.03629); the sequential baseline.

    ``form=react``: the model thinks and writes ``Action: tool(arguments)``; it is stopped there, the result
    is put behind it as ``Observation: …``, and it goes on from its own tokens, until the action is
    ``Finish(answer)``. ``form=plan``, for models that have learnt to write plans and nothing else: it writes
    the plan of `LLMCompiler` line by line; each line waits for the call before it to end, and the model is
    asked for the next one behind the lines so far. Observations are not in the text then, since such plans
    refer to them as ``$k``; the value of the last call is the answer.

    Cost: a generation a step, at most `max_steps`; with a prefix cache each step computes what the last one did
    not have, without it the whole trace again. Latency: the sum of all generations and calls.

    Departures: the first action of a step counts; a step without one, an unknown tool and arguments that
    cannot be read are observations. A step that states an answer as any solution does, and no action, is an
    answer. The paper's examples are not in the prompt, which is ours; it asks not to repeat calls, as ReAct†
    of LLMCompiler does. `confidence` is not known.
    """

    max_steps: int = 10
    """Most steps, >= 1; 7 for HotpotQA and 5 for FEVER in the paper. With ``form=plan``, most lines."""
    form: Literal["react", "plan"] = "react"
    template: str = "react"
    """Name of the prompt template, with the field question, and maybe tools."""

    needs: ClassVar[frozenset[str]] = frozenset({"stop_strings"})

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(self.max_steps, "max_steps")
        require_prompt(self.template, "tools")

    def max_samples(self) -> int:
        """Return max_steps."""
        return self.max_steps

    async def solve(self, problem: Problem, run: Run) -> Outcome:
        """Think and call in turn until there is an answer, or no step is left.

        Raises:
            BudgetExhausted: it does not reach to the end.
        """
        calls = await self.open_calls(run)
        prompt = asked(self.template, run, calls)
        async with Executor(calls, timeout_seconds=self.timeout_seconds) as executor:
            try:
                if self.form == "plan":
                    return await self._line_by_line(run, calls, executor, prompt)
                return await self._step_by_step(run, calls, executor, prompt)
            finally:
                calls.note(executor.graph)

    async def _step_by_step(self, run: Run, calls: Calls, executor: Executor, prompt: Prompt) -> Outcome:
        texts, sample, observed, best = list[str](), None, "", None
        for number in range(1, self.max_steps + 1):
            sample = await write_on(run, sample or prompt, observed, self.sampling(_OBSERVATION))
            texts.append(sample.text)
            if sample.is_error:
                break
            verdict, action = parse_verdict(sample.text), _ACTION.search(sample.text)
            stated = answer_in(verdict.text) if verdict.action != "replan" else None
            if stated is not None:
                best = stated
                run.best(stated, text="".join(texts))
                if verdict.action == "finish" or action is None:
                    break
            result = await self._act(str(number), action, calls, executor)
            observed = f"{_OBSERVATION} {result.shown(self.max_observation_characters)}\n"
            texts.append(observed)
        return answered(best, sample, text="".join(texts))

    async def _act(self, id: str, action: re.Match[str] | None, calls: Calls, executor: Executor) -> ToolResult:
        if action is None:
            return ToolResult(
                error="there is no action; write Action: tool(arguments) or Action: Finish(answer)"
            )
        name = action[1]
        if name not in calls.box:
            return ToolResult(error=calls.box.unknown(name))
        try:
            arguments = bound_arguments(name, parameters_of(calls.box[name]), in_brackets(action[2]))
        except ValueError as error:
            return ToolResult(error=f"the arguments cannot be read: {error}")
        executor.add(Node(id=id, tool=name, arguments=arguments))
        await executor.finish()
        return executor.graph.results[id]

    async def _line_by_line(self, run: Run, calls: Calls, executor: Executor, prompt: Prompt) -> Outcome:
        parser = PlanParser(calls.box, limits=PlanLimits(max_calls=self.max_steps))
        texts, sample = list[str](), None
        for _ in range(self.max_steps):
            sample = await write_on(run, sample or prompt, "\n", self.sampling("\n"))
            texts.append(sample.text)
            if sample.is_error:
                break
            for node in parser.feed(f"{sample.text}\n"):
                executor.add(node)
            await executor.finish()
            text = "\n".join(texts)
            if (stated := extract_answer(text)) is not None:
                run.best(stated, text=text)
            if parser.is_over or not sample.text.strip():
                break
        parser.close()
        text = "\n".join(texts)
        answer = finished_value(parser, executor.graph) if parser.calls else extract_answer(text)
        return answered(answer, sample, text=text)
