"""Handing a problem on to another strategy, in a run of its own."""

from __future__ import annotations

from ttscale.run import Run
from ttscale.strategy import Strategy
from ttscale.types import Outcome, Problem


async def handed_on(
    strategy: Strategy, problem: Problem, run: Run, *, label: str, model: str | None = None
) -> Outcome:
    """Have a strategy answer in a run of its own; an answer that it says is this run's too, however it ends.

    Args:
        strategy: is to answer.
        problem: in the form in which it is asked.
        run: whose budget is spent.
        label: of the new run.
        model: whose samples it gets; as this run by default.
    """
    async with run.child(label=label, problem=problem, model=model) as child:
        try:
            return await strategy.solve(problem, child)
        finally:
            best = child.answer_so_far
            if best.answer is not None:
                run.best(best.answer, key=best.key, confidence=best.confidence, text=best.text)
