"""Comparisons of hand-made runs: pairs, matched compute, fronts, and what is refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.comparing import Given, GivenRun, make_run
from ttscale.errors import ConfigError
from ttscale_evals.compare import Comparison, compare_systems, group_systems, load_runs, render_markdown
from ttscale_evals.compare import render_terminal as render
from ttscale_evals.compare.system import BenchmarkKey
from ttscale_evals.compare.tables import p_text
from ttscale_evals.replay.trials import Refusal, TrialStore
from ttscale_evals.stats import mcnemar_test, paired_difference, wilson_interval

SINGLE = Given(strategy="single", marks="1000" * 10, tokens=100)
FOUR = Given(strategy="self_consistency:n=4", marks="1100" * 10, tokens=400, seconds=2.0)
EIGHT = Given(strategy="self_consistency:n=8", marks="1110" * 10, tokens=800, seconds=3.0)
OTHER = Given(strategy="other:depth=2", marks="1111" * 10, tokens=600, seconds=2.5)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path


def compared(
    path: Path, rows: Sequence[Given], *, baseline: str | None = None, by: Sequence[str] = ()
) -> Comparison:
    make_run(path / "run", GivenRun(rows=rows))
    return compare_systems(group_systems(load_runs([path / "run"]).systems), baseline=baseline, by=by)


def load(paths: Sequence[Path], *, is_common: bool = False, has_mixed_graders: bool = False) -> Comparison:
    systems = load_runs(paths).systems
    return compare_systems(group_systems(systems, is_common=is_common, has_mixed_graders=has_mixed_graders))


# ── pairs ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_system_is_paired_with_the_plain_baselines(path: Path) -> None:
    pairs = [(pair.ours, pair.theirs) for pair in compared(path, [SINGLE, EIGHT, FOUR, OTHER]).pairs]
    assert pairs == [
        ("self_consistency:n=8", "single"),
        ("self_consistency:n=4", "single"),
        ("other:depth=2", "single"),
        ("other:depth=2", "self_consistency:n=8"),
        ("self_consistency:n=8", "self_consistency:n=4"),
        ("other:depth=2", "self_consistency:n=4"),
    ]


def test_without_plain_baselines_all_pairs_are_compared(path: Path) -> None:
    rows = [Given(strategy=name, marks="10" * 5) for name in ("a", "b", "c")]
    found = compared(path, rows)
    assert [(pair.ours, pair.theirs) for pair in found.pairs] == [("b", "a"), ("c", "a"), ("c", "b")]
    assert found.matched == []
    assert any("no plain baseline is there" in note for note in found.notes)


@pytest.mark.parametrize("named", ["other:depth=2", "other"])
def test_a_chosen_baseline_is_what_all_others_are_held_against(path: Path, named: str) -> None:
    found = compared(path, [SINGLE, FOUR, OTHER], baseline=named)
    assert found.baseline == "other:depth=2"
    assert [pair.theirs for pair in found.pairs] == ["other:depth=2"] * 2
    assert {pair.ours for pair in found.pairs} == {"single", "self_consistency:n=4"}


def test_a_baseline_that_is_not_there_or_not_one_is_refused(path: Path) -> None:
    with pytest.raises(ConfigError, match=r"'none' names no system; choose one of 'single', 'self_con"):
        compared(path, [SINGLE, FOUR, EIGHT], baseline="none")
    groups = group_systems(load_runs([path / "run"]).systems)
    with pytest.raises(
        ConfigError, match=r"'self_consistency' names 2 systems; choose one of 'self_consistency:n=4'"
    ):
        compare_systems(groups, baseline="self_consistency")


def test_a_pair_has_the_numbers_of_the_statistics(path: Path) -> None:
    (pair,) = compared(path, [SINGLE, EIGHT]).pairs
    ours, theirs = [float(mark) for mark in EIGHT.marks], [float(mark) for mark in SINGLE.marks]
    paired = paired_difference(ours, theirs, seed=0)
    assert pair.difference == paired.difference == 0.5
    assert (pair.difference_low, pair.difference_high) == pytest.approx(paired.interval)
    test = mcnemar_test(ours, theirs)
    assert (pair.num_ours_only, pair.num_theirs_only, pair.p_value) == test
    assert pair.better == "self_consistency:n=8"
    assert pair.verdict == "self_consistency:n=8 is better than single"


def test_p_values_are_corrected_for_all_pairs(path: Path) -> None:
    pairs = compared(path, [SINGLE, FOUR, EIGHT]).pairs
    assert len(pairs) == 3
    least = min(pairs, key=lambda pair: pair.p_value)
    assert least.p_adjusted == pytest.approx(3 * least.p_value)
    assert all(pair.p_adjusted >= pair.p_value for pair in pairs)


def test_what_a_single_test_finds_may_not_stand_among_many(path: Path) -> None:
    a, b = "1" * 6 + "0" * 34, "0" * 40
    (alone,) = compared(path / "1", [Given(strategy="a", marks=b), Given(strategy="b", marks=a)]).pairs
    assert alone.better == "b"
    assert alone.p_adjusted == 2 / 2**6
    rows = [Given(strategy=f"s{i}", marks=b) for i in range(3)]
    pairs = compared(path / "2", [*rows, Given(strategy="b", marks=a)]).pairs
    among = next(pair for pair in pairs if pair.ours == "b")
    assert among.p_value == alone.p_value
    assert among.better is None
    assert among.problems_needed is not None
    assert among.problems_needed > 40


def test_exchanging_two_systems_mirrors_everything(path: Path) -> None:
    one, other = Given(strategy="a", marks="110100x1" * 4), Given(strategy="b", marks="0110-011" * 4)
    (pair,) = compared(path / "1", [one, other]).pairs
    (swapped,) = compared(path / "2", [other, one]).pairs
    assert pair.difference_errors_excluded is not None
    assert pair != swapped
    assert pair.turned() == swapped


def test_an_inconclusive_pair_says_how_many_problems_would_tell(path: Path) -> None:
    rows = [Given(strategy="a", marks="1100" * 10), Given(strategy="b", marks="1010" * 9 + "1011")]
    (pair,) = compared(path, rows).pairs
    assert pair.better is None
    assert pair.problems_needed is not None
    assert pair.problems_needed > 40
    assert "b and a: no difference shown; about " in pair.verdict
    assert pair.verdict.endswith(" problems would tell")


def test_equals_need_no_number_of_problems(path: Path) -> None:
    (pair,) = compared(path, [Given(strategy="a", marks="10"), Given(strategy="b", marks="10")]).pairs
    assert (pair.p_value, pair.problems_needed) == (1.0, None)
    assert pair.verdict == "b and a: no difference shown; right on the same problems"


def test_as_many_problems_of_either_need_no_number_either(path: Path) -> None:
    (pair,) = compared(path, [Given(strategy="a", marks="10"), Given(strategy="b", marks="01")]).pairs
    assert (pair.p_value, pair.problems_needed) == (1.0, None)
    assert pair.verdict == "b and a: no difference shown"


def test_a_failed_problem_is_wrong_and_said(path: Path) -> None:
    rows = [Given(strategy="a", marks="11x-" * 5), Given(strategy="b", marks="1110" * 5)]
    found = compared(path, rows)
    row = found.entries[0].row
    assert (row.accuracy, row.errors, row.unparsed) == (0.5, 5, 5)
    assert row.accuracy_errors_excluded == pytest.approx(10 / 15)
    (pair,) = found.pairs
    assert pair.difference == 0.25
    assert pair.difference_errors_excluded == 0.0
    assert any("between 50.0 % and 75.0 %" in note for note in found.notes)
    assert any("b minus a on sums: 0.0 points among the problems that neither failed" in n for n in found.notes)


# ── matched compute ───────────────────────────────────────────────────────────────────────────────────────


def test_at_equal_tokens_the_curve_is_interpolated_between_its_points(path: Path) -> None:
    found = compared(path, [SINGLE, FOUR, EIGHT, OTHER], by=["tokens"])
    (matched,) = found.matched
    assert (matched.system, matched.cost, matched.reference) == ("other:depth=2", 600.0, "plain majority")
    assert matched.reference_accuracy == pytest.approx((0.5 + 0.75) / 2)
    assert matched.difference_low is not None
    assert matched.difference_high is not None
    assert matched.difference == pytest.approx(1 - 0.625)
    assert matched.difference is not None
    assert 0 < matched.difference_low < matched.difference < matched.difference_high
    assert [(point.system, point.cost, point.accuracy) for point in matched.nearest] == [
        ("self_consistency:n=4", 400.0, 0.5),
        ("self_consistency:n=8", 800.0, 0.75),
    ]
    assert matched.note == ""


def test_at_a_measured_cost_the_curve_is_that_point(path: Path) -> None:
    at_four = Given(strategy="other", marks=OTHER.marks, tokens=400)
    (matched,) = compared(path, [SINGLE, FOUR, at_four], by=["tokens"]).matched
    (pair,) = [p for p in load([path / "run"]).pairs if p.theirs == "self_consistency:n=4"]
    assert [point.system for point in matched.nearest] == ["self_consistency:n=4"]
    assert (matched.reference_accuracy, matched.difference) == (0.5, pair.difference)
    assert (matched.difference_low, matched.difference_high) == (pair.difference_low, pair.difference_high)


@pytest.mark.parametrize(
    ("tokens", "note", "nearest"), [(10, "less", "single"), (900, "more", "self_consistency:n=4")]
)
def test_out_of_the_measured_range_nothing_is_extrapolated(
    path: Path, tokens: int, note: str, nearest: str
) -> None:
    beyond = Given(strategy="other", marks=OTHER.marks, tokens=tokens)
    (matched,) = compared(path, [SINGLE, FOUR, beyond], by=["tokens"]).matched
    assert matched.note == f"costs {note} tokens than any measured point"
    assert (matched.reference_accuracy, matched.difference, matched.difference_low) == (None, None, None)
    assert [point.system for point in matched.nearest] == [nearest]


def test_points_of_a_curve_may_come_from_several_runs(path: Path) -> None:
    make_run(path / "a", GivenRun(rows=[SINGLE, EIGHT]))
    make_run(path / "b", GivenRun(rows=[FOUR, OTHER]))
    found = load([path / "a", path / "b"])
    matched = next(m for m in found.matched if m.axis == "tokens")
    assert [point.system for point in matched.nearest] == ["self_consistency:n=4", "self_consistency:n=8"]


def test_other_parameters_or_another_model_make_another_curve(path: Path) -> None:
    hot = Given(strategy="self_consistency:n=4,temperature=1.5", marks="0100" * 10, tokens=400)
    found = compared(path, [SINGLE, FOUR, EIGHT, hot], by=["tokens"])
    assert {matched.reference for matched in found.matched} == {
        "plain majority, as self_consistency:n=8",
        "plain majority, as self_consistency:n=4,temperature=1.5",
    }
    make_run(path / "b", GivenRun(rows=[SINGLE, FOUR], settings={"model": "b:model"}))
    found = load([path / "run", path / "b"])
    assert any(matched.reference == "plain majority · b:model" for matched in found.matched)


def test_more_reasoning_effort_is_another_baseline_and_no_point_of_the_curve(path: Path) -> None:
    make_run(path / "low", GivenRun(rows=[SINGLE, EIGHT], settings={"model_options": {"effort": "low"}}))
    high = Given(strategy="single", marks=OTHER.marks, tokens=600)
    make_run(path / "high", GivenRun(rows=[high], settings={"model_options": {"effort": "high"}}))
    found = load([path / "low", path / "high"])
    assert all(entry.is_plain for entry in found.entries)
    matched = next(m for m in found.matched if m.axis == "tokens" and m.reference == "plain majority")
    assert matched.system == f"single · {path / 'high'}"
    assert matched.difference == pytest.approx(1 - (0.25 + 0.5 * 5 / 7))


def test_the_shortest_majority_is_no_plain_baseline(path: Path) -> None:
    shortest = Given(strategy="self_consistency:n=4,rule=shortest", marks=FOUR.marks, tokens=400)
    found = compared(path, [SINGLE, EIGHT, shortest])
    assert [entry.label for entry in found.entries if entry.is_plain] == ["single", "self_consistency:n=8"]


def test_dollars_need_prices(path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--by usd: 'single', .* unknown dollars; .*--prices FILE"):
        compared(path, [SINGLE, FOUR], by=["usd"])
    priced = [Given(strategy=name, marks="10", usd=usd) for name, usd in (("single", 0.25), ("other", 0.25))]
    found = compared(path / "priced", priced)
    assert found.axes == ["tokens", "seconds", "usd"]
    assert [m.difference for m in found.matched if m.axis == "usd"] == [0.0]


def test_an_unknown_axis_is_refused(path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--by 'joules' is unknown; choose among tokens, seconds, usd"):
        compared(path, [SINGLE, FOUR], by=["joules"])


# ── fronts ────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_front_has_intervals_and_stands_from_cheap_to_dear(path: Path) -> None:
    poor = Given(strategy="poor", marks="1000" * 10, tokens=500)
    found = compared(path, [SINGLE, FOUR, poor, EIGHT], by=["tokens"])
    assert [(point.system, point.dominated_by) for point in found.fronts] == [
        ("single", None),
        ("self_consistency:n=4", None),
        ("poor", "self_consistency:n=4"),
        ("self_consistency:n=8", None),
    ]
    first = found.fronts[0]
    assert (first.accuracy_low, first.accuracy_high) == wilson_interval(10, 40)
    assert 99 <= first.cost_low < first.cost == 100 < first.cost_high <= 101


# ── refusals ──────────────────────────────────────────────────────────────────────────────────────────────


def test_runs_of_different_benchmarks_are_refused(path: Path) -> None:
    make_run(path / "a", GivenRun(rows=[SINGLE]))
    make_run(path / "b", GivenRun(rows=[FOUR], benchmark="products"))
    with pytest.raises(ConfigError, match=r"are of different benchmarks: 'sums' \(sums\) against 'products'"):
        load([path / "a", path / "b"])


def test_other_parameters_of_a_benchmark_are_refused_and_named(path: Path) -> None:
    make_run(path / "a", GivenRun(rows=[SINGLE], params={"size": 40, "seed": 1}))
    make_run(path / "b", GivenRun(rows=[FOUR], params={"size": 40, "seed": 2}))
    with pytest.raises(ConfigError, match=r"are of different benchmarks: seed is 1 and 2;"):
        load([path / "a", path / "b"])


def test_another_place_of_the_same_data_is_no_difference(path: Path) -> None:
    make_run(path / "a", GivenRun(rows=[SINGLE], params={"path": "/here/x.jsonl"}))
    make_run(path / "b", GivenRun(rows=[FOUR], params={"path": "/there/x.jsonl"}))
    assert len(load([path / "a", path / "b"]).pairs) == 1


def test_a_benchmark_that_not_all_runs_are_of_is_compared_where_it_is_and_said(path: Path) -> None:
    for name in ("a", "b"):
        make_run(path / name, GivenRun(rows=[SINGLE, FOUR]))
    systems = load_runs([path / "a", path / "b"]).systems
    products = BenchmarkKey(title="products", name="products", params={})
    more = [replace(system, benchmark=products) for system in systems if system.source.directory.endswith("b")]
    found = compare_systems(group_systems([*systems, *more]))
    assert [pair.benchmark for pair in found.pairs].count("products") == 1
    assert f"products is only in {path / 'b'}." in found.notes


def test_one_name_for_different_benchmarks_is_refused(path: Path) -> None:
    for name in ("a", "b"):
        make_run(path / name, GivenRun(rows=[SINGLE]))
    one, other = load_runs([path / "a", path / "b"]).systems
    other = replace(other, benchmark=replace(other.benchmark, params={"size": 9}))
    with pytest.raises(ConfigError, match=r"'sums' of '.*' is not that of '.*': size is not given and 9;"):
        group_systems([one, other])


def test_seconds_of_different_concurrency_are_said_to_be_so(path: Path) -> None:
    make_run(path / "a", GivenRun(rows=[SINGLE], settings={"concurrency": 1}))
    make_run(path / "b", GivenRun(rows=[FOUR], settings={"concurrency": 8}))
    notes = load([path / "a", path / "b"]).notes
    assert "Seconds were measured at different concurrency (1, 8): do not compare latency." in notes


def test_other_targets_are_refused(path: Path) -> None:
    make_run(path / "a", GivenRun(rows=[SINGLE]))
    make_run(path / "b", GivenRun(rows=[Given(strategy="x", marks=FOUR.marks, target="2")]))
    with pytest.raises(ConfigError, match=r"40 problems of 'sums' have another question or target .*'p0', "):
        load([path / "a", path / "b"])


def test_another_version_of_the_grader_is_refused_unless_asked_for(path: Path) -> None:
    for name, version, row in (("a", "1.0", SINGLE), ("b", "2.0", FOUR)):
        make_run(path / name, GivenRun(rows=[row], about={"packages": {"math-verify": version}}))
    with pytest.raises(ConfigError, match=r"graded differently: by math-verify 1\.0 in .* and by 2\.0 in"):
        load([path / "a", path / "b"])
    assert len(load([path / "a", path / "b"], has_mixed_graders=True).pairs) == 1


def test_problems_that_only_one_has_are_named_and_can_be_left_out(path: Path) -> None:
    make_run(path / "a", GivenRun(rows=[Given(strategy="a", marks="110000")]))
    make_run(path / "b", GivenRun(rows=[Given(strategy="b", marks="1110", first=3)]))
    with pytest.raises(ConfigError) as refused:
        load([path / "a", path / "b"])
    assert "3 only in 'a' of" in str(refused.value)
    assert "('p0', 'p1', 'p2'); 1 only in 'b' of" in str(refused.value)
    assert "add --common to compare on the 3 that all did" in str(refused.value)
    found = load([path / "a", path / "b"], is_common=True)
    assert [entry.row.num_problems for entry in found.entries] == [3, 3]
    assert found.pairs[0].difference == 1.0
    assert any("4 problems that not all systems did are in no number" in note for note in found.notes)


def test_an_unfinished_run_is_to_be_finished(path: Path) -> None:
    rows = [Given(strategy="a", marks="1100"), Given(strategy="b", marks="11", num_planned=4)]
    make_run(path / "a", GivenRun(rows=rows))
    with pytest.raises(ConfigError, match=r"2 only in 'a' .*; finish '.*' with --resume, or add --common"):
        load([path / "a"])
    found = load([path / "a"], is_common=True)
    assert [entry.row.num_missing for entry in found.entries] == [0, 2]


def test_runs_without_a_common_problem_cannot_be_compared_at_all(path: Path) -> None:
    make_run(path / "a", GivenRun(rows=[Given(strategy="a", marks="11")]))
    make_run(path / "b", GivenRun(rows=[Given(strategy="b", marks="11", first=2)]))
    with pytest.raises(ConfigError, match="no problem of 'sums' was done by all systems"):
        load([path / "a", path / "b"], is_common=True)


def test_what_could_not_be_replayed_is_left_out_and_said(path: Path) -> None:
    make_run(path / "a", GivenRun(rows=[SINGLE, FOUR]))
    with TrialStore(path / "a", writable=True) as trials:
        trials.add_refusal(1, Refusal(problem="p0", reason="4 samples were asked for and 2 are recorded"))
    loaded = load_runs([path / "a"])
    assert [system.label for system in loaded.systems] == ["single"]
    assert loaded.left_out[0].what == f"self_consistency:n=4 on sums in {path / 'a'}"
    assert loaded.left_out[0].why == "4 samples were asked for and 2 are recorded"


# ── text ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("width", [60, 80, 120])
def test_no_line_is_wider_than_the_terminal(path: Path, width: int) -> None:
    shown = render(compared(path, [SINGLE, FOUR, EIGHT, OTHER]), width=width)
    assert max(map(len, shown.splitlines())) <= width
    assert "50.0 % [35.2, 64.8]" in shown


def test_who_wins_is_read_in_words(path: Path) -> None:
    shown = render(compared(path, [SINGLE, EIGHT]), width=120)
    assert "self_consistency:n=8 is better than single" in shown
    assert "+50.0 [+35.0, +65.0]" in shown
    assert "20:0" in shown


def test_the_winner_is_named_first_and_its_points_are_positive(path: Path) -> None:
    loser = Given(strategy="loser", marks="0000" * 10)
    (pair,) = compared(path, [SINGLE, loser]).pairs
    assert (pair.ours, pair.difference, pair.verdict) == ("loser", -0.25, "single is better than loser")
    make_run(path / "again", GivenRun(rows=[SINGLE, loser]))
    shown = render(load([path / "again"]))
    assert "+25.0 [+12.5, " in shown
    assert "10:0" in shown
    assert "-25.0" not in shown.partition("at equal")[0]


def test_dominated_systems_are_grey_and_winners_bold_where_there_is_colour(path: Path) -> None:
    poor = Given(strategy="poor", marks="0000" * 10, tokens=900, seconds=9.0)
    found = compared(path, [SINGLE, EIGHT, poor])
    shown = render(found, width=100, color=True)
    assert "\x1b[2mpoor" in shown
    assert "\x1b[1mself_consistency:n=8 is better than single" in shown
    assert "\x1b" not in render(found, width=100)


def test_hostile_names_stay_text(path: Path) -> None:
    hostile = Given(strategy="<img src=x>|\u202e`**\x1b[2J[bold]", marks=FOUR.marks, tokens=400)
    found = compared(path, [SINGLE, EIGHT, hostile])
    shown = render(found, width=200)
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert "<img src=x>|`**[bold]" in shown
    assert r"\<img src=x\>\|\`\*\*\[bold\]" in render_markdown(found)


def test_markdown_has_every_table(path: Path) -> None:
    written = render_markdown(compared(path, [SINGLE, FOUR, EIGHT, OTHER]), title="a | b")
    assert written.startswith("# a \\| b\n")
    assert written.count("\n## ") == 6
    assert "| **self\\_consistency:n=8 is better than single** |" in written


@pytest.mark.parametrize(("value", "text"), [(0.0, "<0.001"), (0.0123, "0.012"), (0.25, "0.25"), (1.0, "1")])
def test_p_values_are_short(value: float, text: str) -> None:
    assert p_text(value) == text
