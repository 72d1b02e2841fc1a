"""What families of strategies are worth at equal tokens: `python benchmarks/equal_tokens.py search`.

Every search gets the same budget of tokens for a problem (prompts, generated tokens, and what verifiers and
judges read), and is sized to come near it. Refinements have no budget, which would take their last words: they
are sized so that all of them spend about the same on average, `single` aside. All are asked the same held-out
problems by the same model. Printed are, for each set, accuracy with its 95 % interval, tokens, the longest
path, the tokens of steps that a depth keeps in the cache, and the paired differences to self-consistency and,
among searches, to best-of-N; at last ETS against REBASE, accuracy and kept tokens.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from string import Template
from typing import Final, cast

from ttscale import Budget, Engine, Outcome, Problem, load_backend
from ttscale.registry import create_strategy
from ttscale.types import JSON
from ttscale_evals.benchmarks import Benchmark, create_benchmark
from ttscale_evals.stats import paired_difference, wilson_interval

RANK: Final = "verifier={name: implicit_prm, params: {model: abacus-prm}}"
JUDGE: Final = "verifier={name: prm, params: {model: abacus-judge}}"
COMPARE: Final = "judge=abacus-judge,verdict=label"

SEARCHES: Final = {
    "self_consistency": "self_consistency:n=64,stop=never",
    "best_of_n": f"best_of_n:n=32,stop=never,{RANK}",
    "beam_search": f"beam_search:width=$width,beam_width=5,{RANK}",
    "dvts": f"dvts:width=$width,beam_width=5,{RANK}",
    "rebase": f"rebase:width=$width,{RANK}",
    "ets": f"ets:width=$width,lambda_cost=1.5,lambda_diversity=0.4,{RANK}",
    "lookahead": f"lookahead:width=$narrow,{RANK}",
    "mcts": f"mcts:num_rollouts=1,num_expansions=8,parallel=4,{RANK}",
    "reward_guided_search": f"reward_guided_search:{RANK}",
    "ab_mcts": f"ab_mcts:num_expansions=16,parallel=4,{RANK}",
    "best_first": f"best_first:num_expansions=8,children=8,{RANK}",
    "pats": f"pats:{JUDGE}",
}
"""By name; all of them are cut off by the budget. Widths are the set's, so that searches come to their ends."""

REFINEMENTS: Final = {
    "single": "single",
    "self_consistency": "self_consistency:n=$self_consistency,stop=never",
    "inverse_entropy_vote": "inverse_entropy_vote:n=$self_consistency",
    "sequential_refine": "sequential_refine:n=5,num_chains=$sequential_refine,choose=inverse_entropy",
    "pdr": "pdr:drafts=[$pdr,4],distil=shared_top_k,picked_by=votes,k=2",
    "pacore": "pacore:samples_per_round=[$pacore],template=revise",
    "knockout": f"knockout:n=$knockout,early_stop=never,{COMPARE}",
    "league": f"league:n=$league,num_opponents=3,{COMPARE}",
    "listwise": "listwise:n=$listwise",
}
"""Refining earlier attempts, and choosing by comparing; in `listwise` the model judges itself. They are of
the set's sizes, so that they spend what it says."""


