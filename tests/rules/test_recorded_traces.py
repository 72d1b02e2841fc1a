"""The rules replayed on recorded traces of four reasoning models, against the published and recomputed tables.

The recordings carry no licence and are not part of this repository: they are read where they lie, beside it.
"""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import pytest

from ttscale_evals.stats import pass_at_k
from ttscale_strategies.voting.rules import (
    FinishVote,
    LengthLaw,
    Majority,
    Stopped,
    adaptive_consistency,
    early_stopping,
    first_finish,
    is_vote_decided,
    last_finish,
    majority,
    shortest_majority,
)

POOL = Path(__file__).parents[3] / "shared" / "data" / "pools" / "art_of_tts_half.jsonl.gz"
NUM_SAMPLES = 8


@dataclass(frozen=True)
class Problem:
    """The first eight recorded traces of a problem, in the order of the recordings."""

    target: str
    keys: tuple[str | None, ...]
    lengths: tuple[int, ...]

    @property
    def num_correct(self) -> int:
        return sum(key == self.target for key in self.keys)


Cells = Mapping[tuple[str, str], Sequence[Problem]]
Rule = Callable[[Problem], float]
"""What a rule is worth on a problem, in [0, 1]."""


@pytest.fixture(scope="module")
def cells() -> Cells:
    if not POOL.is_file():
        pytest.skip("the recorded traces are not here: ../shared/data/pools/art_of_tts_half.jsonl.gz")
    with gzip.open(POOL, "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    grouped = defaultdict[tuple[str, str, int], list[dict[str, str | int | None]]](list)
    for row in sorted(rows, key=lambda row: int(row["sample"])):
        grouped[row["model"], row["benchmark"], row["problem"]].append(row)
    found = defaultdict[tuple[str, str], list[Problem]](list)
    for (model, benchmark, _), traces in sorted(grouped.items()):
        if len(traces) >= NUM_SAMPLES:
            first = traces[:NUM_SAMPLES]
            found[model, benchmark].append(
                Problem(
                    target=str(first[0]["target"]),
                    keys=tuple(None if t["prediction"] is None else str(t["prediction"]) for t in first),
                    lengths=tuple(int(t["completion_tokens"] or 0) for t in first),
                )
            )
    return found


def right(problem: Problem, key: str | None) -> float:
    return float(key is not None and key == problem.target)


def key_of(winner: Majority | None) -> str | None:
    return winner.key if winner else None


def by_brevity(law: LengthLaw) -> Rule:
    def rule(problem: Problem) -> float:
        winner = shortest_majority(problem.keys, problem.lengths, law=law)
        return right(problem, winner.key if winner else None)

    return rule


def by_finish(search: Callable[[Sequence[str | None], Sequence[int], int], FinishVote], k: int) -> Rule:
    return lambda problem: right(problem, key_of(search(problem.keys, problem.lengths, k).winner))


RULES: dict[str, Rule] = {
    "mean": lambda problem: problem.num_correct / NUM_SAMPLES,
    "majority": lambda problem: right(problem, key_of(majority(problem.keys))),
    "ln": by_brevity("ln"),
    "sqrt": by_brevity("sqrt"),
    "linear": by_brevity("linear"),
    "first 1": by_finish(first_finish, 1),
    "first 3": by_finish(first_finish, 3),
    "last 1": by_finish(last_finish, 1),
    "pass": lambda problem: pass_at_k(NUM_SAMPLES, problem.num_correct, NUM_SAMPLES),
}

# Per cent, in the order of RULES.
ROWS = {
    ("R1", "aime2024"): (75.0, 86.7, 86.7, 86.7, 86.7, 86.7, 90.0, 70.0, 90.0),
    ("R1", "aime2025-i"): (56.7, 73.3, 73.3, 73.3, 73.3, 66.7, 73.3, 53.3, 73.3),
    ("R1", "aime2025-ii"): (71.7, 86.7, 93.3, 93.3, 93.3, 73.3, 93.3, 46.7, 93.3),
    ("R1", "gpqa"): (71.4, 74.2, 74.7, 74.7, 74.7, 73.7, 72.7, 71.7, 85.9),
    ("R1DistilQwen", "aime2024"): (68.3, 80.0, 86.7, 86.7, 86.7, 83.3, 80.0, 53.3, 86.7),
    ("R1DistilQwen", "gpqa"): (58.6, 65.7, 65.2, 65.2, 61.6, 52.5, 63.1, 60.1, 83.8),
    ("QwQ", "aime2024"): (79.6, 86.7, 83.3, 83.3, 83.3, 80.0, 80.0, 76.7, 86.7),
    ("QwQ", "gpqa"): (63.1, 65.7, 67.2, 67.2, 67.2, 66.2, 67.7, 61.6, 82.8),
    ("Qwen3", "aime2024"): (70.8, 90.0, 90.0, 90.0, 70.0, 40.0, 76.7, 83.3, 90.0),
    ("Qwen3", "gpqa"): (56.8, 67.7, 68.2, 68.2, 65.7, 63.1, 66.7, 66.7, 89.9),
}
# Thousand tokens a problem: of all samples, and of the longest.
TOKENS = {
    ("R1", "aime2024"): (74.3, 13.2),
    ("R1", "aime2025-i"): (99.9, 20.1),
    ("R1", "aime2025-ii"): (91.4, 17.2),
    ("R1", "gpqa"): (48.3, 8.0),
    ("R1DistilQwen", "aime2024"): (86.0, 19.0),
    ("R1DistilQwen", "gpqa"): (48.4, 12.0),
    ("QwQ", "aime2024"): (106.4, 17.7),
    ("QwQ", "gpqa"): (66.7, 11.2),
    ("Qwen3", "aime2024"): (91.5, 21.5),
    ("Qwen3", "gpqa"): (52.1, 11.9),
}


def accuracy(problems: Sequence[Problem], rule: Rule) -> float:
    return 100 * fmean(rule(problem) for problem in problems)


@pytest.mark.parametrize("cell", ROWS, ids=" ".join)
def test_every_rules_accuracy_in_a_cell_is_the_tables(cells: Cells, cell: tuple[str, str]) -> None:
    found = [accuracy(cells[cell], rule) for rule in RULES.values()]
    assert found == pytest.approx(ROWS[cell], abs=0.0501)


@pytest.mark.parametrize("cell", TOKENS, ids=" ".join)
def test_a_full_votes_tokens_in_a_cell_are_the_tables(cells: Cells, cell: tuple[str, str]) -> None:
    votes = [last_finish(problem.keys, problem.lengths, NUM_SAMPLES) for problem in cells[cell]]
    found = (fmean(vote.num_tokens for vote in votes), fmean(vote.critical_path_tokens for vote in votes))
    assert [tokens / 1000 for tokens in found] == pytest.approx(TOKENS[cell], abs=0.0501)


@pytest.mark.parametrize(
    ("rule", "by_cell", "by_problem"),
    [
        ("mean", 64.24, 63.53),
        ("majority", 76.45, 71.22),
        ("ln", 76.79, 71.71),
        ("first 1", 62.43, 64.05),
        ("first 3", 73.14, 69.67),
        ("pass", 83.90, 85.37),
    ],
)
def test_the_means_over_all_cells_and_over_all_problems_are_the_recomputed_ones(
    cells: Cells, rule: str, by_cell: float, by_problem: float
) -> None:
    assert len(cells) == 16
    problems = [problem for cell in cells.values() for problem in cell]
    assert len(problems) == 1032
    assert fmean(accuracy(cell, RULES[rule]) for cell in cells.values()) == pytest.approx(by_cell, abs=0.0051)
    assert accuracy(problems, RULES[rule]) == pytest.approx(by_problem, abs=0.0051)


@pytest.mark.parametrize(
    ("stop", "num_samples"),
    [
        (lambda keys: adaptive_consistency(keys, "beta", threshold=0.95), 5.607),
        (lambda keys: early_stopping(keys, window=4), 5.767),
    ],
    ids=["adaptive consistency", "early stopping"],
)
def test_early_stops_draw_fewer_samples_for_the_majoritys_accuracy(
    cells: Cells, stop: Callable[[Sequence[str | None]], Stopped], num_samples: float
) -> None:
    problems = [problem for cell in cells.values() for problem in cell]
    stops = [stop(problem.keys) for problem in problems]
    assert fmean(s.num_samples for s in stops) == pytest.approx(num_samples, abs=0.0005)
    hits = [right(problem, s.key) for problem, s in zip(problems, stops, strict=True)]
    assert 100 * fmean(hits) == pytest.approx(71.22, abs=0.0051)


def test_the_published_cost_of_the_first_finisher_leaves_out_six_sevenths_of_the_true_one(cells: Cells) -> None:
    votes = [first_finish(problem.keys, problem.lengths, 1) for problem in cells["R1", "aime2024"]]
    published, true = (
        fmean(vote.num_tokens_published for vote in votes) / 1000,
        fmean(vote.num_tokens for vote in votes) / 1000,
    )
    assert (published, true) == pytest.approx((7.4, 49.9), abs=0.0501)


def test_a_decided_vote_is_never_overturned_by_the_rest(cells: Cells) -> None:
    problems = [problem for cell in cells.values() for problem in cell]
    drawn = list[int]()
    for problem in problems:
        votes = dict(enumerate(problem.keys))
        count = next(
            n
            for n in range(NUM_SAMPLES + 1)
            if is_vote_decided({i: votes[i] for i in range(n)}, set(range(n, NUM_SAMPLES)))
        )
        drawn.append(count)
        assert key_of(majority(problem.keys[:count])) == key_of(majority(problem.keys))
    assert fmean(drawn) < NUM_SAMPLES
