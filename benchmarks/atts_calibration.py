"""A calibration for `atts`: `python benchmarks/atts_calibration.py --draft URI --target URI --out FILE`.

The draft writes first segments of a benchmark's questions, the target reads them, and their perplexities are
written to a file that `atts:calibration=FILE` reads. Printed are how many there are, their quartiles, and what
perplexity a segment must have to be taken over for several shares of takeovers. Use other questions than those
that you evaluate on: of a reasoning-gym set, another seed.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
from collections.abc import Sequence
from pathlib import Path

from ttscale.backends import load_backend
from ttscale.engine import Engine
from ttscale_evals.benchmarks import create_benchmark
from ttscale_strategies import ATTS
from ttscale_strategies.search.atts_calibration import calibrate, write_perplexities
from ttscale_strategies.search.rules import percentile_rank, takeover_threshold


async def perplexities(options: argparse.Namespace) -> tuple[float, ...]:
    """Start draft and target, and have them write and read."""
    problems = list(create_benchmark(options.benchmark).problems(limit=options.questions))
    atts = ATTS(n=options.drafts, target=options.target, max_turn_tokens=options.max_turn_tokens)
    async with Engine(load_backend(options.draft)) as engine:
        return await calibrate(engine, problems, atts, seed=options.seed)


def least_taken(found: Sequence[float], share: float) -> float | None:
    """Return the least of these perplexities that would be taken over; ``None``: none of them."""
    threshold = takeover_threshold(len(found), share)
    return min((value for value in found if percentile_rank(value, found) >= threshold), default=None)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Make a calibration for the strategy atts.")
    parser.add_argument("--draft", default="abacus-s", metavar="URI", help="(default: %(default)s)")
    parser.add_argument("--target", default="abacus", metavar="URI", help="(default: %(default)s)")
    parser.add_argument(
        "--benchmark", default="countdown:min_numbers=3,max_numbers=3,seed=900", help="(default: %(default)s)"
    )
    parser.add_argument("--questions", type=int, default=32, help="(default: %(default)s)")
    parser.add_argument("--drafts", type=int, default=4, help="of each question (default: %(default)s)")
    parser.add_argument("--max-turn-tokens", type=int, default=500, help="(default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="(default: %(default)s)")
    parser.add_argument("--out", type=Path, help="a JSON file; none is written without")
    options = parser.parse_args()
    found = asyncio.run(perplexities(options))
    if options.out is not None:
        write_perplexities(options.out, found)
    quartiles = statistics.quantiles(found, n=4) if len(found) > 1 else [*found] * 3
    print(f"{len(found)} perplexities, quartiles {' '.join(f'{value:.3f}' for value in quartiles)}")
    for share in (0.1, 0.25, 0.4, 0.5, 0.75):
        least = least_taken(found, share)
        print(f"takeover_share={share}: from {'none of these' if least is None else f'{least:.3f}'}")


if __name__ == "__main__":
    main()
