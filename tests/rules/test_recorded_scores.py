"""The statistics on recorded evaluations: every published mean, standard error and pass rate comes out again.

The recordings are not part of this repository: they are read where they lie, beside it.
"""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import NotRequired, TypedDict

import numpy as np
import pytest

from ttscale_evals.stats import (
    best_at_k,
    clustered_stderr,
    honest_accuracy,
    maj_at_k,
    mean_and_stderr,
    paired_difference,
    pass_at_k,
    pass_at_k_by_problem,
    problem_means,
    rule_at_k,
    weighted_maj_at_k,
)
from ttscale_strategies.voting.rules import majority

POOLS = Path(__file__).parents[3] / "shared" / "data" / "pools"
EXACT = 1e-9


class Published(TypedDict):
    name: str
    reducer: str
    metrics: Mapping[str, float]


class Described(TypedDict):
    run_id: str
    model: str
    epochs: int
    problems: int
    published_scores: list[Published]


class Row(TypedDict):
    run: str
    id: str
    epoch: int
    correct: int | None
    alt: NotRequired[Mapping[str, str]]


class Scored(TypedDict):
    gt: str
    pred: list[str]
    score: list[bool]
    pred_score: list[list[float]]


Problems = Mapping[str, Sequence[Row]]


def path_of(name: str) -> Path:
    path = POOLS / name
    if not path.is_file():
        pytest.skip(f"the recordings are not here: ../shared/data/pools/{name}")
    return path


@pytest.fixture(scope="module")
def described() -> Sequence[Described]:
    runs: list[Described] = json.loads(path_of("epoch/otis_runs.json").read_text(encoding="utf-8"))
    return runs


@pytest.fixture(scope="module")
def recorded() -> Mapping[str, Problems]:
    found = defaultdict[str, dict[str, list[Row]]](lambda: defaultdict(list))
    with gzip.open(path_of("epoch/otis_mock_aime.jsonl.gz"), "rt", encoding="utf-8") as file:
        for line in file:
            row: Row = json.loads(line)
            found[row["run"]][row["id"]].append(row)
    return found


