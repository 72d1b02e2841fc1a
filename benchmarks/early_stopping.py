"""What stopping early saves, and what it costs in accuracy: `python benchmarks/early_stopping.py`.

A fixed number of samples and strategies that stop early answer the same held-out problems on one engine, one
strategy after the other. Printed is, next to each other and all from the same run: accuracy, the difference to
the fixed number with a 95 % interval (paired by problem), generated tokens (those of aborted samples included)
and wall-clock.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ttscale.evals import EvalConfig, EvalResult, Row, run_eval
from ttscale_evals.stats import bootstrap_interval
from ttscale_evals.store import ResultStore, RunDirectory

BENCHMARKS = (
    "chain_sum:min_terms=6,max_terms=8,min_digits=2,max_digits=2",
    "leg_counting:min_animals=2,max_animals=5,min_instances=1,max_instances=15",
    "leg_counting:min_animals=3,max_animals=10,min_instances=1,max_instances=15",
)
"""Two on which most questions are easy for the reference model, and one on which they are not."""


def strategies(n: int) -> list[str]:
    """Return the fixed number first, then what stops early."""
    return [
        f"self_consistency:n={n},stop=never",
        f"adaptive_consistency:n={n},window=4",
        f"esc:n={n},window=4",
    ]


def report(result: EvalResult, rights: dict[tuple[str, str], list[float]]) -> list[str]:
    """Return the lines of the table."""
    lines = [
        f"{'benchmark':22} {'strategy':34} {'accuracy':>8} {'difference [95 % interval]':>28} "
        f"{'tokens':>9} {'saved':>6} {'seconds':>8} {'saved':>6}"
    ]
    fixed: Row | None = None
    for row in result.rows:
        if fixed is None or fixed.benchmark != row.benchmark:
            fixed = row
        ours, theirs = rights[row.benchmark, row.strategy], rights[fixed.benchmark, fixed.strategy]
        differences = [one - other for one, other in zip(ours, theirs, strict=True)]
        low, high = bootstrap_interval(differences, seed=0)
        mean = sum(differences) / len(differences)
        difference = "" if row is fixed else f"{100 * mean:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]"
        tokens, before = _tokens(row), _tokens(fixed)
        lines.append(
            f"{_short(row.benchmark):22} {row.strategy:34} {100 * (row.accuracy or 0):7.1f}% "
            f"{difference:>28} {tokens:9,} {1 - tokens / before:6.0%} {row.wall_seconds:8.1f} "
            f"{1 - row.wall_seconds / fixed.wall_seconds:6.0%}"
        )
    return lines


def _short(title: str) -> str:
    """Return a benchmark's name with its greatest number of terms or animals."""
    name, _, params = title.partition(":")
    return f"{name}, {' '.join(re.findall('max_(?:terms|animals)=([0-9]+)', params))}"


def _tokens(row: Row) -> int:
    return row.generated_tokens + row.cancelled_tokens


def right_answers(directory: Path) -> dict[tuple[str, str], list[float]]:
    """Return of each row, by benchmark and strategy, whether each problem was answered rightly."""
    with ResultStore(RunDirectory(directory).store_path) as store:
        titles = {cell.number: (cell.benchmark, cell.strategy) for cell in store.cells()}
        found: dict[tuple[str, str], dict[int, float]] = {title: {} for title in titles.values()}
        for result in store.results():
            found[titles[result.cell]][result.position] = float(result.grade.correct)
    return {title: [right for _, right in sorted(of.items())] for title, of in found.items()}


async def compare(model: str, benchmarks: Sequence[str], *, n: int, limit: int, out: Path) -> list[str]:
    """Run all strategies and return the lines of the table."""
    config = EvalConfig.model_validate(
        {"model": model, "benchmarks": list(benchmarks), "strategies": strategies(n), "limit": limit}
    )
    return report(await run_eval(config, out=out), right_answers(out))


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description="Compare strategies that stop early with a fixed number of samples."
    )
    parser.add_argument("--model", default="hf:abacus", metavar="URI", help="(default: %(default)s)")
    parser.add_argument(
        "--samples", type=int, default=32, metavar="N", help="the fixed number (default: %(default)s)"
    )
    parser.add_argument("--problems", type=int, default=100, help="of each benchmark (default: %(default)s)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        lines = asyncio.run(
            compare(
                options.model, BENCHMARKS, n=options.samples, limit=options.problems, out=Path(directory, "run")
            )
        )
    print("\n".join(lines))


if __name__ == "__main__":
    main()