@dataclass(frozen=True, slots=True)
class Set:
    """Problems, tokens for each of them, and what strategies must be like to spend so many."""

    benchmark: str
    tokens: int
    width: int
    """Of a search that comes to its end with these."""
    sizes: Mapping[str, int] = field(default_factory=dict[str, int])
    """Of refinements."""

    def spec(self, strategy: str) -> str:
        """Return a strategy of this set's sizes."""
        sizes = {"width": self.width, "narrow": max(1, 4 * self.width // 5), **self.sizes}
        return Template(strategy).substitute(sizes)


SETS: Final = {
    "countdown": Set(
        "countdown:min_numbers=3,max_numbers=3",
        2_000,
        10,
        {
            "self_consistency": 35,
            "sequential_refine": 5,
            "pdr": 29,
            "pacore": 22,
            "knockout": 13,
            "league": 7,
            "listwise": 23,
        },
    ),
    "leg_counting": Set(
        "leg_counting",
        4_000,
        5,
        {
            "self_consistency": 31,
            "sequential_refine": 3,
            "pdr": 24,
            "pacore": 25,
            "knockout": 14,
            "league": 9,
            "listwise": 26,
        },
    ),
    "gsm_symbolic": Set("gsm_symbolic", 4_000, 5),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What a strategy made of one problem."""

    correct: bool
    tokens: int
    path: int
    kept: float | None
    """Mean over depths of the steps' tokens kept in the cache; ``None``: no search by depths."""
    error: str | None


async def answered(
    engine: Engine, benchmark: Benchmark, problem: Problem, spec: str, budget: Budget | None, seed: int
) -> Answered:
    """Have one problem solved and graded."""
    outcome = await engine.solve(problem, strategy=create_strategy(spec), budget=budget, seed=seed)
    grade = await benchmark.grade(problem, outcome.answer, engine.workers)
    return Answered(
        correct=grade.correct,
        tokens=outcome.usage.tokens,
        path=outcome.critical_path_tokens,
        kept=_kept(outcome),
        error=outcome.error,
    )


def _kept(outcome: Outcome) -> float | None:
    attributes = (cast("Mapping[str, JSON]", span["attributes"]) for span in outcome.trace)
    found = [value for given in attributes if isinstance(value := given.get("kv_tokens_mean"), int | float)]
    return float(found[0]) if found else None


async def row(
    engine: Engine,
    benchmark: Benchmark,
    problems: Sequence[Problem],
    spec: str,
    budget: Budget | None,
    seed: int,
) -> list[Answered]:
    """Have all problems solved, all at once."""
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(answered(engine, benchmark, problem, spec, budget, seed)) for problem in problems
        ]
    return [task.result() for task in tasks]


def mean(values: Iterable[float]) -> float:
    """Return the mean of some values."""
    return statistics.fmean(values)


def percent(value: float) -> str:
    """Return a share in percent."""
    return f"{100 * value:.1f}"


def difference(found: Sequence[Answered], reference: Sequence[Answered]) -> str:
    """Return the paired difference of two accuracies in points, with its interval."""
    ours, theirs = ([float(one.correct) for one in side] for side in (found, reference))
    gap = paired_difference(ours, theirs, seed=0)
    low, high = gap.interval.low, gap.interval.high
    return f"{100 * gap.difference:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]"


@dataclass(frozen=True, slots=True)
class Family:
    """Strategies that are compared, and how."""

    strategies: Mapping[str, str]
    references: Sequence[str]
    """Strategies, those that the others are held against."""
    has_budget: bool
    """Whether a problem's tokens are a limit."""
    has_steps: bool
    """Whether they keep steps in the cache."""

    @property
    def head(self) -> str:
        """The head of its table."""
        names = ["strategy", "accuracy", "tokens", "longest path"]
        names += ["kept"] if self.has_steps else []
        names += [f"to {name.replace('_', '-')}" for name in self.references]
        return f"| {' | '.join(names)} |\n|---|{'---:|' * (len(names) - 1)}"

    def line(self, name: str, found: Mapping[str, Sequence[Answered]]) -> str:
        """Return a row of its table.

        Args:
            name: of the strategy.
            found: what it and those before it came to.
        """
        ours = found[name]
        interval = wilson_interval(sum(one.correct for one in ours), len(ours))
        kept = [one.kept for one in ours if one.kept is not None]
        cells = [
            f"`{name}`",
            f"{percent(mean(one.correct for one in ours))} % "
            f"[{percent(interval.low)}, {percent(interval.high)}]",
            f"{mean(one.tokens for one in ours):,.0f}",
            f"{mean(one.path for one in ours):,.0f}",
            *([f"{mean(kept):.1f}" if kept else ""] if self.has_steps else []),
            *(difference(ours, found[one]) if one in found and one != name else "" for one in self.references),
        ]
        return "| " + " | ".join(cells) + " |"


FAMILIES: Final = {
    "search": Family(SEARCHES, ("self_consistency", "best_of_n"), has_budget=True, has_steps=True),
    "refine": Family(REFINEMENTS, ("self_consistency",), has_budget=False, has_steps=False),
}


async def compare(options: argparse.Namespace) -> None:
    """Run all rows of all sets, and print the tables."""
    family = FAMILIES[options.family]
    async with Engine(load_backend(options.model), max_in_flight=options.in_flight) as engine:
        for name in options.sets.split(","):
            asked = SETS[name]
            benchmark = create_benchmark(asked.benchmark)
            problems = list(benchmark.problems(limit=options.questions, seed=options.seed))
            budget = Budget(tokens=asked.tokens) if family.has_budget else None
            about = "" if budget else "about "
            print(f"\n{name}: {len(problems)} problems, {about}{asked.tokens:,} tokens each\n")
            print(family.head)
            found = dict[str, list[Answered]]()
            for strategy in options.only.split(",") if options.only else family.strategies:
                spec = asked.spec(family.strategies[strategy])
                found[strategy] = await row(engine, benchmark, problems, spec, budget, options.seed)
                print(family.line(strategy, found), flush=True)
                _store(options.out, name, strategy, found[strategy])
            if {"ets", "rebase"} <= found.keys():
                print(
                    f"\nets against rebase: {difference(found['ets'], found['rebase'])} points, {_ratio(found)}"
                )


def _ratio(found: Mapping[str, Sequence[Answered]]) -> str:
    kept = {name: mean(one.kept or 0.0 for one in found[name]) for name in ("rebase", "ets")}
    times = kept["rebase"] / kept["ets"]
    return f"{times:.2f} times fewer tokens kept ({kept['ets']:.1f} for {kept['rebase']:.1f})"


def _store(out: Path | None, name: str, strategy: str, found: Sequence[Answered]) -> None:
    if out is not None:
        with out.open("a") as file:
            file.write(json.dumps({"set": name, "strategy": strategy, "found": [*map(asdict, found)]}) + "\n")


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Compare strategies at equal tokens.")
    parser.add_argument("family", choices=FAMILIES, help="which strategies")
    parser.add_argument("--model", default="abacus", metavar="URI", help="(default: %(default)s)")
    parser.add_argument("--sets", default=",".join(SETS), help="(default: %(default)s)")
    parser.add_argument("--only", default="", help="strategies, with commas (default: all)")
    parser.add_argument("--questions", type=int, default=150, help="of each set (default: %(default)s)")
    parser.add_argument(
        "--seed", type=int, default=40_000, help="of problems and samples (default: %(default)s)"
    )
    parser.add_argument("--in-flight", type=int, default=128, help="samples at once (default: %(default)s)")
    parser.add_argument("--out", type=Path, help="JSON lines to add each row's problems to")
    asyncio.run(compare(parser.parse_args()))


if __name__ == "__main__":
    main()
