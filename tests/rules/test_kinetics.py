"""Equivalent FLOPs against the worked numbers, and against sums over single tokens."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ttscale.backends.base import ModelProfile
from ttscale.budget.kinetics import BlockAttention, TopKAttention, expected_kinetics_cost, kinetics_cost

PROFILE = ModelProfile(
    name="worked", num_parameters=10**9, num_layers=28, num_heads=16, num_kv_heads=8, head_dim=128
)
WIDTH, KV_WIDTH = 16 * 3584, 8 * 3584


@pytest.mark.parametrize(
    ("num_trials", "compute", "memory"), [(1, 2.1376256, 38.7072), (4, 8.5505024, 135.4752)]
)
def test_the_worked_numbers(num_trials: int, compute: float, memory: float) -> None:
    cost = kinetics_cost(PROFILE, prompt_tokens=100, generated_tokens=1000, num_trials=num_trials)
    assert cost is not None
    assert cost == pytest.approx((compute, memory), rel=1e-12)
    assert cost.total == pytest.approx(compute + memory)


@pytest.mark.parametrize(
    "attention", [None, TopKAttention(64), TopKAttention(64, "paper"), BlockAttention(16, 4)]
)
def test_nothing_generated_costs_nothing(attention: TopKAttention | BlockAttention | None) -> None:
    for generated, trials in ((0, 3), (50, 0)):
        cost = kinetics_cost(
            PROFILE, prompt_tokens=100, generated_tokens=generated, num_trials=trials, attention=attention
        )
        assert cost == (0.0, 0.0)


def positions(attention: TopKAttention, context: int, generated: int) -> float:
    """Return what the memory says was read."""
    cost = kinetics_cost(PROFILE, prompt_tokens=context, generated_tokens=generated, attention=attention)
    assert cost is not None
    return cost.memory * 1e12 / (4.0 * KV_WIDTH * 562.5)


@pytest.mark.parametrize("budget", [50, 100, 300, 1100, 5000])
def test_the_exact_sign_is_the_sum_over_tokens(budget: int) -> None:
    # the formula takes tokens as a continuum: the middle of each is its mean
    by_token = sum(min(100 + token + 0.5, budget) for token in range(1000))
    assert positions(TopKAttention(budget), 100, 1000) == pytest.approx(by_token, rel=1e-12)


def test_the_papers_sign_reads_more_than_there_is() -> None:
    assert positions(TopKAttention(300), 100, 1000) == pytest.approx(300 * 1000 - 20_000)
    assert positions(TopKAttention(300, "paper"), 100, 1000) == pytest.approx(300 * 1000 + 20_000)
    # up to the prompt's length both agree
    assert positions(TopKAttention(100), 100, 1000) == positions(TopKAttention(100, "paper"), 100, 1000)


def test_a_budget_of_all_positions_is_dense_attention_of_one_trial() -> None:
    dense = kinetics_cost(PROFILE, prompt_tokens=100, generated_tokens=1000)
    sparse = kinetics_cost(PROFILE, prompt_tokens=100, generated_tokens=1000, attention=TopKAttention(10**6))
    assert sparse == pytest.approx(dense)


def test_sparse_trials_share_nothing() -> None:
    costs = [
        kinetics_cost(
            PROFILE, prompt_tokens=100, generated_tokens=1000, num_trials=trials, attention=TopKAttention(64)
        )
        for trials in (1, 4)
    ]
    assert costs[0] is not None
    assert costs[1] == pytest.approx((4 * costs[0].compute, 4 * costs[0].memory))


def test_blocks_cost_what_top_k_costs_and_the_search() -> None:
    attention = BlockAttention(16, 10, local=40)
    assert attention.budget == 200
    top_k = kinetics_cost(
        PROFILE, prompt_tokens=100, generated_tokens=1000, num_trials=3, attention=TopKAttention(200)
    )
    blocks = kinetics_cost(PROFILE, prompt_tokens=100, generated_tokens=1000, num_trials=3, attention=attention)
    assert top_k is not None
    assert blocks is not None
    # 1200 // 16 = 75 whole blocks; with three trials 3200 // 16 = 200
    assert blocks.compute - top_k.compute == pytest.approx(75 * 1000 * WIDTH * 3 * 1e-12)
    assert blocks.memory - top_k.memory == pytest.approx(200 * 1000 * KV_WIDTH * 562.5e-12)


def test_the_expected_cost_is_the_mean_over_lengths() -> None:
    costs = [kinetics_cost(PROFILE, prompt_tokens=100, generated_tokens=length) for length in (500, 1500)]
    expected = expected_kinetics_cost(PROFILE, prompt_tokens=100, generated_tokens=[500, 1500])
    assert costs[0] is not None
    assert costs[1] is not None
    assert expected == pytest.approx(
        ((costs[0].compute + costs[1].compute) / 2, (costs[0].memory + costs[1].memory) / 2)
    )
    with pytest.raises(ValueError, match="at least one recorded length"):
        expected_kinetics_cost(PROFILE, prompt_tokens=100, generated_tokens=[])


@pytest.mark.parametrize(
    "profile",
    [
        replace(PROFILE, num_parameters=None),
        replace(PROFILE, num_layers=None),
        replace(PROFILE, num_heads=None),
        replace(PROFILE, num_kv_heads=None),
        replace(PROFILE, head_dim=None),
    ],
)
def test_an_unknown_geometry_has_no_cost(profile: ModelProfile) -> None:
    assert kinetics_cost(profile, prompt_tokens=1, generated_tokens=1) is None
    assert expected_kinetics_cost(profile, prompt_tokens=1, generated_tokens=[1]) is None


def test_numbers_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="generated_tokens must be >= 0"):
        kinetics_cost(PROFILE, prompt_tokens=1, generated_tokens=-1)
    with pytest.raises(ValueError, match="num_trials must be >= 0"):
        kinetics_cost(PROFILE, prompt_tokens=1, generated_tokens=1, num_trials=-1)
    with pytest.raises(ValueError, match="flops_per_element must be >= 0"):
        kinetics_cost(PROFILE, prompt_tokens=1, generated_tokens=1, flops_per_element=float("nan"))
    with pytest.raises(ValueError, match="budget must be >= 1"):
        TopKAttention(0)
    with pytest.raises(ValueError, match="block must be >= 1"):
        BlockAttention(0, 1)
