"""ModelSwitch's weights and decision against hand-computed examples."""

from __future__ import annotations

import math

import pytest

from ttscale_strategies.voting.rules import internal_weight, model_switch_vote, unanimous


@pytest.mark.parametrize(
    ("keys", "weight"),
    [
        (["A", "A", "B", "C"], 0.290204),
        (["B", "B", "B", "A"], 0.391541),
        (["A", "B", "C", "D"], 0.25),
        (["A", "A", "A", "A"], 1.0),
        (["A", None, None, None], 1.0),
        ([None, "A", "A", "B", "C"], 0.290204),  # no answer is dropped before counting
        ([None, None], 0.0),
        ([], 0.0),
    ],
)
def test_the_worked_weights(keys: list[str | None], weight: float) -> None:
    assert internal_weight(keys) == pytest.approx(weight, abs=1e-6)


def test_the_worked_vote_of_two_models() -> None:
    winner = model_switch_vote([["A", "A", "B", "C"], ["B", "B", "B", "A"]])
    assert winner is not None
    assert winner.key == "B"
    assert winner.totals == pytest.approx({"A": 0.971950, "B": 1.464828, "C": 0.290204}, abs=1e-6)


def test_a_model_that_agrees_with_itself_needs_no_other() -> None:
    assert unanimous(["A", "A", "A", "A"]) == "A"
    assert unanimous(["A", "A", "B", "C"]) is None
    assert unanimous(["A", None, "A"]) is None  # not all valid


def test_a_better_model_may_weigh_more() -> None:
    winner = model_switch_vote([["A", "A", "B", "C"], ["B", "B", "B", "A"]], external_weights=[3.0, 1.0])
    assert winner is not None
    assert winner.totals == pytest.approx(
        {"A": 6 * 0.290204 + 0.391541, "B": 3 * 0.290204 + 3 * 0.391541, "C": 3 * 0.290204}, abs=1e-5
    )
    assert winner.key == "A"


def test_a_tie_goes_to_the_earlier_model_and_nobody_voting_elects_nobody() -> None:
    winner = model_switch_vote([["A"], ["B"]])
    assert winner is not None
    assert winner.key == "A"
    assert model_switch_vote([]) is None
    assert model_switch_vote([[None], []]) is None


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="external_weights need one value a model, got 1 for 2"):
        model_switch_vote([["A"], ["B"]], external_weights=[1.0])
    with pytest.raises(ValueError, match=r"external_weights\[1\] must be >= 0"):
        model_switch_vote([["A"], [None]], external_weights=[1.0, math.nan])
