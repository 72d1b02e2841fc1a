"""Sums as work for agents: reasoning-gym's questions, to be answered by calls of add, subtract and multiply.

`abacus` was taught to plan such calls; on these benchmarks a real language model writes every plan.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import ClassVar, Final, cast

from ttscale.reference.problems import EVALUATION_CONFIGS
from ttscale.reference.roles.plan import parse_plan, write_plan
from ttscale.reference.roles.questions import asked
from ttscale.tools import FunctionTool, Tool
from ttscale.tools.arithmetic import add, multiply, subtract
from ttscale.types import JSON, Problem
from ttscale.workers import Workers
from ttscale_evals.benchmarks.agents.slow import slowed
from ttscale_evals.benchmarks.base import Attempt, Grade
from ttscale_evals.benchmarks.reasoning_gym import ReasoningGymBenchmark
from ttscale_evals.metrics.graphs import TaskGraph

_FUNCTIONS: Final = (add, subtract, multiply)


@dataclass(frozen=True, kw_only=True)
class SumsWithTools:
    """What both sets share; a subclass says which of reasoning-gym's sets it asks."""

    size: int = 100
    """Number of problems, >= 1."""
    seed: int = 0
    """Of the problems, from 0 to 1e9 - size; see `ReasoningGymBenchmark`."""
    config: Mapping[str, int] = field(default_factory=dict[str, int])
    """Parameters of the set, in place of those that `abacus` is evaluated on."""
    instruction: str = ""
    """Added to each question after a line break."""
    tool_seconds: float = 0.0
    """Median time of a call, >= 0: the tools wait that long, as a server would."""
    tool_spread: float = 0.0
    """Standard deviation of the logarithm of that time, >= 0; the same call takes the same time everywhere."""

    dataset: ClassVar[str]

    def __post_init__(self) -> None:
        self._set.check()
        slowed((), seconds=self.tool_seconds, spread=self.tool_spread)  # out of range values are found here

    def problems(self, *, limit: int | None = None, seed: int | None = None) -> Iterator[Problem]:
        """Yield the problems; the meta has the plan that `abacus` was taught, as a graph too, see `plan_graph`.

        Where all calls take the same time, its critical path is the optimum that makespans are compared with. A
        plan that needs fewer steps one after another can do better.
        """
        for problem in self._set.problems(limit=limit, seed=seed):
            item = cast("Mapping[str, Mapping[str, object]]", problem.meta["reasoning_gym"])
            text = write_plan(asked(self.dataset, item["entry"]))
            graph = plan_graph(text, seconds=self.tool_seconds or 1.0)
            more = {"question": item["entry"]["question"], "plan": text, "graph": graph.to_json()}
            meta = {**problem.meta, **cast("Mapping[str, JSON]", more)}
            if self.tool_seconds and not self.tool_spread:
                meta["optimum_seconds"] = graph.shape.critical_path_seconds
            yield replace(problem, meta=meta)

    async def grade(self, problem: Problem, answer: str | None, workers: Workers) -> Grade:
        """Grade with the set's own checker."""
        return await self._set.grade(problem, answer, workers)

    def attempt(self, problem: Problem) -> Attempt:
        """Begin one try, with the tools add, subtract and multiply."""
        del problem
        return Attempt(tools=self._tools)

    @cached_property
    def _set(self) -> ReasoningGymBenchmark:
        config = {**EVALUATION_CONFIGS[self.dataset], **self.config}
        return ReasoningGymBenchmark(
            dataset=self.dataset, config=config, size=self.size, seed=self.seed, instruction=self.instruction
        )

    @cached_property
    def _tools(self) -> Sequence[Tool]:
        plain = [FunctionTool(function=function) for function in _FUNCTIONS]
        return slowed(plain, seconds=self.tool_seconds, spread=self.tool_spread)


@dataclass(frozen=True, kw_only=True)
class ChainSumWithTools(SumsWithTools):
    """Chains of 6 to 8 sums and differences, with tools (reasoning-gym's `chain_sum`, arXiv 2505.24760)."""

    dataset = "chain_sum"


@dataclass(frozen=True, kw_only=True)
class LegCountingWithTools(SumsWithTools):
    """Legs of 3 to 10 kinds of animals, with tools (reasoning-gym's `leg_counting`, arXiv 2505.24760)."""

    dataset = "leg_counting"


def plan_graph(text: str, *, seconds: float) -> TaskGraph:
    """Return a plan's calls as a graph of tasks, each of some seconds and named by its number.

    Args:
        text: a plan in the grammar of LLMCompiler, as `ttscale.reference.roles.plan` writes it.
        seconds: of each call, >= 0.

    Raises:
        FormatError: it is no such plan.
    """
    calls = parse_plan(text)
    edges = [(str(needed), str(number)) for number, call in enumerate(calls, start=1) for needed in call.needs]
    return TaskGraph(durations={str(number): seconds for number in range(1, len(calls) + 1)}, edges=edges)
