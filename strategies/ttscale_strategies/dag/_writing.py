"""Plans while they are written: every line is acted on as soon as it has ended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ttscale.run import Run
from ttscale.types import Prompt, Sample, Sampling
from ttscale_strategies.dag._calls import Calls
from ttscale_strategies.dag.graph import Graph, Node
from ttscale_strategies.dag.plan_text import END_OF_PLAN, PlanParser


@dataclass(frozen=True, slots=True)
class Written:
    """What a planner has written."""

    text: str
    sample: Sample | None
    """``None``: it was stopped, for it went on behind the end of the plan or beyond its limits."""


async def write_plan(
    run: Run,
    prompt: Prompt,
    parser: PlanParser,
    *,
    sampling: Callable[..., Sampling],
    add: Callable[[Node], None],
    calls: Calls,
) -> Written:
    """Have a plan written, and hand on each call as soon as its line has ended.

    Args:
        run: of the planner.
        prompt: asks for the plan.
        parser: reads it; its end is read too when this returns.
        sampling: how tokens are drawn, given stop strings.
        add: takes a call.
        calls: told when and behind how many tokens each call was planned.

    Raises:
        BudgetExhausted: the plan does not fit the budget.
    """
    stop = (END_OF_PLAN,) if run.capabilities.stop_strings else ()
    began, tokens, seconds = run.now(), run.critical_path_tokens, run.critical_path_seconds
    texts = list[str]()
    async with run.stream(prompt, sampling=sampling(*stop)) as pieces:
        async for piece in pieces:
            texts.append(piece.text)
            tokens += len(piece.token_ids)
            for node in parser.feed(piece.text):
                calls.plan([node.id], tokens=tokens, seconds=seconds + run.now() - began)
                add(node)
            if parser.is_over:
                break
    for node in parser.close():
        calls.plan([node.id])
        add(node)
    return Written("".join(texts), pieces.sample)


def finished_value(parser: PlanParser, graph: Graph) -> str | None:
    """Return the value of a plan's last call as text; ``None``: it failed, or the plan is not whole."""
    refusals = [found for found in parser.diagnostics if found.fault not in ("plain_dollar", "after_join")]
    if refusals or not parser.calls or graph.states[parser.calls[-1].id] != "done":
        return None
    return graph.results[parser.calls[-1].id].text


async def write_on(run: Run, before: Prompt | Sample, then: str, sampling: Sampling) -> Sample:
    """Draw one sample of a prompt, or one that goes on behind another with a text in place of its end.

    Raises:
        BudgetExhausted: it does not fit the budget.
    """
    if isinstance(before, Sample):
        block = run.extend(before, then=then, sampling=sampling)
    else:
        block = run.sample(before, sampling=sampling)
    async with block as samples:
        return await anext(samples)
