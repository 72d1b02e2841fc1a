"""Self-certainty, exact and from the most likely tokens, against hand-computed examples."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ttscale_strategies.voting.rules import approximate_self_certainty, self_certainty

EXAMPLES = [([0.25] * 4, 0.0), ([0.7, 0.1, 0.1, 0.1], 0.429813), ([0.97, 0.01, 0.01, 0.01], 2.075198)]


@pytest.mark.parametrize(("chances", "nats"), EXAMPLES)
def test_the_worked_examples(chances: list[float], nats: float) -> None:
    assert self_certainty(np.log([chances])) == pytest.approx(nats, abs=1e-6)


def test_a_samples_certainty_is_the_mean_of_its_tokens() -> None:
    both = self_certainty(np.log([EXAMPLES[1][0], EXAMPLES[2][0]]))
    assert both == pytest.approx((0.429813 + 2.075198) / 2, abs=1e-6)


@pytest.mark.parametrize(("chances", "nats"), EXAMPLES)
@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_the_approximation_is_exact_where_the_rest_is_spread_evenly(
    chances: list[float], nats: float, k: int
) -> None:
    approximation = approximate_self_certainty(np.log([chances[:k]]), 4)
    assert approximation == pytest.approx(nats, abs=1e-6)


def test_the_approximation_is_below_the_exact_value_where_it_is_not() -> None:
    chances = [0.6, 0.2, 0.15, 0.05]
    exact = self_certainty(np.log([chances]))
    for k, nearer in ((1, 2), (2, 3)):
        below, above = (approximate_self_certainty(np.log([chances[:n]]), 4) for n in (k, nearer))
        assert below is not None
        assert above is not None
        assert below < above <= exact + 1e-12


def test_a_token_that_is_certain_has_a_finite_approximate_certainty() -> None:
    # the other three share 1e-12: -(1/4)(ln 1 + 3 ln(1e-12 / 3)) - ln 4
    expected = -0.75 * math.log(1e-12 / 3) - math.log(4)
    assert approximate_self_certainty([[0.0]], 4) == pytest.approx(expected)
    assert approximate_self_certainty([[0.0, -math.inf, math.nan]], 4) == pytest.approx(expected)


def test_without_any_logprob_the_approximation_is_unknown_and_the_exact_value_refused() -> None:
    assert approximate_self_certainty([], 10) is None
    assert approximate_self_certainty([[math.nan]], 10) is None
    for nothing in (np.empty(0), np.empty((0, 5)), np.empty((2, 0))):
        with pytest.raises(ValueError, match="of no tokens"):
            self_certainty(nothing)


@pytest.mark.parametrize("bad", [math.nan, -math.inf])
def test_the_exact_value_needs_every_logprob(bad: float) -> None:
    with pytest.raises(ValueError, match="a finite logprob of every token"):
        self_certainty([[-0.1, bad]])


def test_a_vocabulary_smaller_than_the_list_is_refused() -> None:
    with pytest.raises(ValueError, match="vocabulary_size must be >= 2 listed tokens, got 1"):
        approximate_self_certainty([[-0.5, -1.0]], 1)
