"""Perplexities and their conformal ranks, against the worked example of ATTS."""

from __future__ import annotations

import itertools
import math
import random

import pytest

from ttscale_strategies.search.rules import (
    conformal_p_value,
    is_taken_over,
    percentile_rank,
    perplexity,
    surely_taken_over,
    takeover_threshold,
)

CALIBRATION = [1.2, 1.5, 1.7, 2.0, 2.4, 2.6, 3.0, 3.5, 4.0, 5.0]


@pytest.mark.parametrize(
    ("value", "rank", "p_value", "taken"),
    [
        (1.6, 0.2, 0.272727, False),
        (2.6, 0.5, 0.636364, False),
        (2.61, 0.6, 0.636364, True),
        (6.0, 1.0, 1.0, True),
        (1.0, 0.0, 1 / 11, False),
        (1.2, 0.0, 2 / 11, False),  # an equal one is not less, but not greater either
        (math.inf, 1.0, 1.0, True),
    ],
)
def test_the_worked_ranks(value: float, rank: float, p_value: float, taken: bool) -> None:
    assert percentile_rank(value, CALIBRATION) == pytest.approx(rank)
    assert conformal_p_value(value, CALIBRATION) == pytest.approx(p_value, abs=1e-6)
    assert is_taken_over(value, CALIBRATION, 0.6) is taken


def test_both_ranks_grow_with_the_perplexity() -> None:
    values = [1.0 + 0.05 * step for step in range(100)]
    for measure in (percentile_rank, conformal_p_value):
        ranks = [measure(value, CALIBRATION) for value in values]
        assert ranks == sorted(ranks)


@pytest.mark.parametrize(
    ("logprobs", "value"),
    [
        ([0.0], 1.0),
        ([-math.log(2)] * 3, 2.0),
        ([-math.log(2), -math.log(8)], 4.0),
        ([], math.inf),
        ([-math.inf, 0.0], math.inf),
        ([float("nan")], math.inf),
        ([-1e6], math.inf),
    ],
)
def test_perplexity_is_that_of_the_mean_and_infinite_where_nothing_is_known(
    logprobs: list[float], value: float
) -> None:
    assert perplexity(logprobs) == pytest.approx(value)


def test_what_is_infinitely_unlikely_is_always_taken_over() -> None:
    assert is_taken_over(math.inf, [math.inf, math.inf], 1.0)
    assert is_taken_over(math.inf, CALIBRATION, 1.1)
    assert not is_taken_over(1e300, CALIBRATION, 1.1)


@pytest.mark.parametrize("calibration", [[], [1.0, float("nan")]])
def test_a_calibration_holds_numbers(calibration: list[float]) -> None:
    for measure in (percentile_rank, conformal_p_value):
        with pytest.raises(ValueError, match="calibration"):
            measure(1.0, calibration)


def test_what_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="value must be a number"):
        is_taken_over(math.nan, CALIBRATION, 0.6)
    with pytest.raises(ValueError, match="threshold"):
        is_taken_over(1.0, CALIBRATION, math.nan)
    with pytest.raises(ValueError, match="num_missing"):
        surely_taken_over(1.0, CALIBRATION, -1, 0.6)


@pytest.mark.parametrize("seed", range(40))
def test_a_verdict_that_is_sure_is_that_of_all_and_comes_as_early_as_it_can(seed: int) -> None:
    draw = random.Random(seed)
    levels = [1.0, 2.0, 3.0, 4.0]
    known = [draw.choice(levels) for _ in range(draw.randint(0, 3))]
    num_missing = draw.randint(0 if known else 1, 3)
    value, threshold = draw.choice([*levels, 2.5]), draw.choice([0.0, 0.2, 0.5, 0.6, 1.0])
    possible = [0.5, *levels, 9.0]
    verdicts = {
        is_taken_over(value, [*known, *missing], threshold)
        for missing in itertools.product(possible, repeat=num_missing)
    }
    sure = surely_taken_over(value, known, num_missing, threshold)
    assert sure == (verdicts.pop() if len(verdicts) == 1 else None)


@pytest.mark.parametrize("num_calibrated", [1, 2, 7, 10, 16])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.3, 0.4, 0.5, 0.7, 1.0])
def test_at_most_the_share_is_taken_over_and_one_rank_more_would_be_too_many(
    num_calibrated: int, share: float
) -> None:
    threshold = takeover_threshold(num_calibrated, share)
    pool = [float(value) for value in range(1, num_calibrated + 2)]  # each is the draft once, the others known
    taken = [is_taken_over(value, [other for other in pool if other != value], threshold) for value in pool]
    assert sum(taken) <= share * len(pool) + 1e-9
    assert sum(taken) + 1 > share * len(pool) - 1e-9
    tied = is_taken_over(2.0, [2.0] * num_calibrated, threshold)
    assert tied is (share == 1.0)


@pytest.mark.parametrize(("num_calibrated", "share"), [(0, 0.5), (3, -0.1), (3, 1.1), (3, math.nan)])
def test_a_share_is_a_share_of_something(num_calibrated: int, share: float) -> None:
    with pytest.raises(ValueError, match="must"):
        takeover_threshold(num_calibrated, share)
