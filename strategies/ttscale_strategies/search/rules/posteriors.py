"""What a node's scores say of the next one: posteriors, and the choice of AB-MCTS-A by drawing from them."""

from __future__ import annotations

import math
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, assert_never

from ttscale_strategies.checks import require_at_least, require_one_each, require_share

ActionRule = Literal["thompson", "ucb"]
"""How the action of a new child is chosen."""


class Posterior(Protocol):
    """A belief about a mean score, prior and posterior in one."""

    def of(self, observations: Sequence[float]) -> Posterior:
        """Return the belief after these observations; their order does not matter, not even by rounding."""
        ...

    def draw(self, rng: random.Random) -> float:
        """Return a mean score drawn from the belief; the same state of the generator draws the same."""
        ...


@dataclass(frozen=True, slots=True)
class NormalInverseChiSquare:
    """Normal scores of unknown mean and variance: μ | σ² ~ N(mean, σ²/kappa), σ² ~ Inv-χ²(nu, tau_squared).

    The defaults are the prior of AB-MCTS (Inoue et al. 2025, arXiv:2503.04412).

    Raises:
        ValueError: a number is not finite, or not positive where it must be.
    """

    mean: float = 0.0
    """m."""
    kappa: float = 1.0
    """Observations that the mean is worth, > 0."""
    nu: float = 1.0
    """Observations that the variance is worth, > 0."""
    tau_squared: float = 0.1
    """The variance believed in, > 0."""

    def __post_init__(self) -> None:
        if not math.isfinite(self.mean):
            raise ValueError(f"mean must be finite, got {self.mean!r}")
        _require_positive(self.kappa, "kappa")
        _require_positive(self.nu, "nu")
        _require_positive(self.tau_squared, "tau_squared")

    def of(self, observations: Sequence[float]) -> NormalInverseChiSquare:
        """Return the posterior.

        With n observations of mean ȳ: κ' = κ + n, ν' = ν + n, m' = (κm + nȳ)/κ',
        τ²' = [ντ² + Σ(y − ȳ)² + nκ(m − ȳ)²/κ']/ν' (arXiv:2503.04412). Sums are rounded once, at the end, so
        the order of the observations leaves no trace. Updating twice is updating once with both, up to
        rounding.

        Args:
            observations: finite; none leave the belief as it is.

        Raises:
            ValueError: an observation is not finite.
            OverflowError: their squares are beyond the range of floats.
        """
        for index, observation in enumerate(observations):
            if not math.isfinite(observation):
                raise ValueError(f"observations[{index}] must be finite, got {observation!r}")
        n = len(observations)
        if n == 0:
            return self
        average = math.fsum(observations) / n
        spread = math.fsum((observation - average) ** 2 for observation in observations)
        kappa, nu = self.kappa + n, self.nu + n
        shift = n * self.kappa * (self.mean - average) ** 2 / kappa
        return NormalInverseChiSquare(
            mean=(self.kappa * self.mean + n * average) / kappa,
            kappa=kappa,
            nu=nu,
            tau_squared=(self.nu * self.tau_squared + spread + shift) / nu,
        )

    def draw(self, rng: random.Random) -> float:
        """Return μ ~ N(m, σ²/κ) with σ² ~ Inv-Γ(ν/2, ντ²/2)."""
        # one over a gamma variate is an inverse-gamma one; the variate itself may round to 0
        precision = max(rng.gammavariate(self.nu / 2.0, 1.0), sys.float_info.min)
        variance = self.nu * self.tau_squared / 2.0 / precision
        return rng.gauss(self.mean, math.sqrt(variance / self.kappa))


@dataclass(frozen=True, slots=True)
class BetaPosterior:
    """Scores in [0, 1] as shares of success: the mean score ~ Beta(a, b).

    The defaults, Jeffreys' prior, are those of AB-MCTS (arXiv:2503.04412).

    Raises:
        ValueError: a number is not finite or not positive.
    """

    a: float = 0.5
    """Successes, > 0."""
    b: float = 0.5
    """Failures, > 0."""

    def __post_init__(self) -> None:
        _require_positive(self.a, "a")
        _require_positive(self.b, "b")

    def of(self, observations: Sequence[float]) -> BetaPosterior:
        """Return Beta(a + Σy, b + Σ(1 − y)), each sum rounded once, whatever the order.

        Args:
            observations: in [0, 1].

        Raises:
            ValueError: an observation lies outside [0, 1].
        """
        for index, observation in enumerate(observations):
            require_share(observation, f"observations[{index}]")
        return BetaPosterior(
            a=math.fsum((self.a, *observations)),
            b=math.fsum((self.b, len(observations), *(-observation for observation in observations))),
        )

    def draw(self, rng: random.Random) -> float:
        """Return a mean score in [0, 1]."""
        return rng.betavariate(self.a, self.b)


