"""Tables for `auto` and `compute_optimal`, fitted to what was recorded, and judged on the other fold.

`python benchmarks/effort.py POOL [--model NAME] [--out A.json B.json]` reads a sample bank or any pool that
`ttscale pool show` reads, plays strategies through on its samples, and fits a table on each half of the
questions; `auto:tables=[A.json, B.json]` then serves all of them. Printed are the model's family, what each
table chooses and why, and what the tables come to on the half that they have not seen, at each budget, against
the one strategy that was best by itself on the other half at that budget, with the paired difference and its
95 % interval over questions. Pilots are in the tables' tokens, and among their votes. Budgets below what the
pilots cost are left out.

`python benchmarks/effort.py RUN…` reads finished runs of `ttscale eval` in place of samples: every strategy of
theirs as it was graded, and difficulty by the agreement of the first candidates of `--pilot-strategy`. Votes of
fewer samples than there are pilots are no choice of a table.
"""

from __future__ import annotations

import argparse
import math
import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ttscale.backends.replay.source import choose_model
from ttscale.bank import open_pool
from ttscale_evals.stats import paired_difference
from ttscale_evals.store import ResultStore, RunDirectory
from ttscale_strategies.effort import Case, EffortTable, Result, bank_cases, bank_samples, fit_effort_table
from ttscale_strategies.effort.bank import NUM_PILOTS, Drawn
from ttscale_strategies.effort.plain_vote import plain_vote
from ttscale_strategies.effort.rules import Family, horizon_of
from ttscale_strategies.effort.table import fingerprint, strategy_of
from ttscale_strategies.voting.rules import majority

