"""The posteriors of AB-MCTS against the worked numbers, its draws, and its choices."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from ttscale_strategies.search.rules import (
    BetaPosterior,
    ChildScores,
    NormalInverseChiSquare,
    choose_action,
    choose_arm,
    ucb,
)


@dataclass(frozen=True)
class Certain:
    """Draws the mean of what it saw, and what it was born with before that."""

    value: float = 0.5

    def of(self, observations: Sequence[float]) -> Certain:
        return Certain(math.fsum(observations) / len(observations)) if observations else self

    def draw(self, rng: random.Random) -> float:
        rng.random()
        return self.value


@pytest.mark.parametrize(
    ("observations", "expected"),
    [([0.5, 0.7], (0.4, 3, 3, 0.12)), ([0.8], (0.4, 2, 2, 0.21)), ([], (0.0, 1, 1, 0.1))],
)
def test_the_worked_normal_posteriors(
    observations: list[float], expected: tuple[float, float, float, float]
) -> None:
    posterior = NormalInverseChiSquare().of(observations)
    found = (posterior.mean, posterior.kappa, posterior.nu, posterior.tau_squared)
    assert found == pytest.approx(expected)


def test_updating_twice_is_updating_once_with_both() -> None:
    once = NormalInverseChiSquare().of([0.5, 0.7])
    twice = NormalInverseChiSquare().of([0.5]).of([0.7])
    assert (twice.mean, twice.kappa, twice.nu) == pytest.approx((once.mean, once.kappa, once.nu))
    assert twice.tau_squared == pytest.approx(once.tau_squared)


def test_the_beta_posterior_adds_shares_of_success() -> None:
    assert BetaPosterior() == BetaPosterior(0.5, 0.5)
    posterior = BetaPosterior().of([1.0, 0.25, 0.0])
    assert (posterior.a, posterior.b) == (1.75, 2.25)


# the marginal of the mean is Student's t with nu degrees of freedom, scaled by the root of tau²/kappa
@pytest.mark.parametrize(
    ("observations", "upper_quartile"),
    [([], 0.1**0.5), ([0.8], 0.4 + 0.816497 * (0.21 / 2) ** 0.5), ([0.5, 0.7], 0.4 + 0.764892 * 0.2)],
)
def test_means_are_drawn_from_the_marginal_of_the_normal_posterior(
    observations: list[float], upper_quartile: float
) -> None:
    posterior, rng = NormalInverseChiSquare().of(observations), random.Random(1)
    drawn = [posterior.draw(rng) for _ in range(20_000)]
    assert sum(value > upper_quartile for value in drawn) / len(drawn) == pytest.approx(0.25, abs=0.01)
    assert sum(value > posterior.mean for value in drawn) / len(drawn) == pytest.approx(0.5, abs=0.01)


def test_means_are_drawn_from_the_beta_posterior() -> None:
    posterior, rng = BetaPosterior().of([1.0, 0.25, 0.0]), random.Random(1)
    drawn = [posterior.draw(rng) for _ in range(20_000)]
    assert all(0.0 <= value <= 1.0 for value in drawn)
    mean = math.fsum(drawn) / len(drawn)
    assert mean == pytest.approx(1.75 / 4, abs=0.01)
    variance = math.fsum((value - mean) ** 2 for value in drawn) / len(drawn)
    assert variance == pytest.approx(1.75 * 2.25 / (16 * 5), abs=0.002)


@pytest.mark.parametrize("posterior", [NormalInverseChiSquare(), BetaPosterior()])
def test_the_same_state_of_the_generator_draws_the_same(
    posterior: NormalInverseChiSquare | BetaPosterior,
) -> None:
    assert posterior.draw(random.Random(3)) == posterior.draw(random.Random(3))
    assert posterior.draw(random.Random(3)) != posterior.draw(random.Random(4))


def test_a_gamma_variate_of_zero_does_not_break_the_draw() -> None:
    class Zero(random.Random):
        def gammavariate(self, alpha: float, beta: float) -> float:
            return 0.0

    assert math.isfinite(NormalInverseChiSquare().draw(Zero(1)))


def test_without_scored_children_a_new_one_is_generated_and_nothing_drawn() -> None:
    rng = random.Random(5)
    before = rng.getstate()
    assert choose_arm([], Certain(), rng) is None
    assert choose_arm([ChildScores(None)], Certain(), rng) is None
    assert rng.getstate() == before


def test_continuing_must_be_strictly_better_than_generating() -> None:
    def children(below: float) -> list[ChildScores]:
        return [ChildScores(0.25), ChildScores(0.75, (below,))]

    rng = random.Random(0)
    assert choose_arm(children(0.25), Certain(), rng) is None
    assert choose_arm(children(0.5), Certain(), rng) is None  # own scores and those below: .5 both
    assert choose_arm(children(0.75), Certain(), rng) == 1


def test_what_was_never_continued_is_judged_by_the_prior() -> None:
    children = [ChildScores(0.25), ChildScores(0.5)]
    assert choose_arm(children, Certain(0.9), random.Random(0)) == 1
    assert choose_arm(children, Certain(0.1), random.Random(0)) is None


def test_a_child_stands_for_its_own_score_and_all_below_it() -> None:
    children = [ChildScores(0.5, (0.9, 0.9)), ChildScores(0.7), ChildScores(None), ChildScores(0.1)]
    assert children[0].observations == (0.5, 0.9, 0.9)
    assert choose_arm(children, Certain(), random.Random(0)) == 0  # (.5 + .9 + .9) / 3 = .767
    assert choose_arm([*children, ChildScores(0.8)], Certain(), random.Random(0)) == 4


def test_what_generating_brought_may_be_more_than_the_children() -> None:
    children, rng = [ChildScores(0.25, (0.5,))], random.Random(0)
    assert choose_arm(children, Certain(), rng) == 0
    assert choose_arm(children, Certain(), rng, generated=[0.25, 0.0]) == 0
    assert choose_arm(children, Certain(), rng, generated=[0.25, 0.75]) is None


def test_of_equal_children_the_first_goes_on_and_the_unscored_keep_their_place() -> None:
    children = [ChildScores(None), ChildScores(0.2), ChildScores(0.2)]
    assert choose_arm(children, Certain(0.9), random.Random(0)) == 1


def test_a_child_whose_own_score_failed_still_stands_for_those_below() -> None:
    children = [ChildScores(0.1), ChildScores(None, (0.9,))]
    assert choose_arm(children, Certain(), random.Random(0)) == 1


@pytest.mark.parametrize("prior", [NormalInverseChiSquare(), BetaPosterior()])
def test_the_search_goes_deeper_where_continuing_paid_and_wider_where_it_did_not(
    prior: NormalInverseChiSquare | BetaPosterior,
) -> None:
    paid = [ChildScores(0.2, (0.9,) * 10), ChildScores(0.1)]
    wasted = [ChildScores(0.9, (0.1,) * 10), ChildScores(0.9)]
    rng = random.Random(2)
    deeper = sum(choose_arm(paid, prior, rng) is not None for _ in range(500))
    wider = sum(choose_arm(wasted, prior, rng) is None for _ in range(500))
    assert deeper > 400
    assert wider > 400
    assert {choose_arm(paid, prior, rng) for _ in range(500)} == {None, 0, 1}


def test_the_bound_of_an_action() -> None:
    assert ucb([0.25, 0.75], 8) == pytest.approx(0.5 + math.sqrt(2) * math.sqrt(math.log(8) / 2))
    assert ucb([0.25], 1) == 0.25
    assert ucb([], 8) == math.inf


def test_an_action_never_tried_is_tried_first_by_its_bound() -> None:
    rng, prior = random.Random(0), Certain()
    before = rng.getstate()
    assert choose_action([[0.9], [], []], prior, rng, rule="ucb") == 1
    assert choose_action([[0.5], [0.5]], prior, rng, rule="ucb") == 0
    # .9 + √2 √(ln 5 / 4) = 1.797 against .1 + √2 √ln 5 = 1.894
    assert choose_action([[0.9] * 4, [0.1]], prior, rng, rule="ucb") == 1
    assert choose_action([[0.9] * 2, [0.1]], prior, rng, rule="ucb") == 0
    assert rng.getstate() == before


def test_what_is_on_its_way_counts_as_begun_and_not_in_the_mean() -> None:
    assert ucb([0.25, 0.75], 8, num_pending=2) == pytest.approx(0.5 + math.sqrt(2) * math.sqrt(math.log(8) / 4))
    assert ucb([], 8, num_pending=2) == pytest.approx(math.sqrt(2) * math.sqrt(math.log(8) / 2))
    rng, prior = random.Random(0), Certain()
    assert choose_action([[], [], []], prior, rng, rule="ucb", num_pending=[1, 1, 0]) == 2
    # .5 + √2 √(ln 3 / 2) = 1.548 against √2 √ln 3 = 1.482
    assert choose_action([[0.5], []], prior, rng, rule="ucb", num_pending=[1, 1]) == 0
    assert choose_action([[0.4], []], prior, rng, rule="ucb", num_pending=[1, 1]) == 1
    with pytest.raises(ValueError, match="num_pending need one value"):
        choose_action([[0.5], []], prior, rng, num_pending=[1])
    with pytest.raises(ValueError, match="num_pending must be >= 0"):
        ucb([0.1], 1, num_pending=-1)
    with pytest.raises(ValueError, match="num_all must be >= 3"):
        ucb([0.1], 2, num_pending=2)


def test_an_action_is_chosen_by_a_draw_from_each_ones_posterior() -> None:
    assert choose_action([[0.2], [0.9], [0.9]], Certain(), random.Random(0)) == 1
    assert choose_action([[0.2], []], Certain(0.9), random.Random(0)) == 1
    rng = random.Random(1)
    chosen = [choose_action([[0.1] * 8, [0.9] * 8], BetaPosterior(), rng) for _ in range(200)]
    assert chosen.count(1) > 190


def test_a_lone_action_is_taken_without_a_draw() -> None:
    rng = random.Random(0)
    before = rng.getstate()
    assert choose_action([[]], Certain(), rng) == 0
    assert rng.getstate() == before


@pytest.mark.parametrize("score", [-0.1, 1.5, math.nan, math.inf])
def test_a_score_outside_the_unit_interval_breaks_the_beta_posterior(score: float) -> None:
    with pytest.raises(ValueError, match=r"observations\[1\] must lie in \[0, 1\]"):
        BetaPosterior().of([0.5, score])


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match=r"observations\[0\] must be finite"):
        NormalInverseChiSquare().of([math.nan])
    with pytest.raises(ValueError, match="mean must be finite"):
        NormalInverseChiSquare(mean=math.inf)
    for name in ("kappa", "nu", "tau_squared"):
        with pytest.raises(ValueError, match=f"{name} must be > 0"):
            NormalInverseChiSquare(**{name: 0.0})
    for name in ("a", "b"):
        with pytest.raises(ValueError, match=f"{name} must be > 0"):
            BetaPosterior(**{name: -1.0})
    with pytest.raises(ValueError, match="no choice of no actions"):
        choose_action([], Certain(), random.Random(0))
    with pytest.raises(ValueError, match="num_all must be >= 2"):
        ucb([0.1, 0.2], 1)
    with pytest.raises(ValueError, match="exploration must be >= 0"):
        ucb([0.1], 1, exploration=-1.0)