@dataclass(frozen=True, slots=True)
class ChildScores:
    """The scores that a child of a node stands for."""

    own: float | None
    """The child's score; ``None`` while it is not out, or where the verifier failed."""
    below: tuple[float, ...] = ()
    """Those of all nodes below the child, in any order."""

    @property
    def observations(self) -> tuple[float, ...]:
        """All of them."""
        return self.below if self.own is None else (self.own, *self.below)


def choose_arm(
    children: Sequence[ChildScores],
    prior: Posterior,
    rng: random.Random,
    *,
    generated: Sequence[float] | None = None,
) -> int | None:
    """Return which child AB-MCTS-A goes on with at a node, or ``None`` to generate a new one.

    arXiv:2503.04412, node aggregation. The scores of the node's children are what generating brought, those of
    all nodes further below are what continuing brought. One mean score is drawn from the posterior of each: a
    new child is generated unless that of continuing is strictly greater. Else a mean score is drawn for each
    child, from the posterior of its own score and all below it, and the greatest wins, the first of equals.
    Children without any score so far are no choice (ours: the code works on one node at a time).

    Args:
        children: of the node, in the order of their index.
        prior: of generating, of continuing and of every child.
        rng: draws; nothing is drawn where there is nothing to choose.
        generated: scores of all that generating brought, where these are not the children's own: some of it
            failed, say, or brought a child once more.

    Raises:
        ValueError: a score does not suit the prior.
    """
    if generated is None:
        generated = [child.own for child in children if child.own is not None]
    arms = [(index, child.observations) for index, child in enumerate(children) if child.observations]
    if not arms:
        return None
    generating = prior.of(generated).draw(rng)
    continuing = prior.of([score for child in children for score in child.below]).draw(rng)
    if continuing <= generating:
        return None
    drawn = [prior.of(observations).draw(rng) for _, observations in arms]
    return arms[max(range(len(drawn)), key=drawn.__getitem__)][0]


def ucb(
    observations: Sequence[float],
    num_all: int,
    *,
    num_pending: int = 0,
    exploration: float = math.sqrt(2.0),
) -> float:
    """Return mean + √2 · √(ln n_all / n), infinity if nothing was begun.

    Auer et al. 2002; the choice of actions of TreeQuest's code (arXiv:2503.04412). What is on its way counts in
    n and n_all, and not in the mean (Liu et al. 2020, arXiv:1810.11755), which is 0 where all of it is.

    Args:
        observations: of one action, finite.
        num_all: n_all, those of all actions and all on their way, >= the action's own.
        num_pending: of the action, on their way, >= 0.
        exploration: in place of √2, >= 0.

    Raises:
        ValueError: num_all is less than the action's own, or a number is out of its range.
    """
    require_at_least(exploration, 0.0, "exploration")
    require_at_least(num_pending, 0, "num_pending")
    n = len(observations) + num_pending
    require_at_least(num_all, n, "num_all")
    if n == 0:
        return math.inf
    mean = math.fsum(observations) / len(observations) if observations else 0.0
    return mean + exploration * math.sqrt(math.log(num_all) / n)


def choose_action(
    observations: Sequence[Sequence[float]],
    prior: Posterior,
    rng: random.Random,
    *,
    rule: ActionRule = "thompson",
    num_pending: Sequence[int] | None = None,
) -> int:
    """Return the index of the action that generates the next child: which model, say.

    arXiv:2503.04412: ``"thompson"`` draws a mean score for every action from its posterior and takes the
    greatest; ``"ucb"`` takes the greatest `ucb`. Ties go to the first; a lone action is taken without a draw.

    Args:
        observations: scores of the children that each action generated, in the whole tree and not at one node
            only, shape [num_actions][num_children]; in any order.
        prior: of every action; the second rule does not use it.
        rng: draws; the second rule does not use it.
        rule: which.
        num_pending: children of each action that are on their way, for the second rule; without, none are.

    Raises:
        ValueError: there are no actions, a score does not suit the prior, or there is not one number of pending
            children an action.
    """
    pending = [0] * len(observations) if num_pending is None else num_pending
    require_one_each(observations, pending, "num_pending")
    if len(observations) == 0:
        raise ValueError("there is no choice of no actions")
    if len(observations) == 1:
        return 0
    match rule:
        case "thompson":
            worth = [prior.of(scores).draw(rng) for scores in observations]
        case "ucb":
            num_all = sum(len(scores) for scores in observations) + sum(pending)
            worth = [
                ucb(scores, num_all, num_pending=number)
                for scores, number in zip(observations, pending, strict=True)
            ]
        case _:
            assert_never(rule)
    return max(range(len(worth)), key=worth.__getitem__)


def _require_positive(value: float, name: str) -> None:
    if not (math.isfinite(value) and value > 0.0):
        raise ValueError(f"{name} must be > 0 and finite, got {value!r}")
