"""Agents with tools against each other: `python benchmarks/agents.py`.

One run on one engine: `abacus` writes every plan, of calls of add, subtract and multiply, for held-out sums
of 6 to 8 terms and leg countings. A tool takes a time that is drawn from a log-normal distribution (median
0.45 s, kept between 0.2 and 1 s), by the call: the same call takes the same time whoever makes it. The
questions come one after the other, and all agents answer each before the next one comes.

- ReAct has the plan written line by line, and waits for each call: abacus knows nothing of observations.
- W&D likewise, three lines at a time.
- Flash-Searcher has the whole plan written, then makes all calls of a step at once.
- LLMCompiler begins each call as soon as its line is there and its inputs are; also with one call at a time,
  and with no call before the plan has ended.

Printed is a table with 95 % intervals: accuracy (Wilson), means of latency, tokens and calls, the ratio of
ReAct's latency to the agent's, and the agent's latency to its critical path, that is, to the time at which
the plan would have been over and the last call ended, if each had begun the moment its line was written and
what it needs had ended (bootstraps over questions).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ttscale import Engine, Outcome, Problem, Prompt, load_backend
from ttscale.reference.problems import HELD_OUT_CONFIGS, make_dataset
from ttscale.reference.roles.attempts import Attempts
from ttscale.reference.roles.measures import share
from ttscale.reference.roles.questions import asked
from ttscale.reference.roles.steps import is_right
from ttscale.strategies import FlashSearcher, LLMCompiler, ReAct, WideAndDeep
from ttscale.strategy import Strategy
from ttscale.tools import FunctionTool
from ttscale_strategies.dag import Need, Node
from ttscale_strategies.dag.paths import shape_of

RESAMPLES = 10_000
SETS = (("chain_sum", 3), ("leg_counting", 1))
"""Names of sets, and which of their held-out configurations: sums of 6 to 8 terms, any leg counting."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What an agent made of one question."""

    is_right: bool
    seconds: float
    tokens: int
    generations: int
    tool_calls: int
    width: int
    over_critical_path: float | None


def tools(seed: int) -> tuple[FunctionTool, ...]:
    """Return the tools, which take their time."""

    def timed(name: str, compute: Callable[[int, int], int]) -> FunctionTool:
        async def call(a: int, b: int) -> int:
            drawn = random.Random(f"{seed} {name} {a} {b}").lognormvariate(-0.8, 0.5)
            await asyncio.sleep(min(1.0, max(0.2, drawn)))
            return compute(a, b)

        return FunctionTool(function=call, name=name, description=f"{name} two whole numbers")

    return (
        timed("add", lambda a, b: a + b),
        timed("subtract", lambda a, b: a - b),
        timed("multiply", lambda a, b: a * b),
    )


def agents(seed: int) -> dict[str, Strategy]:
    """Return the agents by name, ReAct first."""
    box = tools(seed)
    return {
        "react": ReAct(tools=box, template="plan", form="plan", max_steps=24),
        "wide_and_deep": WideAndDeep(tools=box, template="plan", form="plan", max_iterations=24),
        "flash_searcher": FlashSearcher(tools=box, template="plan", joiner="last"),
        "llm_compiler, 1 worker": LLMCompiler(tools=box, template="plan", joiner="last", max_workers=1),
        "llm_compiler, plan first": LLMCompiler(tools=box, template="plan", joiner="last", stream=False),
        "llm_compiler": LLMCompiler(tools=box, template="plan", joiner="last"),
    }


def problems(num_questions: int) -> list[tuple[Problem, Attempts]]:
    """Return held-out questions, the same number of each set, and what checks their answers."""
    found = list[tuple[Problem, Attempts]]()
    for name, config in SETS:
        dataset = make_dataset(name, HELD_OUT_CONFIGS[name][config], seed=0, size=num_questions)
        for index in range(num_questions):
            question = asked(name, dataset[index])
            problem = Problem(id=f"{name} {index}", prompt=Prompt.user(question.text))
            found.append((problem, Attempts(name, 0, question.text, question.key, ())))
    return found


def trial(outcome: Outcome, checker: Attempts) -> Trial:
    """Return what there is to know of an outcome."""
    attributes: Any = outcome.trace[0]["attributes"]
    rows: list[Mapping[str, Any]] = attributes["calls"]
    nodes = [Node(id=row["id"], tool=row["tool"], needs=tuple(map(Need, row["needs"]))) for row in rows]
    return Trial(
        is_right=outcome.answer is not None and is_right(checker, outcome.answer),
        seconds=outcome.seconds,
        tokens=outcome.usage.tokens,
        generations=outcome.usage.calls,
        tool_calls=outcome.usage.tool_calls,
        width=shape_of(nodes).max_width,
        over_critical_path=_over_critical_path(outcome, rows),
    )


