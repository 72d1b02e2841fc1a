"""How far a plan is from what a run takes: `python benchmarks/plan.py`.

A pilot draws a few samples of some problems. From these every strategy is planned, on a virtual clock and
without the model (`ttscale.planning`). Then it is run for real, on other problems of the same benchmarks, on
one engine. Printed is, next to each other, what was predicted and what was measured: tokens that a budget
counts and the critical path, means over problems. A ratio of 1.10 is a run that took 10 % more than planned.
"""

from __future__ import annotations

import argparse
import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from ttscale import Engine, load_backend
from ttscale.evals import create_benchmark
from ttscale.planning import Cast, Expectation, Workload, pilot_workload, rehearse
from ttscale.registry import create_strategy
from ttscale.strategy import Strategy
from ttscale.types import Outcome, Problem

BENCHMARKS = (
    "chain_sum:min_terms=6,max_terms=8,min_digits=2,max_digits=2",
    "leg_counting:min_animals=2,max_animals=5,min_instances=1,max_instances=15",
    "countdown:min_numbers=3,max_numbers=4",
)
STRATEGIES = (
    "single",
    "self_consistency:n=8,stop=never",
    "adaptive_consistency:n=16",
    "first_finish:n=8,k=2",
    "esc:n=16,window=4",
    "self_consistency:n=8",
    'cascade:stages=["self_consistency:n=4","self_consistency:n=16"]',
    "best_of_n:n=8",
    "no_thinking",
    "beam_search:width=8,beam_width=2",
)
WITHIN = 0.25
"""Of the measured number."""


@dataclass(frozen=True, slots=True)
class Line:
    """One strategy, planned and run."""

    strategy: str
    planned: Expectation
    tokens: float
    """Measured, a problem."""
    critical_path: float
    """Measured, a problem."""

    @property
    def token_ratio(self) -> float:
        """Measured over predicted."""
        return self.tokens / (self.planned.tokens or math.nan)

    @property
    def path_ratio(self) -> float:
        """Measured over predicted."""
        return self.critical_path / (self.planned.critical_path_tokens or math.nan)

    @property
    def is_near(self) -> bool:
        """Whether both predictions are within a quarter of what was measured."""
        planned = (self.planned.tokens or math.nan, self.planned.critical_path_tokens or math.nan)
        measured = (self.tokens, self.critical_path)
        return all(abs(p - m) <= WITHIN * m for p, m in zip(planned, measured, strict=True))

    def __str__(self) -> str:
        """Return the line of the table."""
        return (
            f"{self.strategy:64}"
            f" {self.planned.tokens or 0:10,.0f} {self.tokens:10,.0f} {self.token_ratio:6.2f}"
            f" {self.planned.critical_path_tokens or 0:10,.0f} {self.critical_path:10,.0f}"
            f" {self.path_ratio:6.2f}  {'yes' if self.is_near else 'no'}"
        )


_COLUMNS = f"{'planned':>10} {'measured':>10} {'ratio':>6}"
HEAD = (
    f"{'':64} {'tokens a problem':^28} {'critical path':^28}\n"
    f"{'strategy':64} {_COLUMNS} {_COLUMNS}  within {WITHIN:.0%}"
)


def problems_of(
    benchmarks: Sequence[str], num_pilot: int, num_run: int | None
) -> tuple[list[Problem], list[Problem]]:
    """Return problems for the pilot and others for the run, as many of each benchmark; by ``None`` the same."""
    pilot, run = list[Problem](), list[Problem]()
    for spec in benchmarks:
        drawn = list(create_benchmark(spec).problems(limit=num_pilot + (num_run or 0)))
        pilot += drawn[:num_pilot]
        run += drawn if num_run is None else drawn[num_pilot:]
    return pilot, run


async def measure(model: str, strategy: Strategy, problems: Sequence[Problem]) -> list[Outcome]:
    """Run a strategy on problems, a few of them at a time, on an engine with an empty cache."""
    async with Engine(load_backend(model)) as engine:
        await engine.prepare(strategy)
        at_once = asyncio.Semaphore(8)

        async def one(problem: Problem) -> Outcome:
            async with at_once:
                return await engine.solve(problem, strategy=strategy, seed=1)

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(problem)) for problem in problems]
        return [task.result() for task in tasks]


async def pilot(model: str, problems: Sequence[Problem], n: int) -> tuple[Workload, Cast]:
    """Draw the pilot's samples, and return them with what the engine says of the model."""
    backend = load_backend(model)
    workload = await pilot_workload(backend, problems, n=n)
    return workload, Cast(
        profile=backend.profile,
        prefix_block=backend.profile.prefix_block if backend.capabilities.prefix_cache else None,
        batch_size=backend.batch_size,
    )


def mean(values: Sequence[float]) -> float:
    """Return the mean."""
    return math.fsum(values) / len(values)


def compare(
    model: str, *, strategies: Sequence[str], num_pilot: int, num_run: int | None, num_samples: int
) -> list[Line]:
    """Plan and run all strategies, and print a line for each."""
    for_pilot, for_run = problems_of(BENCHMARKS, num_pilot, num_run)
    workload, cast = asyncio.run(pilot(model, for_pilot, num_samples))
    measured_on = "the same" if num_run is None else f"{len(for_run)} others"
    print(f"{model}: planned from {workload.origin}; measured on {measured_on}\n\n{HEAD}", flush=True)
    lines = list[Line]()
    for spec in strategies:
        strategy = create_strategy(spec)
        planned = rehearse(strategy, workload, cast)
        outcomes = asyncio.run(measure(model, strategy, for_run))
        failed = [outcome.error for outcome in outcomes if outcome.stop_reason == "error"]
        if failed:
            raise SystemExit(f"{spec} failed on {len(failed)} problems: {failed[0]}")
        tokens = mean([outcome.usage.tokens for outcome in outcomes])
        path = mean([outcome.critical_path_tokens for outcome in outcomes])
        lines.append(Line(spec, planned, tokens, path))
        print(lines[-1], flush=True)
    return lines


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Compare plans with what runs take.")
    parser.add_argument("--model", default="hf:abacus", metavar="URI", help="(default: %(default)s)")
    parser.add_argument(
        "--pilot", type=int, default=24, metavar="N", help="problems of each benchmark planned from"
    )
    parser.add_argument("--problems", type=int, default=20, metavar="N", help="of each benchmark, to run")
    parser.add_argument("--own", action="store_true", help="run on the pilot's own problems, drawn anew")
    parser.add_argument("--samples", type=int, default=16, metavar="N", help="of each problem of the pilot")
    parser.add_argument("--strategy", action="append", metavar="SPEC", help="(default: ten of them)")
    options = parser.parse_args()
    chosen = list(chain(options.strategy or STRATEGIES))
    lines = compare(
        options.model,
        strategies=chosen,
        num_pilot=options.pilot,
        num_run=None if options.own else options.problems,
        num_samples=options.samples,
    )
    num_near = sum(line.is_near for line in lines)
    print(f"\nwithin {WITHIN:.0%} in tokens and critical path: {num_near} of {len(lines)} strategies")


if __name__ == "__main__":
    main()
