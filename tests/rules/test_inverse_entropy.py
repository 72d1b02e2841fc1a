"""Inverse-entropy voting against hand-computed examples."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from ttscale_strategies.voting.rules import (
    PAPER_MIN_ENTROPY,
    inverse_entropy_vote,
    inverse_entropy_weights,
    likeliest,
    mean_entropy,
    token_entropies,
)

FAIR, SKEWED = [0.5, 0.5], [0.9, 0.1]


def logs(*rows: list[float]) -> NDArray[np.float64]:
    logprobs: NDArray[np.float64] = np.log(np.asarray(rows))
    return logprobs


@pytest.mark.parametrize(
    ("chances", "bits"), [(FAIR, 1.0), (SKEWED, 0.4689956), ([0.25] * 4, 2.0), ([1.0], 0.0)]
)
def test_the_worked_entropies(chances: list[float], bits: float) -> None:
    assert token_entropies(logs(chances)).tolist() == pytest.approx([bits], abs=1e-7)


def test_the_worked_weights_and_the_chain_of_two_tokens() -> None:
    assert inverse_entropy_weights([1.0, 0.4689956, 2.0]).tolist() == pytest.approx(
        [1, 2.132216, 0.5], abs=1e-6
    )
    chain = mean_entropy(logs(FAIR, SKEWED))
    assert chain == pytest.approx(0.7344978, abs=1e-7)
    assert inverse_entropy_weights([chain]).tolist() == pytest.approx([1.3614745], abs=1e-7)


def test_one_sure_chain_outvotes_two_that_hesitate() -> None:
    entropies = [mean_entropy(logs(row)) for row in (FAIR, FAIR, SKEWED)]
    winner = inverse_entropy_vote(["A", "A", "B"], entropies)
    assert winner is not None
    assert winner.key == "B"
    assert winner.totals == pytest.approx({"A": 2.0, "B": 2.132216}, abs=1e-6)


def test_entries_are_made_to_sum_to_1_unless_told_otherwise() -> None:
    half = logs([0.25, 0.25])
    assert token_entropies(half).tolist() == pytest.approx([1.0])
    assert token_entropies(half, renormalise=False).tolist() == pytest.approx([1.0])  # 2 · 0.25 · 2 bits
    assert token_entropies(logs([0.125, 0.125]), renormalise=False).tolist() == pytest.approx([0.75])


def test_a_probability_of_0_and_a_missing_entry_add_nothing() -> None:
    rows = [[math.log(0.5), math.log(0.5), -math.inf], [math.log(0.5), math.log(0.5), math.nan]]
    assert token_entropies(rows).tolist() == pytest.approx([1.0, 1.0])


def test_tokens_without_logprobs_are_left_out_of_the_mean_and_without_any_it_is_unknown() -> None:
    assert mean_entropy(likeliest([{1: math.log(0.5), 2: math.log(0.5)}, {}], 20)) == pytest.approx(1.0)
    for nothing in ([], [[math.nan, math.nan]], likeliest([{}], 20), [[-math.inf]]):
        assert mean_entropy(nothing) is None


def test_the_floor_caps_the_weight_and_the_papers_lets_one_chain_dominate() -> None:
    assert inverse_entropy_weights([0.0]).tolist() == [1000.0]
    assert inverse_entropy_weights([0.0], min_entropy=PAPER_MIN_ENTROPY).tolist() == [1e10]
    keys, entropies = ["A"] * 11 + ["B"], [0.01] * 11 + [0.0]
    ours, theirs = (
        inverse_entropy_vote(keys, entropies, min_entropy=floor) for floor in (1e-3, PAPER_MIN_ENTROPY)
    )
    assert ours is not None
    assert theirs is not None
    assert (ours.key, theirs.key) == ("A", "B")


@pytest.mark.parametrize("unknown", [None, math.nan])
def test_one_unknown_entropy_of_a_voter_leaves_the_majority(unknown: float | None) -> None:
    winner = inverse_entropy_vote(["A", "A", "B"], [1.0, unknown, 0.1])
    assert winner is not None
    assert winner.totals == {"A": 2.0, "B": 1.0}
    winner = inverse_entropy_vote(["A", None, "B"], [1.0, unknown, 0.1])
    assert winner is not None
    assert winner.key == "B"


def test_nobody_voting_elects_nobody() -> None:
    assert inverse_entropy_vote([], []) is None
    assert inverse_entropy_vote([None], [None]) is None
    assert inverse_entropy_weights([]).shape == (0,)


def test_a_tie_goes_to_the_answer_seen_first() -> None:
    winner = inverse_entropy_vote(["B", "A"], [0.5, 0.5])
    assert winner is not None
    assert winner.key == "B"


def test_numbers_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="an entropy must be >= 0"):
        inverse_entropy_weights([-0.1])
    with pytest.raises(ValueError, match="an entropy must be >= 0"):
        inverse_entropy_weights([math.inf])
    with pytest.raises(ValueError, match="min_entropy must be above 0, got 0"):
        inverse_entropy_weights([1.0], min_entropy=0.0)
    with pytest.raises(ValueError, match="entropies need one value a sample"):
        inverse_entropy_vote(["A"], [])
    with pytest.raises(ValueError, match="logprobs are at most 0"):
        token_entropies([[0.9, 0.1]])