def _over_critical_path(outcome: Outcome, rows: Sequence[Mapping[str, Any]]) -> float | None:
    """Return latency over that of ideal dispatch; ``None``: a call was not made."""
    samples: Any = [span["end"] for span in outcome.trace if span["kind"] == "sample"]
    ends = dict[str, float]()
    for row in rows:
        if row["state"] != "done":
            return None
        began = max([row["planned"], *(ends[source] for source in row["needs"])])
        ends[row["id"]] = began + row["ended"] - row["began"]
    ideal: float = max([*samples, *ends.values()])
    return outcome.seconds / ideal


def interval(statistic: Callable[[Sequence[int]], float], size: int) -> tuple[float, float]:
    """Return a 95 % percentile bootstrap interval of a statistic of so many questions, given their places."""
    rng = random.Random(0)
    values = sorted(statistic(rng.choices(range(size), k=size)) for _ in range(RESAMPLES))
    return values[int(0.025 * RESAMPLES)], values[int(0.975 * RESAMPLES)]


def row(name: str, trials: Sequence[Trial], baseline: Sequence[Trial]) -> str:
    """Return a line of the table."""
    right = share(sum(one.is_right for one in trials), len(trials))
    seconds, before = [one.seconds for one in trials], [one.seconds for one in baseline]

    def mean_seconds(places: Sequence[int]) -> float:
        return statistics.fmean(seconds[place] for place in places)

    def speed_up(places: Sequence[int]) -> float:
        return sum(before[place] for place in places) / sum(seconds[place] for place in places)

    every = range(len(trials))
    low, high = interval(mean_seconds, len(trials))
    least, most = interval(speed_up, len(trials))
    over = [one.over_critical_path for one in trials if one.over_critical_path is not None]
    return (
        f"| {name} | {right.value:.1%} [{right.low:.1%}, {right.high:.1%}] "
        f"| {mean_seconds(every):.2f} [{low:.2f}, {high:.2f}] "
        f"| {speed_up(every):.2f} [{least:.2f}, {most:.2f}] "
        f"| {statistics.fmean(over) if over else float('nan'):.3f} "
        f"| {statistics.fmean(one.tokens for one in trials):.0f} "
        f"| {statistics.fmean(one.generations for one in trials):.1f} "
        f"| {statistics.fmean(one.tool_calls for one in trials):.1f} |"
    )


async def measure(options: argparse.Namespace) -> dict[str, list[Trial]]:
    """Have every agent answer every question."""
    contestants = agents(options.seed)
    found: dict[str, list[Trial]] = {name: [] for name in contestants}
    async with Engine(load_backend(options.model)) as engine:
        asked_of = problems(options.questions)
        await engine.solve(asked_of[0][0], strategy=contestants["llm_compiler"])  # the first one warms up
        for problem, checker in asked_of:
            for name, strategy in contestants.items():
                outcome = await engine.solve(problem, strategy=strategy, seed=options.seed)
                if outcome.error is not None:
                    raise RuntimeError(f"{name} failed on {problem.id}: {outcome.error}")
                found[name].append(trial(outcome, checker))
    return found


def main() -> None:
    """Read the arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="abacus", help="writes the plans (default: %(default)s)")
    parser.add_argument(
        "--questions", type=int, default=20, help="held-out questions a set (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the tools' times (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print every trial as JSON only")
    options = parser.parse_args()
    found = asyncio.run(measure(options))
    if options.json:
        print(json.dumps({name: [asdict(one) for one in trials] for name, trials in found.items()}))
        return
    wide = [place for place, one in enumerate(found["llm_compiler"]) if one.width >= 3]
    every = list(range(len(found["react"])))
    for title, places in (("All questions", every), ("Those with plans of width 3 or more", wide)):
        if title != "All questions" and places in ([], every):
            print(f"\n{title}: {len(places)}")
            continue
        print(f"\n{title}: {len(places)}\n")
        print(
            "| agent | right [95 %] | seconds [95 %] | ReAct's / its seconds [95 %] "
            "| over critical path | tokens | generations | tool calls |\n"
            "|---|---:|---:|---:|---:|---:|---:|---:|"
        )
        for name, trials in found.items():
            chosen = [[trial_of[place] for place in places] for trial_of in (trials, found["react"])]
            print(row(name, *chosen))


if __name__ == "__main__":
    main()
