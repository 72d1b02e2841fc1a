"""A router against random mixing: `python benchmarks/routing.py POOL [--models A B --costs 1 9] [--out FILE]`.

POOL holds questions that several models have answered, with grades: CSV with a column `prompt` and one of True
and False for each model (as RouteLLM's), or JSON lines with `question` and, by model, `is_correct` (as OpenAI's
grade-school-math); both may be compressed. The questions are cut into folds, and of each fold is predicted who
is right by a router that was fitted on the others, everything chosen on these. The weight of the cost is then
swept over all. Printed are the accuracy at parts of the range of costs, against random mixing of the models
(the zero router) and against an oracle, with 95 % intervals over questions; the mean gain over costs; and AIQ.
`--out` writes the router that is fitted on all questions, for `route:router=FILE`.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TextIO, cast

import numpy as np
from numpy.typing import NDArray

from ttscale_strategies.route import RoutingGain, fit_router, routing_gain
from ttscale_strategies.route.fitting import Method

Floats = NDArray[np.float64]


def read_pool(path: Path) -> tuple[list[str], dict[str, list[float]]]:
    """Return questions, and by model whether its answer to each is right."""
    opener = gzip.open if path.suffix == ".gz" else open
    with cast("TextIO", opener(path, "rt", encoding="utf-8", newline="")) as file:
        if ".csv" in path.suffixes:
            return _read_csv(file)
        return _read_lines(file)


def _read_csv(file: TextIO) -> tuple[list[str], dict[str, list[float]]]:
    csv.field_size_limit(1 << 24)
    rows = list(csv.DictReader(file))
    names = [name for name in rows[0] if name != "prompt" and {row[name] for row in rows} <= {"True", "False"}]
    return [row["prompt"] for row in rows], {
        name: [float(row[name] == "True") for row in rows] for name in names
    }


def _read_lines(file: TextIO) -> tuple[list[str], dict[str, list[float]]]:
    rows = [cast("Mapping[str, object]", json.loads(line)) for line in file if line.strip()]
    names = [name for name, value in rows[0].items() if isinstance(value, dict) and "is_correct" in value]
    graded = {
        name: [float(bool(cast("Mapping[str, object]", row[name])["is_correct"])) for row in rows]
        for name in names
    }
    return [str(row["question"]) for row in rows], graded


def left_out_losses(
    questions: Sequence[str],
    right: Floats,
    costs: Sequence[float],
    models: Sequence[str],
    *,
    method: Method,
    num_folds: int,
    seed: int,
) -> tuple[Floats, Counter[str]]:
    """Return what is expected of each question by a router that has not seen it, and the kinds chosen."""
    fold = np.random.default_rng([seed, 1]).permutation(len(questions)) % num_folds
    expected, kinds = np.empty_like(right), Counter[str]()
    for number in range(num_folds):
        (seen,), (out,) = np.nonzero(fold != number), np.nonzero(fold == number)
        router = fit_router(
            [questions[place] for place in seen.tolist()],
            right[seen],
            {"cost": costs},
            models=models,
            method=method,
            seed=seed,
        )
        expected[out] = router.expected_losses([questions[place] for place in out.tolist()])
        kinds[max(router.validation, key=router.validation.__getitem__)] += 1
    return expected, kinds


def table(gain: RoutingGain) -> list[str]:
    """Return the lines of the table."""
    heads = f"{'cost':>10} {'mixed':>7} {'routed':>7} {'oracle':>7}"
    lines = [f"{heads} {'gain [95 % interval]':>23} {'[at all costs]':>18}"]
    for place in range(0, len(gain.costs), 10):
        one, band = gain.gains[place], gain.band[place]
        lines.append(
            f"{gain.costs[place]:10.4g} {100 * gain.mixed[place]:7.2f} {100 * gain.routed[place]:7.2f} "
            f"{100 * gain.oracle[place]:7.2f} {_points(one.value, one.low, one.high):>23} "
            f"{f'[{100 * band.low:+.2f}, {100 * band.high:+.2f}]':>18}"
        )
    inner = range(1, len(gain.costs) - 1)
    above = sum(gain.gains[place].value > 0.0 for place in inner)
    sure = sum(gain.gains[place].low > 0.0 for place in inner)
    surer = sum(gain.band[place].low > 0.0 for place in inner)
    area = gain.area
    share = "" if gain.share_of_oracle is None else f", {gain.share_of_oracle:.0%} of the oracle's"
    lines.append(
        f"of {len(inner)} costs between the ends: better at {above}, surely at {sure}, all at once at {surer}"
    )
    lines.append(f"mean gain over costs {_points(area.value, area.low, area.high)}{share}")
    lines.append(f"AIQ {100 * gain.mean_quality:.2f}, of mixing {100 * float(np.mean(gain.mixed)):.2f}")
    return lines


def _points(value: float, low: float, high: float) -> str:
    return f"{100 * value:+.2f} [{100 * low:+.2f}, {100 * high:+.2f}]"


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Compare a router with random mixing of its models.")
    parser.add_argument("pool", type=Path, help="graded answers of several models to the same questions")
    parser.add_argument("--models", nargs="+", metavar="NAME", help="two or more (default: all)")
    parser.add_argument(
        "--costs", nargs="+", type=float, help="of an answer of each; without, calls of later ones cost more"
    )
    parser.add_argument("--method", nargs="+", default=["clusters", "logistic", "best"])
    parser.add_argument("--folds", type=int, default=5, help="(default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="(default: %(default)s)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="a router fitted on all questions")
    options = parser.parse_args()
    if not options.pool.is_file():
        raise SystemExit(f"there is no pool {options.pool}")
    questions, graded = read_pool(options.pool)
    models = options.models or list(graded)
    unknown = [name for name in models if name not in graded]
    if unknown:
        raise SystemExit(f"no model is called {unknown[0]!r}; there are {', '.join(graded)}")
    right = np.asarray([graded[name] for name in models]).T
    costs = options.costs or [float(place) for place in range(len(models))]
    print(f"{options.pool.name}: {len(questions)} questions, {options.folds} folds, seed {options.seed}")
    for name, cost, mean in zip(models, costs, right.mean(axis=0), strict=True):
        print(f"  {name}: cost {cost:g}, accuracy {100 * mean:.2f}")
    for method in options.method:
        expected, kinds = left_out_losses(
            questions, right, costs, models, method=method, num_folds=options.folds, seed=options.seed
        )
        print(f"{method}: {', '.join(f'{kind} ({count} folds)' for kind, count in kinds.items())}")
        print("\n".join(table(routing_gain(expected, costs, right, seed=options.seed))))
    if options.out is not None:
        router = fit_router(
            questions, right, {"cost": costs}, models=models, method=options.method[-1], seed=options.seed
        )
        router.write(options.out)


if __name__ == "__main__":
    main()