@pytest.fixture(scope="module")
def rewarded() -> Sequence[Scored]:
    with gzip.open(path_of("qwen25math_rm8/math_cot_100.jsonl.gz"), "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def grades(problems: Problems, grader: str) -> list[list[int | None]]:
    """Return what a grader said of each problem's samples, ``None`` of those that errored.

    Rows with several graders name them, and say "C" of a right answer.
    """

    def grade(row: Row) -> int | None:
        named = row.get("alt")
        return int(named[grader] == "C") if named else row["correct"]

    return [[grade(row) for row in rows] for rows in problems.values()]


def test_every_published_mean_and_standard_error_comes_out_again(
    described: Sequence[Described], recorded: Mapping[str, Problems]
) -> None:
    num_checked = 0
    for run in described:
        for published in run["published_scores"]:
            if published["reducer"] != "mean":
                continue
            means = problem_means(grades(recorded[run["run_id"]], published["name"]), errors="excluded")
            found = mean_and_stderr(means[~np.isnan(means)].tolist())
            metrics = published["metrics"]
            assert found == pytest.approx((metrics["accuracy"], metrics["stderr"]), abs=EXACT), run["model"]
            num_checked += 1
    assert num_checked == 54


def test_every_published_pass_at_16_comes_out_again(
    described: Sequence[Described], recorded: Mapping[str, Problems]
) -> None:
    num_checked = 0
    for run in described:
        for published in run["published_scores"]:
            if published["reducer"] != "pass_at_16":
                continue
            samples = grades(recorded[run["run_id"]], published["name"])
            assert all(grade is not None for graded in samples for grade in graded)
            right = [sum(grade == 1 for grade in graded) for graded in samples]
            each = pass_at_k_by_problem([len(graded) for graded in samples], right, 16)
            metrics = published["metrics"]
            expected = (metrics["accuracy"], metrics["stderr"])
            assert mean_and_stderr(each.tolist()) == pytest.approx(expected, abs=EXACT), run["model"]
            num_checked += 1
    assert num_checked == 13


def test_the_clustered_standard_error_of_all_samples_is_the_published_one_where_nothing_errored(
    described: Sequence[Described], recorded: Mapping[str, Problems]
) -> None:
    num_checked = 0
    for run in described:
        problems = recorded[run["run_id"]]
        samples = [row for rows in problems.values() for row in rows]
        published = run["published_scores"][0]
        if published["reducer"] == "mean" and all(row["correct"] is not None for row in samples):
            values = [float(grade or 0) for graded in grades(problems, published["name"]) for grade in graded]
            ids = [row["id"] for row in samples]
            assert clustered_stderr(values, ids) == pytest.approx(published["metrics"]["stderr"], abs=EXACT)
            num_checked += 1
    assert num_checked >= 40


@pytest.mark.parametrize(
    ("model", "num_errored", "excluded", "low", "high"),
    [
        ("openai/gpt-5.4-2026-03-05", 43, 0.997, 0.878, 0.997),
        ("google/gemini-3.1-pro-preview", 23, 1, 0.936, 1),
    ],
)
def test_dropped_samples_are_not_hidden_by_a_published_accuracy(
    described: Sequence[Described],
    recorded: Mapping[str, Problems],
    model: str,
    num_errored: int,
    excluded: float,
    low: float,
    high: float,
) -> None:
    readings = [
        honest_accuracy([[row["correct"] for row in rows] for rows in recorded[run["run_id"]].values()])
        for run in described
        if run["model"] == model
    ]
    found = next(reading for reading in readings if reading.num_errored == num_errored)
    assert found.errors_excluded == pytest.approx(excluded, abs=5e-4)
    assert found.errors_as_wrong == pytest.approx(low, abs=5e-4)
    assert found.supportable == pytest.approx((low, high), abs=5e-4)


def plain_vote(keys: Sequence[str]) -> Callable[[Sequence[int]], int | None]:
    """Return the rule that gives ties to the answer seen first, for one problem's answers."""

    def rule(offered: Sequence[int]) -> int | None:
        winner = majority([keys[index] for index in offered])
        return None if winner is None else next(index for index in offered if keys[index] == winner.key)

    return rule


def test_samples_with_rewards_give_the_four_published_accuracies(rewarded: Sequence[Scored]) -> None:
    correct = [problem["score"] for problem in rewarded]
    rewards = [[steps[-1] for steps in problem["pred_score"]] for problem in rewarded]
    assert problem_means(correct).mean() == pytest.approx(0.910, abs=5e-4)
    majorities = [rule_at_k(plain_vote(problem["pred"]), problem["score"], 8) for problem in rewarded]
    assert fmean(majorities) == pytest.approx(0.930, abs=EXACT)
    assert best_at_k(rewards, correct, 8).mean() == pytest.approx(0.940, abs=EXACT)
    right = [sum(graded) for graded in correct]
    assert pass_at_k([8] * len(right), right, 8) == pytest.approx(0.960, abs=EXACT)


def test_ties_that_are_shared_rather_than_the_first_answers_make_half_a_point(
    rewarded: Sequence[Scored],
) -> None:
    answers, correct = [problem["pred"] for problem in rewarded], [problem["score"] for problem in rewarded]
    shared = maj_at_k(answers, correct, 8)
    # of four ties one has no right answer; the first answer is right in two of the others
    assert sorted(shared[(shared > 0) & (shared < 1)].tolist()) == [0.5, 0.5, 0.5]
    assert shared.mean() == pytest.approx(0.925, abs=EXACT)


def test_every_curve_starts_at_the_mean_and_stays_below_any(rewarded: Sequence[Scored]) -> None:
    correct = [problem["score"] for problem in rewarded]
    rewards = [[steps[-1] for steps in problem["pred_score"]] for problem in rewarded]
    weights = [[float(np.exp(reward)) for reward in given] for given in rewards]
    answers = [problem["pred"] for problem in rewarded]
    mean, right = fmean(problem_means(correct).tolist()), [sum(graded) for graded in correct]
    for k in range(1, 9):
        any_right = pass_at_k_by_problem([8] * len(right), right, k)
        for chances in (
            maj_at_k(answers, correct, k),
            weighted_maj_at_k(answers, weights, correct, k),
            best_at_k(rewards, correct, k),
        ):
            assert bool((chances <= any_right + EXACT).all())
            assert k > 1 or chances.mean() == pytest.approx(mean)


def test_a_recorded_comparison_is_the_same_whichever_run_comes_first(
    described: Sequence[Described], recorded: Mapping[str, Problems]
) -> None:
    runs = [recorded[run["run_id"]] for run in described[:6]]
    ids = sorted(set.intersection(*(set(problems) for problems in runs)))
    assert len(ids) == 45
    means = [problem_means([[row["correct"] for row in run[name]] for name in ids]).tolist() for run in runs]
    for ours in means:
        for theirs in means:
            one, other = paired_difference(ours, theirs, seed=0), paired_difference(theirs, ours, seed=0)
            assert one.interval == (-other.interval.high, -other.interval.low)
            assert one.interval.low - EXACT <= one.difference <= one.interval.high + EXACT
