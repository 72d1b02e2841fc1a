"""What it costs that rows take turns on an engine: `python benchmarks/turns.py`.

The same suite is run both ways, one after the other and several times, on an engine that is started anew for
each: rows that take turns (`turns: true`), so that the batch runs empty at the end of each, and problems that
follow one another across rows. Printed are the seconds from the first problem's start to the last one's end
(starting the engine is not in them), side by side, and their ratio. Answers must be the same, and are compared.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
from pathlib import Path

from ttscale.evals import EvalConfig, run_eval
from ttscale_evals.store import ResultStore, RunDirectory


async def seconds(config: EvalConfig, out: Path) -> tuple[float, list[tuple[str, str | None]]]:
    """Run a suite; return how long it was at work, and each problem's answer by its key."""
    await run_eval(config, out=out)
    with ResultStore(RunDirectory(out).store_path) as store:
        answers = sorted((result.key, result.outcome.answer) for result in store.results())
        return store.seconds_at_work(), answers


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Compare rows that take turns with rows that overlap.")
    parser.add_argument("config", type=Path, nargs="?", default=Path("configs/demo.yaml"))
    parser.add_argument("--model", default="abacus", metavar="URI", help="(default: %(default)s)")
    parser.add_argument("--problems", type=int, default=32, help="of each benchmark (default: %(default)s)")
    parser.add_argument("--concurrency", type=int, default=64, help="(default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="(default: %(default)s)")
    options = parser.parse_args()
    given = {"model": options.model, "limit": options.problems, "concurrency": options.concurrency}
    ratios = list[float]()
    print(f"{'round':>5} {'turns':>9} {'overlapping':>12} {'ratio':>6} {'same answers':>13}")
    for number in range(options.rounds):
        found = dict[bool, tuple[float, list[tuple[str, str | None]]]]()
        for turns in (True, False) if number % 2 == 0 else (False, True):
            config = EvalConfig.load(options.config, {**given, "turns": turns, "traces": False})
            with tempfile.TemporaryDirectory() as directory:
                found[turns] = asyncio.run(seconds(config, Path(directory, "run")))
        (strict, ours), (flowing, theirs) = found[True], found[False]
        ratios.append(strict / flowing)
        same = sum(one == other for one, other in zip(ours, theirs, strict=True)) / len(ours)
        print(f"{number + 1:5} {strict:8.1f}s {flowing:11.1f}s {ratios[-1]:6.2f} {same:13.1%}", flush=True)
    print(f"median ratio {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    main()