STRATEGIES = (
    "single",
    "self_consistency:n=2",
    "self_consistency:n=3",
    "self_consistency:n=4",
    "self_consistency:n=5",
    "self_consistency:n=6",
    "self_consistency:n=8",
    "first_finish:n=4,k=1",
    "first_finish:n=4,k=2",
    "first_finish:n=4,k=3",
    "shortest_majority:n=4",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """What tables are fitted to."""

    cases: Sequence[Case]
    """What strategies come to with pilots."""
    fixed: Sequence[Case]
    """What they come to by themselves, case by case."""
    family: Family
    num_pilots: int


def from_pool(path: Path, model: str | None, strategies: Sequence[str], num_pilots: int, seed: int) -> Material:
    """Play strategies through on a pool's samples."""
    with open_pool(path) as bank:
        samples = bank_samples(bank, choose_model(bank.models(), model, pool=str(path)))
    family = _family(samples, seed)
    cases = bank_cases(samples, strategies, num_pilots=num_pilots, seed=seed)
    asked = {case.question for case in cases}
    enough = {question: drawn for question, drawn in samples.items() if question in asked}
    fixed = bank_cases(enough, strategies, num_pilots=0, seed=seed)
    print(f"{path.name}: {len(asked)} of {len(samples)} questions have samples enough")
    return Material(cases=cases, fixed=fixed, family=family, num_pilots=num_pilots)


def _family(samples: Mapping[str, Sequence[Drawn]], seed: int) -> Family:
    lengths = [[one.tokens for one in drawn] for drawn in samples.values()]
    grades = [[one.correct for one in drawn] for drawn in samples.values()]
    found = horizon_of(lengths, grades, seed=seed)
    print(
        f"family {found.family}: on {found.num_hard} hard questions short samples are right "
        f"{100 * found.difference:+.1f} [{100 * found.low:+.1f}, {100 * found.high:+.1f}] points more often"
    )
    return found.family


def from_runs(paths: Sequence[Path], pilot_strategy: str, num_pilots: int) -> Material:
    """Read the graded answers of runs."""
    results = defaultdict[str, dict[str, Result]](dict)
    eases, pilots = dict[str, float](), dict[str, float]()
    for path in paths:
        with ResultStore(RunDirectory(path).store_path) as store:
            titles = {cell.number: cell.strategy for cell in store.cells()}
            for found in store.results():
                outcome, title = found.outcome, titles[found.cell]
                results[found.question][title] = Result(
                    correct=float(found.grade.correct), tokens=outcome.usage.tokens
                )
                if title == pilot_strategy:
                    first = sorted(outcome.candidates, key=lambda candidate: candidate.index)[:num_pilots]
                    agreed = majority([candidate.key for candidate in first])
                    eases[found.question] = 0.0 if agreed is None else agreed.votes / num_pilots
                    pilots[found.question] = sum(candidate.num_tokens for candidate in first)
    if not eases:
        raise SystemExit(f"no run has the strategy {pilot_strategy!r}, by whose candidates difficulty is told")
    fixed = [Case(question=question, ease=ease, results=results[question]) for question, ease in eases.items()]
    cases = [replace(one, results=_with_pilots(one.results, pilots[one.question], num_pilots)) for one in fixed]
    return Material(cases=cases, fixed=fixed, family="unknown", num_pilots=num_pilots)


def _with_pilots(results: Mapping[str, Result], tokens: float, num_pilots: int) -> dict[str, Result]:
    """Return what strategies come to with pilots that took so many tokens."""
    found = dict[str, Result]()
    for spec, result in results.items():
        vote = plain_vote(strategy_of(spec))
        if vote is None:
            found[spec] = replace(result, tokens=result.tokens + tokens)
        elif vote.n >= num_pilots:
            found[spec] = result
    return found


def halves(material: Material, seed: int) -> list[Material]:
    """Cut the questions, with all their cases, into two."""
    questions = sorted({case.question for case in material.cases})
    random.Random(seed).shuffle(questions)
    first = set(questions[::2])
    return [
        replace(
            material,
            cases=[case for case in material.cases if (case.question in first) is is_first],
            fixed=[case for case in material.fixed if (case.question in first) is is_first],
        )
        for is_first in (True, False)
    ]


def fixed_best(cases: Sequence[Case], budget: int) -> str:
    """Return the one strategy that is best for all cases within a budget."""
    return fit_effort_table(cases, budgets=[budget], num_bins=1).choices[0].strategy


def judged(table: EffortTable, half: Material, budget: int, fixed: str) -> dict[str, list[float]]:
    """Return by question the accuracy and tokens of a table's choices, and of a fixed strategy."""
    found = defaultdict[str, list[tuple[float, ...]]](list)
    for case, alone in zip(half.cases, half.fixed, strict=True):
        if fingerprint(case.question) in table.seen:
            raise AssertionError(f"the table was fitted on {case.question!r}")
        ours, other = case.results[table.choice(case.ease, budget).strategy], alone.results[fixed]
        found[case.question].append((ours.correct, ours.tokens, other.correct, other.tokens))
    return {
        question: [sum(column) / len(rows) for column in zip(*rows, strict=True)]
        for question, rows in found.items()
    }


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Fit tables for auto and compute_optimal, and judge them.")
    parser.add_argument("source", type=Path, nargs="+", help="a pool of samples, or finished runs")
    parser.add_argument("--model", metavar="NAME", help="of the pool")
    parser.add_argument("--strategies", nargs="+", default=STRATEGIES, help="played on the pool's samples")
    parser.add_argument(
        "--pilot-strategy", default="self_consistency", help="of the runs (default: %(default)s)"
    )
    parser.add_argument("--pilots", type=int, default=NUM_PILOTS, help="(default: %(default)s)")
    parser.add_argument(
        "--budgets", type=int, nargs="+", help="mean tokens a question (default: what they cost)"
    )
    parser.add_argument("--bins", type=int, default=5, help="(default: %(default)s)")
    parser.add_argument("--shared", action="store_true", help="budgets are means over questions of all bins")
    parser.add_argument("--seed", type=int, default=0, help="(default: %(default)s)")
    parser.add_argument("--out", type=Path, nargs=2, metavar="FILE", help="one for each half")
    options = parser.parse_args()
    if RunDirectory(options.source[0]).is_run:
        material = from_runs(options.source, options.pilot_strategy, options.pilots)
    else:
        material = from_pool(options.source[0], options.model, options.strategies, options.pilots, options.seed)
    if not material.cases:
        raise SystemExit("no question has samples enough for the pilots and the greatest strategy")
    budgets = options.budgets or _default_budgets(material)
    parts = halves(material, options.seed)
    tables = [
        fit_effort_table(
            half.cases,
            budgets=budgets,
            num_bins=options.bins,
            num_pilots=material.num_pilots,
            family=material.family,
            shared=options.shared,
        )
        for half in parts
    ]
    for number, table in enumerate(tables):
        print(f"table {number + 1}, fitted on {len(table.seen)} questions")
        for choice in table.choices:
            print(
                f"  bin {choice.difficulty_bin + 1}/{table.num_bins}, {choice.budget} tokens: "
                f"{choice.strategy} ({choice.accuracy:.1%} of {choice.num_cases}, {choice.tokens:.0f} tokens)"
            )
        if options.out is not None:
            table.write(options.out[number])
    print(f"{'budget':>8} {'table':>7} {'fixed':>7} {'difference [95 %]':>24} {'tokens, table and fixed':>24}")
    for budget in budgets:
        _print_judged(parts, tables, budget)


def _print_judged(parts: Sequence[Material], tables: Sequence[EffortTable], budget: int) -> None:
    rows = dict[str, list[float]]()
    for place, other in ((0, 1), (1, 0)):
        rows |= judged(tables[place], parts[other], budget, fixed_best(parts[place].fixed, budget))
    means = [sum(column) / len(rows) for column in zip(*rows.values(), strict=True)]
    found = paired_difference([row[0] for row in rows.values()], [row[2] for row in rows.values()], seed=0)
    low, high = found.interval
    points = f"{100 * found.difference:+.2f} [{100 * low:+.2f}, {100 * high:+.2f}]"
    spent = f"{means[1]:.0f} | {means[3]:.0f}"
    print(f"{budget:8} {100 * means[0]:7.2f} {100 * means[2]:7.2f} {points:>24} {spent:>24}")


def _default_budgets(material: Material) -> list[int]:
    """Return what each strategy costs by itself on average, rounded up, where pilots are not dearer."""
    alone = _mean_tokens(material.fixed)
    least = min(_mean_tokens(material.cases))
    return sorted({math.ceil(cost) for cost in alone if cost >= least})


def _mean_tokens(cases: Sequence[Case]) -> list[float]:
    return [sum(case.results[spec].tokens for case in cases) / len(cases) for spec in cases[0].results]


if __name__ == "__main__":
    main()
