"""Wide and deep: an agent that is told how many tools to call at once, by a schedule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, Literal

from ttscale.answers import extract_answer
from ttscale.run import Run
from ttscale.tools import ToolResult
from ttscale.types import Message, Outcome, Problem, Prompt
from ttscale_strategies.checks import require_positive
from ttscale_strategies.dag._agent import AgentOptions, answered, asked, require_prompt
from ttscale_strategies.dag._calls import Calls
from ttscale_strategies.dag._writing import finished_value, write_on
from ttscale_strategies.dag.executor import Executor
from ttscale_strategies.dag.graph import Node
from ttscale_strategies.dag.joining import answer_in, parse_verdict
from ttscale_strategies.dag.plan_text import END_OF_PLAN, PlanParser, parameters_of
from ttscale_strategies.dag.rules.tool_calls import Asked, calls_in_json, calls_in_lines
from ttscale_strategies.dag.rules.widths import ScheduleName, Width, bounds_of, width_at

_FORMS: Final = {
    "text": 'Make them one a line, with literals as arguments: tool("text", 2)',
    "json": 'Make them one a line, as JSON: {"name": "tool", "arguments": {"parameter": "text"}}',
}


@dataclass(frozen=True, kw_only=True)
class WideAndDeep(AgentOptions):
    """W&D: an agent with a schedule of how many calls it makes at once (arXiv:2602.07359).

    Before each turn the model is told the number of calls to make; they run at the same time, and their
    results come back together. A turn without a call, and with an answer, ends it. The number follows from
    the iteration by the first bound of the schedule that is not below it: ``constant3`` always 3,
    ``descending`` 3, 2, 1 up to iterations 25, 50 and 100, ``ascending`` 1, 2, 3, ``automatic`` 1 to 4 as the
    model chooses; behind the last bound there is no turn.

    ``form=text`` has calls one a line, ``form=json`` as OpenAI's models write them. ``form=plan``, for models
    that have learnt to write plans (`plan_text`) and nothing else, lets the model write so many lines of one
    plan a turn and goes on behind them; the value of the last call is the answer.

    Cost: a generation an iteration. Latency: of each iteration the generation and the longest chain of its
    calls. The conversation grows by all replies and results; each turn computes anew what a prefix cache does
    not have.

    Departures: results and the number of calls stand in one user message, since many chat templates refuse
    two in a row. Fewer calls than asked for are accepted, as in the paper; of more, those behind the last are
    not made, and the model is told so. An answer beside calls ends nothing, since it was written before
    their results; it is the answer if there comes no other.
    """

    schedule: ScheduleName | tuple[tuple[int, int], ...] = "constant3"
    """A name, or pairs: iteration up to which, and calls in each; 0 calls: as the model chooses, 1 to 4."""
    max_iterations: int | None = None
    """Most iterations, >= 1; ``None``: those of the schedule, 100 by the names."""
    form: Literal["text", "json", "plan"] = "text"
    template: str = "wide"
    """Name of the prompt template, with the field question, and maybe tools and form."""

    needs: ClassVar[frozenset[str]] = frozenset()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.max_iterations is not None:
            require_positive(self.max_iterations, "max_iterations")
        bounds_of(self.schedule)
        require_prompt(self.template, "tools", "form")

    def max_samples(self) -> int:
        """Return the most iterations."""
        most = bounds_of(self.schedule)[-1][0]
        return most if self.max_iterations is None else min(most, self.max_iterations)

    def width(self, iteration: int) -> Width | None:
        """Return the width of an iteration, counted from 1; ``None``: there is no such iteration."""
        return width_at(bounds_of(self.schedule), iteration) if iteration <= self.max_samples() else None

    async def solve(self, problem: Problem, run: Run) -> Outcome:
        """Call tools turn by turn, until there is an answer or the schedule ends.

        Raises:
            BudgetExhausted: it does not reach to the end.
        """
        calls = await self.open_calls(run)
        prompt = asked(self.template, run, calls, form=_FORMS.get(self.form, ""))
        async with Executor(
            calls, max_workers=self.max_workers, timeout_seconds=self.timeout_seconds
        ) as executor:
            try:
                if self.form == "plan":
                    return await self._plan(run, calls, executor, prompt)
                return await self._talk(run, calls, executor, prompt)
            finally:
                calls.note(executor.graph)

    # ── turns of a conversation ───────────────────────────────────────────────────────────────────────────

    async def _talk(self, run: Run, calls: Calls, executor: Executor, prompt: Prompt) -> Outcome:
        *before, last = prompt.messages
        messages, said, sample, best = list[Message](before), last.content, None, None
        iteration = 1
        while (width := self.width(iteration)) is not None:
            messages.append(Message("user", f"{said}\n\n{_wanted(width)}"))
            sample = await write_on(run, Prompt(messages=tuple(messages)), "", self.sampling())
            if sample.is_error:
                break
            wanted = self._calls_in(sample.text, calls)
            verdict = parse_verdict(sample.text)
            stated = answer_in(verdict.text) if verdict.action != "replan" else None
            if stated is not None:
                best = stated
                run.best(stated, text=sample.text)
                if not wanted:
                    break
            said = await self._observed(f"{iteration}.", wanted, width, calls, executor)
            messages.append(Message("assistant", sample.text))
            iteration += 1
        return answered(best, sample)

    def _calls_in(self, text: str, calls: Calls) -> list[Asked]:
        if self.form == "json":
            return calls_in_json(text)
        return calls_in_lines(text, {tool.name: parameters_of(tool) for tool in calls.box})

    async def _observed(
        self, prefix: str, wanted: Sequence[Asked], width: Width, calls: Calls, executor: Executor
    ) -> str:
        """Make the calls of a turn at the same time, and return what the model is told of them."""
        if not wanted:
            return "Neither a call nor an answer was found in your reply."
        made = dict[int, str]()
        for number, one in enumerate(wanted[: width.most], start=1):
            if one.fault is None and one.tool in calls.box:
                made[number] = f"{prefix}{number}"
                executor.add(Node(id=made[number], tool=one.tool, arguments=one.arguments))
        await executor.finish()
        lines = list[str]()
        for number, one in enumerate(wanted, start=1):
            if number in made:
                result = executor.graph.results[made[number]]
            elif number > width.most:
                result = ToolResult(error=f"not called: {width} calls were asked for")
            else:
                result = ToolResult(error=one.fault or calls.box.unknown(one.tool))
            lines.append(f"Result {number}, of {one.tool}: {result.shown(self.max_observation_characters)}")
        return "\n".join(lines)

    # ── lines of a plan ───────────────────────────────────────────────────────────────────────────────────

    async def _plan(self, run: Run, calls: Calls, executor: Executor, prompt: Prompt) -> Outcome:
        parser, texts, sample = PlanParser(calls.box), list[str](), None
        iteration, number = 1, 0
        while (width := self.width(iteration)) is not None and not parser.is_over:
            number += width.most
            stop = (f"\n{number + 1}.", END_OF_PLAN) if run.capabilities.stop_strings else ()
            sample = await write_on(run, sample or prompt, "\n", self.sampling(*stop))
            texts.append(sample.text)
            if (stated := extract_answer("\n".join(texts))) is not None:
                run.best(stated, text="\n".join(texts))
            if sample.is_error or not sample.text.strip():
                break
            for node in parser.feed(f"{sample.text}\n"):
                executor.add(node)
            await executor.finish()
            iteration += 1
        parser.close()
        text = "\n".join(texts)
        return answered(
            finished_value(parser, executor.graph) if parser.calls else extract_answer(text), sample, text=text
        )


def _wanted(width: Width) -> str:
    return f"Make {width} tool call{'' if width.most == 1 else 's'} now."
