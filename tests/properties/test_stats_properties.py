"""What holds of the statistics whatever the samples, and how often intervals hold the simulated truth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from itertools import combinations
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from ttscale_evals.stats import (
    best_at_k,
    bootstrap_interval,
    clustered_bootstrap_interval,
    clustered_stderr,
    holm_adjusted,
    honest_accuracy,
    maj_at_k,
    maj_curve,
    mcnemar_test,
    mean_and_stderr,
    paired_difference,
    pass_at_k,
    pass_at_k_by_problem,
    pass_hat_k,
    problem_means,
    rule_at_k,
    sign_flip_p_value,
    weighted_maj_at_k,
    wilson_interval,
)
from ttscale_strategies.voting.rules import majority

KEYS = st.lists(st.sampled_from(["a", "b", "c", "d", None]), min_size=1, max_size=8)
SHARES = st.sampled_from([0.0, 0.25, 1 / 3, 0.5, 0.7, 1.0])
PAIRS = st.lists(st.tuples(SHARES, SHARES), min_size=1, max_size=20)
SAMPLES = st.lists(st.lists(st.none() | SHARES, min_size=1, max_size=4), min_size=1, max_size=6)


# ── intervals hold the truth ──────────────────────────────────────────────────────────────────────────────

NUM_STUDIES = 300
"""Of 95 % intervals, 285 of them should hold the truth, give or take 3.8."""
NEARLY_ALL = (0.885, 0.99)
"""Four deviations either way; below, also for what a percentile bootstrap of 50 problems lacks."""


def share_of(held: list[bool]) -> float:
    return sum(held) / len(held)


@settings(max_examples=8, derandomize=True, deadline=None)
@given(
    st.lists(SHARES, min_size=4, max_size=12).filter(
        lambda values: 0.25 <= float(np.mean(values)) <= 0.75 and float(np.std(values)) > 0.1
    ),
    st.integers(0, 2**32 - 1),
)
def test_bootstrap_intervals_hold_the_enumerated_mean_at_about_the_nominal_rate(
    population: list[float], seed: int
) -> None:
    truth, rng = float(np.mean(population)), np.random.default_rng(seed)
    held: list[bool] = []
    for _ in range(NUM_STUDIES):
        low, high = bootstrap_interval(rng.choice(population, 50).tolist(), seed=seed, num_resamples=400)
        held.append(low <= truth <= high)
    assert NEARLY_ALL[0] <= share_of(held) <= NEARLY_ALL[1]


@settings(max_examples=6, derandomize=True, deadline=None)
@given(
    st.lists(st.tuples(SHARES, SHARES), min_size=4, max_size=12).filter(
        lambda pairs: float(np.std([ours - theirs for ours, theirs in pairs])) > 0.2
    ),
    st.integers(0, 2**32 - 1),
)
def test_paired_intervals_hold_the_enumerated_difference_at_about_the_nominal_rate(
    population: list[tuple[float, float]], seed: int
) -> None:
    chances, rng = np.array(population), np.random.default_rng(seed)
    truth = float((chances[:, 0] - chances[:, 1]).mean())
    held: list[bool] = []
    for _ in range(NUM_STUDIES):
        drawn = chances[rng.integers(0, len(chances), 50)]
        # two runs of ours and three of theirs a problem, averaged within the problem
        ours = problem_means((rng.random((50, 2)) < drawn[:, :1]).astype(float).tolist())
        theirs = problem_means((rng.random((50, 3)) < drawn[:, 1:]).astype(float).tolist())
        low, high = bootstrap_interval((ours - theirs).tolist(), seed=seed, num_resamples=400)
        held.append(low <= truth <= high)
    assert NEARLY_ALL[0] <= share_of(held) <= NEARLY_ALL[1]


@pytest.mark.slow
@settings(max_examples=6, derandomize=True, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_clustered_errors_and_bootstraps_hold_the_truth_where_naive_errors_do_not(seed: int) -> None:
    chances, rng = np.array([0.05, 0.2, 0.6, 0.95]), np.random.default_rng(seed)
    clusters = np.repeat(np.arange(40), 8).tolist()
    by_error, by_bootstrap, by_naive = list[bool](), list[bool](), list[bool]()
    for _ in range(NUM_STUDIES):
        drawn = np.repeat(rng.choice(chances, 40), 8)
        values = (rng.random(320) < drawn).astype(float).tolist()
        mean, naive = mean_and_stderr(values)
        stderr = clustered_stderr(values, clusters)
        assert stderr is not None
        assert naive is not None
        by_error.append(abs(mean - 0.45) <= 1.96 * stderr)
        by_naive.append(abs(mean - 0.45) <= 1.96 * naive)
        low, high = clustered_bootstrap_interval(values, clusters, seed=seed, num_resamples=400)
        by_bootstrap.append(low <= 0.45 <= high)
    assert NEARLY_ALL[0] <= share_of(by_error) <= NEARLY_ALL[1]
    assert NEARLY_ALL[0] <= share_of(by_bootstrap) <= NEARLY_ALL[1]
    assert share_of(by_naive) < 0.75


@settings(max_examples=20, deadline=None)
@given(st.integers(10, 80), st.sampled_from([0.9, 0.95, 0.99]))
def test_wilson_intervals_hold_the_truth_at_the_nominal_rate_by_enumeration(n: int, confidence: float) -> None:
    chances = np.linspace(0.02, 0.98, 49)
    ends = np.array([wilson_interval(right, n, confidence=confidence) for right in range(n + 1)])
    holds = (ends[:, :1] <= chances) & (chances <= ends[:, 1:])
    coverage = (binom.pmf(np.arange(n + 1)[:, None], n, chances) * holds).sum(axis=0)
    assert float(coverage.mean()) == pytest.approx(confidence, abs=0.017)
    assert float(coverage.min()) > confidence - 0.11


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 40), st.floats(0.01, 0.2))
def test_mcnemar_rejects_no_more_often_than_it_says_by_enumeration(num_differing: int, level: float) -> None:
    rejected = 0.0
    for ours in range(num_differing + 1):
        right = [1] * ours + [0] * (num_differing - ours)
        if mcnemar_test(right, [1 - value for value in right]).p_value <= level:
            rejected += float(binom.pmf(ours, num_differing, 0.5))
    assert rejected <= level + 1e-12


# ── order and errors ──────────────────────────────────────────────────────────────────────────────────────


@settings(max_examples=60, deadline=None)
@given(PAIRS, st.integers(0, 2**32 - 1))
def test_which_system_comes_first_never_matters(pairs: list[tuple[float, float]], seed: int) -> None:
    ours, theirs = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    one = paired_difference(ours, theirs, seed=seed, num_resamples=99)
    other = paired_difference(theirs, ours, seed=seed, num_resamples=99)
    assert one.difference == -other.difference
    assert one.interval == (-other.interval.high, -other.interval.low)
    assert (one.stderr, one.p_value) == (other.stderr, other.p_value)
    assert one.is_told_apart == other.is_told_apart


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=1, max_size=30))
def test_which_system_comes_first_never_matters_to_mcnemar_and_flipping_signs_agrees(
    pairs: list[tuple[int, int]],
) -> None:
    ours, theirs = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    one, other = mcnemar_test(ours, theirs), mcnemar_test(theirs, ours)
    assert (one.num_ours_only, one.p_value) == (other.num_theirs_only, other.p_value)
    if one.num_ours_only + one.num_theirs_only <= 14:
        flipped = sign_flip_p_value([a - b for a, b in pairs], seed=0)
        assert flipped == pytest.approx(one.p_value)


@given(SAMPLES, st.data())
def test_an_errored_row_never_raises_the_headline_and_only_widens_what_is_supportable(
    correct: list[list[float | None]], data: st.DataObject
) -> None:
    before = honest_accuracy(correct)
    place = data.draw(st.integers(0, len(correct)))
    more = [list(samples) for samples in correct]
    if place == len(more):
        more.append([])
    more[place].append(None)
    after = honest_accuracy(more)
    assert after.errors_as_wrong <= before.errors_as_wrong + 1e-12
    assert after.supportable.low <= before.supportable.low + 1e-12
    assert after.supportable.high >= before.supportable.high - 1e-12
    assert after.num_errored == before.num_errored + 1
    assert after.errors_excluded == before.errors_excluded


@given(SAMPLES, st.data())
def test_the_supportable_range_holds_every_way_the_errored_samples_may_have_gone(
    correct: list[list[float | None]], data: st.DataObject
) -> None:
    found = honest_accuracy(correct)
    filled = [[data.draw(SHARES) if value is None else value for value in samples] for samples in correct]
    truth = float(problem_means(filled).mean())
    assert found.supportable.low - 1e-12 <= truth <= found.supportable.high + 1e-12
    assert found.errors_as_wrong == found.supportable.low


# ── k of n samples ────────────────────────────────────────────────────────────────────────────────────────


@given(KEYS, st.sets(st.sampled_from(["a", "b", "c"])), st.data())
def test_maj_at_k_is_the_mean_over_all_subsets_with_shared_ties(
    keys: list[str | None], right: set[str], data: st.DataObject
) -> None:
    k = data.draw(st.integers(1, len(keys)))
    total, chosen = Fraction(0), list(combinations(keys, k))
    for subset in chosen:
        counts = Counter(key for key in subset if key is not None)
        tied = [key for key, count in counts.items() if count == max(counts.values())]
        total += Fraction(len(right.intersection(tied)), max(1, len(tied)))
    correct = [float(key in right) for key in keys]
    expected = pytest.approx([float(total / len(chosen))], abs=1e-12)
    assert maj_at_k([keys], [correct], k) == expected
    assert weighted_maj_at_k([keys], [[0.3] * len(keys)], [correct], k) == expected


@given(KEYS)
def test_the_majority_of_all_samples_is_the_plain_vote(keys: list[str | None]) -> None:
    winner = majority(keys)
    counts = Counter(key for key in keys if key is not None)
    num_tied = sum(winner is not None and count == winner.votes for count in counts.values())
    correct = [float(winner is not None and key == winner.key) for key in keys]
    found = float(maj_at_k([keys], [correct], len(keys))[0])
    assert found == (1.0 / num_tied if num_tied else 0.0)


@given(KEYS, st.randoms(use_true_random=False))
def test_the_order_of_samples_never_matters_to_a_majority(keys: list[str | None], random: Random) -> None:
    shuffled = list(keys)
    random.shuffle(shuffled)
    ks = range(1, len(keys) + 1)
    curves = [
        maj_curve([order], [[float(key == "a") for key in order]], ks)[0].tolist() for order in (keys, shuffled)
    ]
    assert curves[0] == pytest.approx(curves[1], abs=1e-12)


@given(st.integers(1, 24), st.data())
def test_pass_at_k_never_falls_and_pass_hat_k_never_rises_with_k(n: int, data: st.DataObject) -> None:
    right = data.draw(st.integers(0, n))
    any_right = [pass_at_k(n, right, k) for k in range(1, n + 1)]
    all_right = [pass_hat_k(n, right, k) for k in range(1, n + 1)]
    assert any_right == sorted(any_right)
    assert all_right == sorted(all_right, reverse=True)
    assert any_right[0] == pytest.approx(right / n)
    assert any_right[-1] == float(right > 0)
    assert all_right[-1] == float(right == n)


@given(st.lists(st.tuples(st.none() | st.integers(0, 3), st.booleans()), min_size=1, max_size=7), st.data())
def test_the_best_of_k_is_enumerated_and_never_better_than_any(
    samples: list[tuple[int | None, bool]], data: st.DataObject
) -> None:
    scores, correct = [score for score, _ in samples], [right for _, right in samples]
    k = data.draw(st.integers(1, len(samples)))

    def rule(offered: Sequence[int]) -> int | None:
        scored = [(score, -index) for index in offered if (score := scores[index]) is not None]
        return -max(scored)[1] if scored else None

    found = best_at_k([scores], [correct], k)
    assert found == pytest.approx([rule_at_k(rule, correct, k)], abs=1e-12)
    assert found[0] <= pass_at_k_by_problem(len(samples), sum(correct), k)[0] + 1e-12


# ── many tests ────────────────────────────────────────────────────────────────────────────────────────────


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_holm_lies_between_no_correction_and_bonferronis_and_keeps_the_order_of_tests(
    p_values: list[float], random: Random
) -> None:
    adjusted = holm_adjusted(p_values)
    for raw, one in zip(p_values, adjusted, strict=True):
        assert raw <= one <= min(1.0, raw * len(p_values))
    order = list(range(len(p_values)))
    random.shuffle(order)
    assert holm_adjusted([p_values[place] for place in order]) == [adjusted[place] for place in order]
    # the definition: rejected at a level while each, from the smallest, is small enough for those that remain
    level, num_rejected = 0.05, 0
    for place, raw in enumerate(sorted(p_values)):
        if raw * (len(p_values) - place) > level:
            break
        num_rejected += 1
    assert sum(one <= level for one in adjusted) == num_rejected
