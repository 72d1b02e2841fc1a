"""Plans: what strategies are expected to spend, held against formulas and against what must be so."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from ttscale.backends.base import ModelProfile
from ttscale.budget import Budget, Price, PriceTable
from ttscale.budget.kinetics import kinetics_cost
from ttscale.errors import ConfigError
from ttscale.planning import (
    Cast,
    Draw,
    Expectation,
    Hardware,
    Load,
    Question,
    Step,
    Workload,
    described_workload,
    expected_order_statistic,
    fit,
    kinetics_of,
    latency,
    lognormal_lengths,
    predict,
    read_geometry,
    read_hardware,
    rehearse,
    saturation_of,
)
from ttscale.planning.prefix_store import PrefixStore
from ttscale.registry import create_strategy

TOY = ModelProfile(
    name="toy",
    num_parameters=1_000_000,
    num_layers=2,
    num_heads=4,
    num_kv_heads=2,
    head_dim=16,
    bytes_per_parameter=2.0,
    context_length=4096,
)
PLAIN = Cast(profile=TOY)


def plan(spec: str, workload: Workload, *, budget: Budget | None = None, cast: Cast = PLAIN) -> Expectation:
    """Return what a strategy is expected to spend."""
    return rehearse(create_strategy(spec), workload, cast, budget=budget)


def measured(
    lengths: Sequence[int], answers: Sequence[int | None], *, right: int = 1, prompt: int = 10
) -> Workload:
    """Return one question with these draws."""
    draws = tuple(
        Draw((Step(length, place),), answer, answer == right)
        for place, (length, answer) in enumerate(zip(lengths, answers, strict=True))
    )
    return Workload((Question(prompt, draws, is_graded=True),), origin="a test")


# ── lengths ───────────────────────────────────────────────────────────────────────────────────────────────


def test_the_longest_of_two_is_what_counting_all_pairs_gives() -> None:
    lengths = [10, 20, 60]
    pairs = list(itertools.product(lengths, repeat=2))
    assert expected_order_statistic(lengths, 2, 2) == pytest.approx(sum(map(max, pairs)) / 9)
    assert expected_order_statistic(lengths, 2, 1) == pytest.approx(sum(map(min, pairs)) / 9)


def test_the_second_of_three_is_what_counting_all_triples_gives() -> None:
    lengths = [3, 5, 50, 7]
    triples = list(itertools.product(lengths, repeat=3))
    middle = sum(sorted(triple)[1] for triple in triples) / len(triples)
    assert expected_order_statistic(lengths, 3, 2) == pytest.approx(middle)


def test_a_lognormal_has_the_mean_and_the_percentile_asked_for() -> None:
    lengths = sorted(lognormal_lengths(1500, 4000, 1000))
    assert math.fsum(lengths) / 1000 == pytest.approx(1500, rel=0.01)
    assert lengths[949] == pytest.approx(4000, rel=0.03)
    assert set(lognormal_lengths(100, 100, 50)) == {100}


@pytest.mark.parametrize(("mean", "p95"), [(100, 99), (100, 388), (0.5, 1), (100, math.nan)])
def test_a_percentile_that_no_lognormal_has_is_refused(mean: float, p95: float) -> None:
    with pytest.raises(ValueError, match=r"percentile|mean"):
        lognormal_lengths(mean, p95, 10)


# ── rehearsals against formulas ───────────────────────────────────────────────────────────────────────────


def test_one_sample_costs_its_prompt_and_its_answer() -> None:
    found = plan("single", measured([30, 30], [1, 1]))
    assert (found.basis, found.calls, found.prompt_tokens) == ("rehearsed", 1, 10)
    assert (found.tokens, found.critical_path_tokens) == (40, 30)
    assert found.kv_token_steps == 30 * 10 + 30 * 31 / 2
    assert found.peak_kv_tokens == 40


def test_a_vote_of_all_waits_for_the_longest_and_pays_for_one_prompt() -> None:
    found = plan("self_consistency:n=4,stop=never", measured([10, 20, 30, 80], [1, 2, 3, 4]))
    assert found.tokens == 10 + 140
    assert found.prompt_tokens == 4 * 10
    assert found.critical_path_tokens == 80
    assert found.cancelled == 0


def test_an_engine_that_keeps_blocks_computes_the_rest_of_the_prompt_for_each_sample() -> None:
    cast = Cast(profile=TOY, prefix_block=4)
    found = plan("self_consistency:n=4,stop=never", measured([10, 20, 30, 80], [1, 2, 3, 4]), cast=cast)
    assert found.prompt_computed == 10 + 3 * 2
    assert found.tokens == 16 + 140


def test_the_longest_of_several_is_the_expected_maximum() -> None:
    lengths = lognormal_lengths(60, 140, 64)
    found = rehearse(
        create_strategy("self_consistency:n=4,stop=never"),
        measured(lengths, list(range(1, 65))),
        PLAIN,
        num_solves=300,
    )
    # dealt without replacement from 64, which is a little longer than with it
    assert found.critical_path_tokens == pytest.approx(expected_order_statistic(lengths, 4, 4), rel=0.07)
    assert found.generated == pytest.approx(4 * sum(lengths) / 64, rel=0.05)


def test_the_longest_of_more_samples_than_are_known_is_longer_than_these() -> None:
    lengths, rng = lognormal_lengths(100, 220, 1000), random.Random(3)
    questions = tuple(measured(rng.sample(lengths, 4), [1, 2, 3, 4]).questions[0] for _ in range(24))
    workload = Workload(questions, origin="a test")
    found = plan("self_consistency:n=16,stop=never", workload)
    longest = expected_order_statistic(workload.lengths, 16, 16)  # all questions are alike
    assert found.critical_path_tokens == pytest.approx(longest, rel=0.15)
    assert expected_order_statistic(workload.lengths, 4, 4) < 0.8 * (found.critical_path_tokens or 0)
    assert any("more samples than the 4 that are known" in note for note in found.notes)


def test_draws_are_spread_about_their_question_by_what_their_own_part_in_it_leaves() -> None:
    one, alone = measured([10, 20, 40], [1, 1, 2]).questions[0], measured([7], [1]).questions[0]
    assert one.middle_tokens == pytest.approx(20)
    assert Workload((one, alone), origin="a test").spreads == pytest.approx((0.5**1.5**0.5, 1.0, 2**1.5**0.5))
    assert Workload((alone,), origin="a test").spreads == ()
    assert plan("self_consistency:n=3,stop=never", measured([7], [1])).critical_path_tokens == 7


def test_a_draw_is_made_longer_step_by_step_and_keeps_a_token_of_each() -> None:
    draw = Draw((Step(10, 0), Step(1, 1), Step(9, 2)), answer=3, is_right=True)
    assert [step.num_tokens for step in draw.scaled(40).steps] == [20, 2, 18]
    assert [step.num_tokens for step in draw.scaled(1).steps] == [1, 1, 1]
    assert (draw.scaled(40).answer, draw.scaled(40).steps[2].mark) == (3, 2)


def test_a_vote_that_is_decided_aborts_the_rest() -> None:
    found = plan("self_consistency:n=3", measured([10, 20, 80], [1, 1, 1]))
    # two of three alike decide it at step 20, where the longest has written 20
    assert found.critical_path_tokens == 20
    assert found.cancelled == 20
    assert found.tokens == 10 + 10 + 20 + 20


def test_the_first_of_several_to_finish_ends_them_all() -> None:
    found = plan("first_finish:n=4,k=1", measured([10, 20, 30, 80], [1, 2, 3, 4]))
    assert (found.critical_path_tokens, found.tokens) == (10, 10 + 4 * 10)


def test_windows_end_with_the_first_that_is_unanimous_as_often_as_the_formula_says() -> None:
    workload = described_workload(prompt_tokens=10, answer_tokens=5, accuracy=0.8, num_wrong_answers=1, seed=3)
    found = rehearse(create_strategy("esc:n=40,window=5"), workload, PLAIN, num_solves=240)
    unanimous = 0.8**5 + 0.2**5
    expected = 5 * (1 - (1 - unanimous) ** 8) / unanimous
    assert expected == pytest.approx(14.609959, abs=1e-6)
    assert found.calls == pytest.approx(expected, rel=0.12)
    assert found.critical_path_tokens == pytest.approx(found.calls or 0)  # of 5 tokens each, 5 at a time


def test_a_question_that_is_settled_takes_as_many_samples_as_the_rule_must_see() -> None:
    found = plan("adaptive_consistency:n=40", measured([7] * 40, [1] * 40))
    assert found.calls == 4  # P = 0.96875 with four alike
    assert found.critical_path_tokens == 28


def test_a_cascade_pays_for_its_second_stage_only_where_the_first_is_not_sure() -> None:
    spec = 'cascade:stages=["self_consistency:n=2","self_consistency:n=8"]'
    sure = plan(spec, measured([7] * 16, [1] * 16))
    unsure = plan(spec, measured([7] * 16, list(range(1, 17))))
    assert sure.calls == 2
    assert unsure.calls == 10


def test_an_oracle_knows_the_right_answer_of_a_rehearsal() -> None:
    strategy = create_strategy("best_of_n:n=4,stop=satisfied,verifier=math")
    always = rehearse(strategy, measured([10, 20, 30, 80], [1, 1, 1, 1]), PLAIN, num_solves=2)
    never = rehearse(strategy, measured([10, 20, 30, 80], [2, 3, 4, 5]), PLAIN, num_solves=2)
    assert (always.critical_path_tokens, never.critical_path_tokens) == (10, 80)


@pytest.mark.slow
def test_a_search_writes_the_steps_that_answers_have() -> None:
    steps = tuple(Step(4, mark) for mark in range(5))
    workload = Workload((Question(12, (Draw(steps, 1, True),) * 8, is_graded=True),), origin="a test")
    found = plan("beam_search:width=4,beam_width=2", workload)
    assert found.critical_path_tokens == 5 * 4
    assert (found.calls, found.generated) == (4 * 5, 4 * 5 * 4)
    assert found.prompt_ideal == 12 + 4  # what was written is in the cache, but the last token of each step


@pytest.mark.slow
def test_a_prefix_cache_saves_what_searches_ask_again() -> None:
    steps = tuple(Step(16, mark) for mark in range(5))
    workload = Workload((Question(64, (Draw(steps, 1, True),) * 8, is_graded=True),), origin="a test")
    without = plan("beam_search:width=4,beam_width=2", workload)
    cached = plan("beam_search:width=4,beam_width=2", workload, cast=Cast(profile=TOY, prefix_block=16))
    assert (cached.prompt_computed or 0) < (without.prompt_computed or 0)
    assert cached.prompt_tokens == without.prompt_tokens
    assert cached.generated == without.generated


# ── rehearsals and what limits them ───────────────────────────────────────────────────────────────────────


def test_a_budget_holds_in_a_rehearsal() -> None:
    found = plan("self_consistency:n=16,stop=never", measured([30] * 16, [1] * 16), budget=Budget(tokens=100))
    assert 0 < (found.tokens or 0) <= 100


def test_most_tokens_cut_what_is_longer() -> None:
    found = plan("single:max_tokens=12", measured([30, 30], [1, 1]))
    assert found.tokens == 22


def test_dollars_are_those_of_the_price_table() -> None:
    table = PriceTable(date="2026-01-01", models={"toy": Price(prompt=1.0, generated=10.0)})
    found = rehearse(create_strategy("single"), measured([30, 30], [1, 1]), PLAIN, prices=table)
    assert found.usd == pytest.approx((10 * 1 + 30 * 10) / 1e6)


def test_the_same_seed_gives_the_same_plan() -> None:
    workload = described_workload(prompt_tokens=20, answer_tokens=50, answer_p95=120, accuracy=0.5)
    first = rehearse(create_strategy("self_consistency:n=6"), workload, PLAIN, num_solves=24, seed=4)
    again = rehearse(create_strategy("self_consistency:n=6"), workload, PLAIN, num_solves=24, seed=4)
    other = rehearse(create_strategy("self_consistency:n=6"), workload, PLAIN, num_solves=24, seed=5)
    assert first == again != other


def test_more_samples_than_are_known_are_told() -> None:
    few = plan("self_consistency:n=8", measured([5, 9], [1, 2]))
    enough = plan("self_consistency:n=2", measured([5, 9], [1, 2]))
    assert any("more samples than the 2" in note for note in few.notes)
    assert enough.notes == ()


def test_an_unknown_agreement_and_random_scores_are_told() -> None:
    workload = described_workload(prompt_tokens=20, answer_tokens=50)
    notes = plan("best_of_n:n=2", workload).notes
    assert any("no two answers agree" in note for note in notes)
    assert any("scores are random" in note for note in notes)


@pytest.mark.slow
def test_what_fails_in_rehearsal_gets_the_bound_of_all_its_samples() -> None:
    small = Cast(profile=ModelProfile(name="small", context_length=8))
    found = plan("self_consistency:n=4", measured([5, 9], [1, 2]), cast=small)
    assert found.basis == "upper bound"
    assert (found.calls, found.tokens, found.critical_path_tokens) == (4, 4 * (10 + 7), 28)
    assert "does not fit" in found.notes[0]


# ── machines ──────────────────────────────────────────────────────────────────────────────────────────────

MACHINE = Hardware(
    name="a machine",
    flops_per_second=1e12,
    bytes_per_second=1e9,
    memory_bytes=1e8,
    compute_efficiency=1.0,
    memory_efficiency=1.0,
    usable_memory=1.0,
)


def load(**changes: float) -> Load:
    """Return the load of one sample of 100 tokens after 50."""
    numbers = {
        "prompt_computed": 50.0,
        "generated": 100.0,
        "critical_path_tokens": 100.0,
        "kv_token_steps": 100 * 50 + 5050.0,
        "peak_kv_tokens": 150.0,
    }
    return Load(**{**numbers, **changes})


def test_one_sample_waits_for_weights_and_its_cache_to_be_read() -> None:
    found = latency(TOY, MACHINE, load())
    assert found is not None
    cache = 2 * 2 * 2 * 16 * 2.0  # bytes a token
    assert found.decode_seconds == pytest.approx((100 * 2e6 + cache * 10_050) / 1e9)
    assert found.bound == "memory"
    assert found.prefill_seconds == pytest.approx((2e6 * 50 + 4 * 2 * 4 * 16 * 50 * 51 / 2) / 1e12)


def test_many_samples_share_the_reading_of_weights_until_arithmetic_is_slower() -> None:
    one, many = latency(TOY, MACHINE, load()), latency(TOY, MACHINE, load(generated=1_000_000.0))
    assert one is not None
    assert many is not None
    assert many.bound == "compute"
    assert many.decode_seconds > one.decode_seconds
    assert latency(TOY, MACHINE, load(generated=200.0)) == latency(TOY, MACHINE, load())


def test_questions_side_by_side_take_less_than_one_after_the_other() -> None:
    one, four = latency(TOY, MACHINE, load()), latency(TOY, MACHINE, load(), concurrency=4)
    assert one is not None
    assert four is not None
    assert one.seconds < four.seconds < 4 * one.seconds


def test_what_does_not_fit_says_how_many_questions_would() -> None:
    found = fit(TOY, MACHINE, load(peak_kv_tokens=100_000.0), concurrency=4)
    assert found is not None
    assert not found.is_fitting
    assert found.max_questions == int((1e8 - 2e6) // (256 * 100_000))
    fitting = fit(TOY, MACHINE, load())
    assert fitting is not None
    assert fitting.is_fitting


def test_of_an_unknown_geometry_nothing_is_said() -> None:
    unknown = ModelProfile(name="somebody's")
    assert latency(unknown, MACHINE, load()) is None
    assert fit(unknown, MACHINE, load()) is None
    found = predict("single", plan("single", measured([30, 30], [1, 1])), unknown, hardware=MACHINE)
    assert (found.kv_bytes, found.latency, found.usd, found.kinetics) == (None, None, None, None)
    assert found.to_json()["fits"] is None


def test_an_hour_of_the_machine_is_shared_by_the_questions_at_work() -> None:
    priced = Hardware(
        name="rented", flops_per_second=1e12, bytes_per_second=1e9, memory_bytes=1e9, usd_per_hour=3.6
    )
    found = predict("single", plan("single", measured([30, 30], [1, 1])), TOY, hardware=priced, concurrency=2)
    assert found.latency is not None
    assert found.usd == pytest.approx(found.latency.seconds / 2 * 3.6 / 3600)


def test_several_devices_are_one_that_is_as_much_faster() -> None:
    two = MACHINE.times(2)
    assert (two.flops_per_second, two.memory_bytes, two.usd_per_hour) == (2e12, 2e8, None)
    with pytest.raises(ConfigError, match="at least 1 device"):
        MACHINE.times(0)


def test_equivalent_flops_are_those_of_kinetics() -> None:
    length, prompt, n = 200, 100, 4
    expected = plan(f"self_consistency:n={n},stop=never", measured([length] * n, [1] * n, prompt=prompt))
    found = kinetics_of(expected, TOY)
    paper = kinetics_cost(TOY, prompt_tokens=prompt, generated_tokens=length, num_trials=n)
    assert found is not None
    assert paper is not None
    # ours counts i positions for the i-th token, the paper i - 1/2
    assert found.compute == pytest.approx(paper.compute, rel=0.001)
    assert found.memory == pytest.approx(paper.memory, rel=0.01)


def test_a_machines_worth_of_reading_replaces_the_papers() -> None:
    expected = plan("single", measured([30, 30], [1, 1]))
    ours, theirs = kinetics_of(expected, TOY, MACHINE), kinetics_of(expected, TOY)
    assert ours is not None
    assert theirs is not None
    assert ours.memory / theirs.memory == pytest.approx(2000 / 562.5)


# ── saturation ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("accuracy", "samples"), [(0.3, 10), (0.05, 32), (1.0, 1)])
def test_the_saturation_point_of_a_described_workload_is_ttspms(accuracy: float, samples: int) -> None:
    workload = described_workload(prompt_tokens=5, answer_tokens=5, accuracy=accuracy)
    found = saturation_of(workload, epsilon=0.01)
    assert found is not None
    assert found.samples == samples


def test_the_saturation_point_of_measured_samples_has_an_interval() -> None:
    workload = Workload(
        tuple(measured([5] * 8, [1] * k + [2] * (8 - k)).questions[0] for k in (2, 3, 1, 4, 0, 2)),
        origin="a test",
    )
    found = saturation_of(workload, epsilon=0.01)
    assert found is not None
    assert 0 < found.p < 1
    assert found.low <= found.samples <= found.high


def test_without_grades_there_is_no_saturation_point() -> None:
    assert saturation_of(described_workload(prompt_tokens=5, answer_tokens=5), epsilon=0.01) is None


# ── what is given ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"prompt_tokens": 0}, "at least 1 token"),
        ({"accuracy": 1.5}, r"lie in \[0, 1\]"),
        ({"num_wrong_answers": 0}, "at least 1 wrong answer"),
        ({"num_steps": 51}, "1 to that many steps"),
        ({"answer_p95": 10}, "95th percentile"),
        ({"answer_tokens": 0.5}, "steps"),
    ],
)
def test_a_wrong_description_is_refused(numbers: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        described_workload(**{"prompt_tokens": 10, "answer_tokens": 50, **numbers})  # type: ignore[arg-type]


def test_a_described_workload_is_what_was_described() -> None:
    workload = described_workload(
        prompt_tokens=40, answer_tokens=100, answer_p95=220, accuracy=0.6, num_wrong_answers=4, num_steps=5
    )
    assert workload.accuracy == 0.6
    assert workload.mean_answer_tokens == pytest.approx(100, rel=0.01)
    assert workload.p95_answer_tokens == pytest.approx(220, rel=0.03)
    assert {len(draw.steps) for draw in workload.questions[0].draws} == {5}
    assert {draw.answer for draw in workload.questions[0].draws} == {1, 2, 3, 4, 5}


def test_a_workload_of_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="no whole sample"):
        Workload((), origin="an empty bank")


def test_the_profiles_that_are_shipped_can_be_read() -> None:
    root = Path(__file__).parents[2] / "configs"
    machines = [read_hardware(path.stem) for path in sorted((root / "hardware").glob("*.yaml"))]
    models = [read_geometry(path.stem) for path in sorted((root / "models").glob("*.yaml"))]
    assert all(machine.sources for machine in machines)
    assert {machine.usd_per_hour for machine in machines} == {None}
    assert all(model.kv_bytes_per_token for model in models)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: x\nflops: 3\n", "unknown key 'flops'"),
        ("name: x\nflops_per_second: -1\nbytes_per_second: 1\nmemory_bytes: 1\n", "flops_per_second is wrong"),
        ("name: x\n", "is wrong"),
        ("- 1\n", "holds no keys"),
        ("{", "not YAML"),
    ],
)
def test_a_wrong_profile_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "machine.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        read_hardware(str(path))


def test_an_unknown_profile_is_refused_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match=r"h100"):
        read_hardware("z9000")
    with pytest.raises(ConfigError, match=r"cannot be read"):
        read_hardware("nowhere.yaml")


def test_a_prefix_store_knows_whole_blocks_and_never_the_last_token() -> None:
    store = PrefixStore(4)
    store.add(range(10))
    assert store.num_known(range(10)) == 8
    assert store.num_known(range(8)) == 4
    assert store.num_known([0, 1, 2, 9, 4, 5]) == 0
