"""One budget for all recorded problems, against eight samples for each of them.

The recordings carry no licence and are not part of this repository: they are read where they lie, beside it.
"""

from __future__ import annotations

import gzip
import heapq
import json
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import pytest

from ttscale_evals.config import EvalConfig
from ttscale_evals.runner import evaluate
from ttscale_evals.stats import paired_difference
from ttscale_strategies.voting.rules import majority, marginal_value

POOL = Path(__file__).parents[3] / "shared" / "data" / "pools" / "art_of_tts_half.jsonl.gz"
NUM_SAMPLES = 8


@dataclass(frozen=True)
class Problem:
    """Eight recorded traces of a model on a problem, in the order of the recordings."""

    rows: Sequence[dict[str, object]]

    @property
    def keys(self) -> list[str | None]:
        return [str(row["prediction"]) if row["prediction"] else None for row in self.rows]

    @property
    def lengths(self) -> list[int]:
        return [int(str(row["completion_tokens"])) for row in self.rows]

    def is_right(self, num_drawn: int) -> bool:
        winner = majority(self.keys[:num_drawn])
        return winner is not None and winner.key == self.rows[0]["target"]


@pytest.fixture(scope="module")
def problems() -> Sequence[Problem]:
    if not POOL.is_file():
        pytest.skip("the recorded traces are not here: ../shared/data/pools/art_of_tts_half.jsonl.gz")
    held = defaultdict[tuple[object, ...], list[dict[str, object]]](list)
    with gzip.open(POOL, "rt", encoding="utf-8") as file:
        for row in map(json.loads, file):
            held[row["model"], row["benchmark"], row["problem"]].append(row)
    return [Problem(rows) for rows in held.values() if len(rows) == NUM_SAMPLES]


def allocate(problems: Sequence[Problem], total: int) -> list[int]:
    """Return how many samples each problem has when so many tokens are spent by the greatest value first."""
    drawn = [0] * len(problems)
    bids = [(-math.inf, place) for place in range(len(problems))]
    while bids:
        _, place = heapq.heappop(bids)
        problem = problems[place]
        length = problem.lengths[drawn[place]]
        if length > total:
            break
        total -= length
        drawn[place] += 1
        value = marginal_value(problem.keys[: drawn[place]], max_samples=NUM_SAMPLES)
        if value > 0.0:
            heapq.heappush(bids, (-value, place))
    return drawn


@pytest.mark.slow
@pytest.mark.parametrize(("share", "most_lost"), [(0.7, 0.005), (0.6, 0.01), (0.5, 0.015)])
def test_a_part_of_the_tokens_is_as_accurate_where_it_goes_to_the_undecided(
    problems: Sequence[Problem], share: float, most_lost: float
) -> None:
    every = sum(sum(problem.lengths) for problem in problems)
    drawn = allocate(problems, int(share * every))
    spent = sum(sum(problem.lengths[:num]) for problem, num in zip(problems, drawn, strict=True))
    assert spent <= share * every
    ours = [float(problem.is_right(num)) for problem, num in zip(problems, drawn, strict=True)]
    theirs = [float(problem.is_right(NUM_SAMPLES)) for problem in problems]
    assert fmean(theirs) == pytest.approx(0.7122, abs=1e-4)
    found = paired_difference(ours, theirs, seed=0)
    assert found.interval.low > -most_lost
    assert found.interval.high >= 0.0


def test_with_enough_tokens_for_all_who_are_undecided_no_answer_changes(problems: Sequence[Problem]) -> None:
    drawn = allocate(problems, sum(sum(problem.lengths) for problem in problems))
    assert all(
        problem.is_right(num) == problem.is_right(NUM_SAMPLES)
        for problem, num in zip(problems, drawn, strict=True)
    )


@pytest.mark.slow
def test_a_row_of_recorded_samples_is_as_accurate_with_three_tenths_fewer_tokens(
    problems: Sequence[Problem], tmp_path: Path
) -> None:
    """One model's problems of AIME on the engine: bids, turns, ledger and virtual time."""
    chosen = [
        problem
        for problem in problems
        if problem.rows[0]["model"] == "QwQ" and "aime" in str(problem.rows[0]["benchmark"])
    ]
    pool = tmp_path / "pool.jsonl"
    with pool.open("w", encoding="utf-8") as file:
        for problem in chosen:
            name = f"{problem.rows[0]['benchmark']} {problem.rows[0]['problem']}"
            for row in problem.rows:
                file.write(json.dumps({**row, "benchmark": "all", "problem": name}) + "\n")
    every = sum(sum(problem.lengths) for problem in chosen)
    given = {
        "model": f"replay:{pool}",
        "benchmarks": [{"name": "pool", "params": {"path": str(pool)}, "label": "all"}],
        "strategies": [f"allocated_vote:n={NUM_SAMPLES}"],
        "budget": f"shared:tokens={int(0.7 * every)}",
    }
    result = evaluate(EvalConfig.load(None, given), out=tmp_path / "run")
    (found,) = [one for one in result.rows if not one.is_bound]
    uniform = fmean(problem.is_right(NUM_SAMPLES) for problem in chosen)
    assert found.num_problems == len(chosen)
    assert found.tokens <= 0.7 * every
    assert found.accuracy is not None
    assert found.accuracy >= uniform - 0.01
