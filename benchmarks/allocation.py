"""One budget for a whole set of questions, against as many samples for each: `python benchmarks/allocation.py`.

A model draws a fixed number of samples for each of a set of easy and hard questions, all of them kept. On
these, self-consistency with all samples is the measure, and `allocated_vote` answers the same questions with a
part of its tokens in all, which they share: first in the order the samples were drawn in, then as the mean over
drawn orders. Printed are accuracies with 95 % Wilson intervals, the difference with its paired 95 % interval
(problems drawn again), and the tokens saved. ``--live`` has the model itself draw for `allocated_vote` too,
which takes its time and has no other orders; the samples are the same ones, by their seeds.

``--pool FILE`` does the same on samples that somebody recorded: all its models and benchmarks as one set of
questions.
"""

from __future__ import annotations

import argparse
import gzip
import json
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ttscale.evals import EvalConfig, EvalResult, Row
from ttscale_evals.replay.trials import FILE_NAME, TrialStore, mean_of
from ttscale_evals.runner import evaluate
from ttscale_evals.sources import OWN_BANK
from ttscale_evals.stats import PairedDifference, paired_difference
from ttscale_evals.store import ResultStore, RunDirectory

MIXED: Final = {
    "name": "composite",
    "params": {
        "config": {
            "datasets": [
                {
                    "name": "chain_sum",
                    "weight": 2,
                    "config": {"min_terms": 2, "max_terms": 8, "min_digits": 2, "max_digits": 2},
                },
                {"name": "leg_counting", "weight": 1, "config": {"min_animals": 2, "max_animals": 10}},
                {"name": "countdown", "weight": 1, "config": {"min_numbers": 3, "max_numbers": 4}},
            ]
        }
    },
    "label": "mixed",
}
"""Easy and hard questions side by side, of reasoning-gym."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What a row's problems came to, in their order."""

    row: Row
    correct: Sequence[float]
    mean_correct: Sequence[float] | None
    """Mean over drawn orders; ``None`` where there are none."""


def compare(
    pool: Path, *, n: int, first: int, step: int, shares: Sequence[float], orders: int, out: Path
) -> list[str]:
    """Compare on recorded samples, and return the lines of the table.

    Args:
        pool: of one model on one benchmark.
        n: most samples of a problem.
        first: samples of each problem before any has more.
        step: samples a turn after that.
        shares: parts of the fixed number's tokens to make do with, in (0, 1].
        orders: how many orders are drawn, >= 0.
        out: where the runs go.
    """
    benchmark = {"name": "pool", "params": {"path": str(pool)}, "label": "all"}
    settings = {"model": f"replay:{pool}", "benchmarks": [benchmark], "orders": orders}
    (fixed,) = _answers(_run({**settings, "strategies": [_uniform(n)]}, out / "uniform"))
    return [
        *_head(n, fixed),
        *_share(settings, fixed, n=n, first=first, step=step, shares=shares, out=out / "allocated"),
    ]


def _uniform(n: int) -> str:
    return f"self_consistency:n={n},stop=never"


def _head(n: int, fixed: Answers) -> list[str]:
    return [
        f"{'strategy':42} {'accuracy [95 % interval]':>25} {'difference [95 % interval]':>27} "
        f"{'tokens':>11} {'saved':>7} {'mean over orders':>17} {'difference [95 % interval]':>27}",
        _line(_uniform(n), fixed, fixed),
    ]


def _share(
    settings: Mapping[str, object],
    fixed: Answers,
    *,
    n: int,
    first: int,
    step: int,
    shares: Sequence[float],
    out: Path,
) -> list[str]:
    """Run the allocated vote on a part of the fixed number's tokens, and return its lines."""
    budgets = [f"shared:tokens={round(share * fixed.row.tokens)}" for share in shares]
    title = f"allocated_vote:n={n},first={first},step={step}"
    ours = _answers(_run({**settings, "strategies": [title], "budgets": budgets}, out))
    return [_line(f"{title} at {share:.0%}", one, fixed) for share, one in zip(shares, ours, strict=True)]


def _run(given: Mapping[str, object], out: Path) -> EvalResult:
    return evaluate(EvalConfig.load(None, {**given, "traces": False}), out=out)


def _answers(result: EvalResult) -> list[Answers]:
    """Return what a run's rows came to, in their order."""
    rows = [row for row in result.rows if not row.is_bound]
    correct = defaultdict[int, dict[int, float]](dict)
    with ResultStore(RunDirectory(result.run_dir).store_path) as store:
        numbers = [cell.number for cell in store.cells()]
        for found in store.results():
            correct[found.cell][found.position] = float(found.grade.correct)
    means = dict[int, Sequence[float]]()
    if (result.run_dir / FILE_NAME).is_file():
        with TrialStore(result.run_dir) as trials:
            drawn = {number: trials.trials(number) for number in numbers}
        means = {number: mean_of(of).correct.tolist() for number, of in drawn.items() if of}
    return [
        Answers(
            row=row,
            correct=[right for _, right in sorted(correct[number].items())],
            mean_correct=means.get(number),
        )
        for row, number in zip(rows, numbers, strict=True)
    ]


