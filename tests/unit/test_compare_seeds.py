"""Runs that differ only in their seed are one system: statistics are over problems, each with its mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.comparing import Given, GivenRun, make_run, make_system
from ttscale.errors import ConfigError
from ttscale_evals.compare import Comparison, compare_systems, group_systems, join_seeds, load_runs
from ttscale_evals.compare.system import System
from ttscale_evals.stats import bootstrap_interval, clustered_stderr, mcnemar_test, wilson_interval

# Two seeds of a, one of b. The problems' means of a are 1, 1/2, 1/2, 0, so that a minus b is 0, 1/2, 1/2, 0.
SEEDS_OF_A = {0: "1100", 1: "1010"}
MARKS_OF_B = "1000"


def compared(*systems: System, is_common: bool = False) -> Comparison:
    return compare_systems(group_systems(systems, is_common=is_common))


def runs(path: Path, given: Sequence[GivenRun]) -> list[System]:
    paths = [make_run(path / f"run{number}", run) for number, run in enumerate(given)]
    return join_seeds(load_runs(paths).systems)


# ── by hand ───────────────────────────────────────────────────────────────────────────────────────────────


def test_two_seeds_against_one_worked_out_by_hand() -> None:
    (pair,) = compared(make_system("b", {0: MARKS_OF_B}), make_system("a", SEEDS_OF_A)).pairs
    assert (pair.ours, pair.theirs, pair.num_problems) == ("a", "b", 4)
    assert pair.difference == 0.25
    # Deviations of 1/4 each: sqrt((4 / 16) / 3 / 4).
    assert pair.difference_stderr == pytest.approx((1 / 48) ** 0.5)
    # A resample's mean is Binomial(4, 1/2) / 8: both ends have a chance of 1/16, more than 2.5 %.
    assert (pair.difference_low, pair.difference_high) == (0.0, 0.5)
    # Of the four ways to sign two halves, two sum up to 1 or -1.
    assert (pair.test, pair.p_value) == ("sign_flips", 0.5)
    assert (pair.num_ours_only, pair.num_theirs_only) == (2, 0)


def test_a_row_of_seeds_is_of_problems_and_its_counts_of_answers() -> None:
    (entry,) = compared(make_system("a", SEEDS_OF_A)).entries
    assert (entry.seeds, entry.run_dirs) == ((0, 1), ("run0", "run1"))
    assert (entry.row.num_problems, entry.row.num_correct, entry.row.samples) == (4, 4, 8)
    assert entry.row.accuracy == 0.5
    expected = bootstrap_interval([1.0, 0.5, 0.5, 0.0], seed=0)
    assert (entry.row.accuracy_low, entry.row.accuracy_high) == expected
    values = [float(mark) for marks in SEEDS_OF_A.values() for mark in marks]
    assert entry.accuracy_stderr == pytest.approx(clustered_stderr(values, [0, 1, 2, 3] * 2))


def test_failed_answers_are_wrong_in_the_mean_and_the_range_is_given() -> None:
    found = compared(make_system("a", {0: "1x00", 1: "1110"}), make_system("b", {0: MARKS_OF_B}))
    row = found.entries[0].row
    assert row.errors == 1
    assert row.accuracy == pytest.approx((1 + 1 / 2 + 1 / 2 + 0) / 4)
    assert row.accuracy_errors_excluded == pytest.approx((1 + 1 + 1 / 2 + 0) / 4)
    assert (row.accuracy_supportable_low, row.accuracy_supportable_high) == (0.5, 0.625)
    (pair,) = found.pairs
    assert pair.difference_errors_excluded == pytest.approx(-(0 + 1 + 1 / 2 + 0) / 4)


def test_seeds_that_agree_are_compared_as_one() -> None:
    pairs = [
        compared(make_system("b", {0: MARKS_OF_B}), make_system("a", seeds)).pairs[0]
        for seeds in ({0: "1110"}, {0: "1110", 1: "1110"})
    ]
    assert pairs[0] == pairs[1]
    assert (pairs[1].test, pairs[1].p_value) == ("mcnemar", mcnemar_test([1, 1, 1, 0], [1, 0, 0, 0]).p_value)
    (entry,) = compared(make_system("a", {0: "1110", 1: "1110"})).entries
    assert (entry.row.accuracy_low, entry.row.accuracy_high) == wilson_interval(3, 4)


def test_equal_means_need_no_number_of_problems() -> None:
    (pair,) = compared(make_system("b", {0: "01", 1: "10"}), make_system("a", {0: "10", 1: "01"})).pairs
    assert pair.verdict == "a and b: no difference shown; every problem right as often"


def test_fronts_and_matched_costs_are_of_the_means() -> None:
    single = replace(make_system("single", {0: "1000", 1: "1000"}), params={})
    found = compare_systems(group_systems([single, make_system("a", SEEDS_OF_A)]), by=["tokens"])
    (matched,) = found.matched
    assert (matched.system, matched.accuracy, matched.difference) == ("a", 0.5, 0.25)
    intervals = {point.system: (point.accuracy_low, point.accuracy_high) for point in found.fronts}
    assert intervals["single"] == wilson_interval(1, 4)
    assert intervals["a"] == bootstrap_interval([1.0, 0.5, 0.5, 0.0], seed=0)


# ── what is joined ────────────────────────────────────────────────────────────────────────────────────────


def test_a_problem_that_a_seed_lacks_has_the_value_of_the_others_and_it_is_said(path: Path) -> None:
    short = GivenRun(rows=[Given(strategy="a", marks="101", num_planned=4)], settings={"seed": 1})
    systems = runs(path, [GivenRun(rows=[Given(strategy="a", marks="1101")]), short])
    found = compared(*systems)
    (entry,) = found.entries
    assert (entry.row.num_problems, entry.row.num_missing) == (4, 1)
    assert entry.row.accuracy == pytest.approx((1 + 1 / 2 + 1 / 2 + 1) / 4)
    assert entry.row.tokens_per_problem == pytest.approx(100.0)
    assert (
        "sums: seed 1 of a lacks 1 of 4 problems ('p3'); their values are those of its other seeds."
        in found.notes
    )


def test_a_problem_that_no_seed_of_a_system_has_is_refused_as_before(path: Path) -> None:
    rows = [Given(strategy="a", marks="1101"), Given(strategy="b", marks="110", num_planned=4)]
    systems = runs(path, [GivenRun(rows=rows), GivenRun(rows=rows, settings={"seed": 1})])
    with pytest.raises(ConfigError, match=r"1 only in 'a' of '.*run0' and '.*run1' .*finish '.*run0' with"):
        compared(*systems)
    found = compared(*systems, is_common=True)
    assert [entry.row.num_problems for entry in found.entries] == [3, 3]


@pytest.mark.parametrize(
    "settings", [{"model": "other:model"}, {"model_options": {"effort": "low"}}, {"concurrency": 3}]
)
def test_runs_that_differ_in_more_than_their_seed_are_not_joined(
    settings: dict[str, object], path: Path
) -> None:
    row = Given(strategy="a", marks="10")
    systems = runs(path, [GivenRun(rows=[row]), GivenRun(rows=[row], settings={"seed": 1, **settings})])
    assert [system.seeds for system in systems] == [(0,), (1,)]


def test_another_grader_is_not_joined(path: Path) -> None:
    row = Given(strategy="a", marks="10")
    versions = [{"packages": {"math-verify": version}} for version in ("1.0", "2.0")]
    given = [GivenRun(rows=[row], about=about, settings={"seed": i}) for i, about in enumerate(versions)]
    assert len(runs(path, given)) == 2


def test_replays_have_no_seed_of_their_own() -> None:
    systems = [make_system("a", {seed: "10"}) for seed in (0, 1)]
    assert len(join_seeds(systems)) == 1
    replayed = [
        replace(s, sources=(replace(s.source, setting=replace(s.source.setting, is_replayed=True)),))
        for s in systems
    ]
    assert len(join_seeds(replayed)) == 2


def test_where_a_seed_is_there_twice_all_stay_apart_in_their_order() -> None:
    given = [("a", 0), ("b", 0), ("a", 0), ("b", 1), ("a", 1)]
    joined = join_seeds([make_system(strategy, {seed: "10"}) for strategy, seed in given])
    assert [(system.strategy, system.seeds) for system in joined] == [
        ("a", (0,)),
        ("b", (0, 1)),
        ("a", (0,)),
        ("a", (1,)),
    ]


def test_seeds_of_other_questions_are_refused(path: Path) -> None:
    rows = [Given(strategy="a", marks="10"), Given(strategy="a", marks="10", target="2")]
    systems = runs(path, [GivenRun(rows=[row], settings={"seed": i}) for i, row in enumerate(rows)])
    assert len(systems) == 1
    with pytest.raises(ConfigError, match=r"another question or target in '.*run1' than in '.*run0'"):
        compared(*systems)


def test_systems_with_other_numbers_of_seeds_are_points_of_one_curve(path: Path) -> None:
    single, four = Given(strategy="single", marks="1000"), Given(strategy="self_consistency:n=4", marks="1100")
    other = Given(strategy="other", marks="1110", tokens=250)
    rows = [single, replace(four, tokens=400), other]
    systems = runs(path, [GivenRun(rows=rows), GivenRun(rows=[single], settings={"seed": 1})])
    matched = next(m for m in compared(*systems).matched if m.axis == "tokens")
    assert [point.system for point in matched.nearest] == ["single", "self_consistency:n=4"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path
