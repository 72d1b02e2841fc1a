"""The matrix of the most likely tokens' logprobs."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ttscale_strategies.voting.rules import likeliest
from ttscale_strategies.voting.rules.top_logprobs import checked_logprobs


def test_exactly_k_entries_are_kept_and_the_drawn_token_that_is_not_among_them_is_dropped() -> None:
    # token 7 was drawn and is less likely than the two asked for
    matrix = likeliest([{7: -3.0, 1: -0.1, 2: -2.5}, {4: -0.2, 5: -1.8}], 2)
    assert matrix.tolist() == [[-0.1, -2.5], [-0.2, -1.8]]


def test_missing_entries_are_nan() -> None:
    matrix = likeliest([{1: -0.5}, {}, {2: math.nan, 3: -1.0}], 2)
    assert np.isnan(matrix).tolist() == [[False, True], [True, True], [False, True]]
    assert matrix[2, 0] == -1.0
    assert likeliest([], 3).shape == (0, 3)


def test_k_must_be_positive() -> None:
    with pytest.raises(ValueError, match="k must be >= 1, got 0"):
        likeliest([{1: -1.0}], 0)


def test_what_a_server_says_for_a_probability_of_0_is_one() -> None:
    assert checked_logprobs([[-0.0, -9999.0, -math.inf, -9998.0]]).tolist() == [
        [0.0, -math.inf, -math.inf, -9998.0]
    ]


def test_rounding_above_0_is_forgiven_and_probabilities_are_not() -> None:
    assert checked_logprobs([[1e-6]]).tolist() == [[0.0]]
    with pytest.raises(ValueError, match="were these probabilities"):
        checked_logprobs([[0.5, math.nan]])
    with pytest.raises(ValueError, match="were these probabilities"):
        checked_logprobs([[math.inf]])


@pytest.mark.parametrize("shape", [(3,), (2, 3, 4), ()])
def test_logprobs_have_two_dimensions(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="must have the shape"):
        checked_logprobs(np.full(shape, -1.0))


def test_no_tokens_are_an_empty_matrix() -> None:
    assert checked_logprobs([]).shape == (0, 1)
    assert checked_logprobs(np.empty((0, 20))).shape == (0, 20)