def _line(title: str, ours: Answers, fixed: Answers) -> str:
    row = ours.row
    low, high = row.accuracy_low or 0.0, row.accuracy_high or 0.0
    accuracy = f"{100 * (row.accuracy or 0.0):.2f} [{100 * low:.2f}, {100 * high:.2f}]"
    difference = mean = mean_difference = ""
    if ours is not fixed:
        difference = _points(paired_difference(ours.correct, fixed.correct, seed=0))
    if ours.mean_correct is not None and fixed.mean_correct is not None:
        mean = f"{100 * sum(ours.mean_correct) / len(ours.mean_correct):.2f}"
        if ours is not fixed:
            mean_difference = _points(paired_difference(ours.mean_correct, fixed.mean_correct, seed=0))
    saved = 1.0 - row.tokens / fixed.row.tokens
    return (
        f"{title:42} {accuracy:>25} {difference:>27} {row.tokens:11,} {saved:7.1%} "
        f"{mean:>17} {mean_difference:>27}"
    ).rstrip()


def _points(found: PairedDifference) -> str:
    low, high = found.interval
    return f"{100 * found.difference:+.2f} [{100 * low:+.2f}, {100 * high:+.2f}]"


def write_as_one(pool: Path, n: int, folder: Path) -> Path:
    """Write a pool's problems that have `n` samples or more as those of one model on one benchmark.

    Args:
        pool: rows of model, benchmark, problem and sample, as JSON lines, perhaps compressed.
        n: samples of a problem, >= 1.
        folder: where to.

    Returns:
        The new pool.
    """
    held = defaultdict[tuple[str, ...], list[dict[str, object]]](list)
    opener = gzip.open if pool.suffix == ".gz" else open
    with opener(pool, "rt", encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            held[tuple(str(row[name]) for name in ("model", "benchmark", "problem"))].append(row)
    path = folder / "as-one.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for whose, rows in held.items():
            if len(rows) >= n:
                named = {"model": "all", "benchmark": "all", "problem": " ".join(whose)}
                file.writelines(json.dumps({**row, **named}) + "\n" for row in rows)
    return path


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Compare a shared budget with one of each question.")
    parser.add_argument("--model", default="hf:abacus", metavar="URI", help="(default: %(default)s)")
    parser.add_argument("--problems", type=int, default=200, help="(default: %(default)s)")
    parser.add_argument("--samples", type=int, default=16, metavar="N", help="(default: %(default)s)")
    parser.add_argument("--first", type=int, default=1, metavar="N", help="(default: %(default)s)")
    parser.add_argument("--step", type=int, default=1, metavar="N", help="(default: %(default)s)")
    parser.add_argument(
        "--shares", type=float, nargs="+", default=[0.5, 0.6, 0.7], help="(default: %(default)s)"
    )
    parser.add_argument("--orders", type=int, default=10, metavar="B", help="(default: %(default)s)")
    parser.add_argument("--live", action="store_true", help="let the model draw for the allocated vote too")
    parser.add_argument("--pool", type=Path, metavar="FILE", help="recorded samples, 8 of each problem")
    parser.add_argument("--only-pool", action="store_true", help="leave the model out")
    options = parser.parse_args()
    asked = {"first": options.first, "step": options.step, "shares": options.shares}
    with tempfile.TemporaryDirectory() as name:
        folder, n = Path(name), options.samples
        if not options.only_pool:
            print(f"{options.model}, {options.problems} problems, {options.orders} drawn orders")
            settings = {"model": options.model, "benchmarks": [MIXED], "limit": options.problems}
            drawn = _run({**settings, "strategies": [_uniform(n)], "record": True}, folder / "drawn")
            bank = drawn.run_dir / OWN_BANK
            print("\n".join(compare(bank, n=n, orders=options.orders, out=folder / "own", **asked)), flush=True)
            if options.live:
                (fixed,) = _answers(drawn)
                print("drawn live")
                print(
                    "\n".join([*_head(n, fixed), *_share(settings, fixed, n=n, out=folder / "live", **asked)])
                )
        if options.pool is None or not options.pool.is_file():
            print(f"no recorded samples: {options.pool or 'name a file with --pool'}")
        else:
            print(f"{options.pool.name}, problems with 8 samples, {options.orders} drawn orders")
            pool = write_as_one(options.pool, 8, folder)
            print("\n".join(compare(pool, n=8, orders=options.orders, out=folder / "pool", **asked)))


if __name__ == "__main__":
    main()
