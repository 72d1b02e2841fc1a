"""Saturation: how many samples, or rounds, are worth their cost, told from a few pilot samples.

Wang et al. 2025, arXiv:2505.20522 ("Scaling over Scaling", TTSPM). A share F_max of the questions can be solved
at all, each unit of compute (a sample in parallel, or a round in sequence) solves such a one with chance p, so
N units solve F(N) = F_max · (1 - (1 - p)^N). Units that are correlated break the model: it is then too hopeful.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

MAX_UNITS: Final = 1024
"""Where no number of units is the last one worth it, or it is a greater one."""

_NUM_HALVINGS: Final = 45
"""Of the interval [0, 1]: what is left of it is below the rounding of the sums."""

Floats = NDArray[np.float64]


class UnitsRange(NamedTuple):
    """A number of units, and between which numbers it lies at 95 % confidence."""

    units: int
    low: int
    high: int


class ShareRange(NamedTuple):
    """An estimated share, and between which shares it lies at 95 % confidence."""

    value: float
    low: float
    high: float


def solved_share(num_units: int, p: float, f_max: float = 1.0) -> float:
    """Return F(N) = F_max · (1 - (1 - p)^N), the share of questions solved by N units (arXiv:2505.20522).

    Args:
        num_units: N, >= 0.
        p: chance that a unit solves a question that can be solved, in [0, 1].
        f_max: share of questions that can be solved, in [0, 1].

    Raises:
        ValueError: a number is out of its range.
    """
    _require_units(num_units)
    _require_share(p, "p")
    _require_share(f_max, "f_max")
    return f_max * (1.0 - (1.0 - p) ** num_units)


def marginal_gain(num_units: int, p: float, f_max: float = 1.0) -> float:
    """Return F(N + 1) - F(N) = F_max · p · (1 - p)^N, what one more unit adds (arXiv:2505.20522).

    Args:
        num_units: N, >= 0.
        p: see `solved_share`.
        f_max: see `solved_share`.

    Raises:
        ValueError: a number is out of its range.
    """
    _require_units(num_units)
    _require_share(p, "p")
    _require_share(f_max, "f_max")
    return f_max * p * (1.0 - p) ** num_units


def saturation_point(p: float, f_max: float = 1.0, *, epsilon: float = 0.01, max_units: int = MAX_UNITS) -> int:
    """Return N*, the least number of units after which one more adds no more than epsilon.

    arXiv:2505.20522: N* = ⌈ln(ε / (F_max · p)) / ln(1 - p)⌉. It is 1 where the formula gives less (as where
    F_max · p <= ε: not even the first is worth it) and where p = 1; with p = 0 there is no such number, and it
    is `max_units`: nothing is known to help yet.

    Args:
        p: see `solved_share`.
        f_max: see `solved_share`.
        epsilon: the least gain in the share of solved questions that a unit is worth, > 0.
        max_units: N* is at most this, >= 1.

    Raises:
        ValueError: a number is out of its range.
    """
    _require_share(p, "p")
    _require_share(f_max, "f_max")
    if not (math.isfinite(epsilon) and epsilon > 0.0):
        raise ValueError(f"epsilon must be > 0 and finite, got {epsilon!r}")
    if max_units < 1:
        raise ValueError(f"max_units must be >= 1, got {max_units!r}")
    if p == 0.0:
        return max_units
    if p == 1.0 or f_max * p <= epsilon:
        return 1
    exact = (math.log(epsilon) - math.log(f_max * p)) / math.log1p(-p)
    if exact >= max_units:
        return max_units
    units = max(1, math.ceil(exact))
    # where the exact number is whole, the logarithms may have rounded it to either side
    if units > 1 and marginal_gain(units - 1, p, f_max) <= epsilon:
        return units - 1
    if marginal_gain(units, p, f_max) > epsilon:
        return min(units + 1, max_units)
    return units


@dataclass(frozen=True, slots=True)
class SaturationFit:
    """The model of saturation, fitted to pilot samples."""

    p: ShareRange
    """Chance that a unit solves a question that can be solved."""
    f_max: ShareRange
    """Share of questions that can be solved."""
    num_questions: int
    num_samples: int
    """All pilot samples."""
    resampled: tuple[tuple[float, float], ...]
    """(p, f_max) of each bootstrap resample of the questions."""

    def solved_share(self, num_units: int) -> float:
        """Return the share of questions that N units are expected to solve, see the function of that name."""
        return solved_share(num_units, self.p.value, self.f_max.value)

    def saturation_point(self, *, epsilon: float = 0.01, max_units: int = MAX_UNITS) -> UnitsRange:
        """Return N* and its bootstrap interval; `saturation_point` says what the arguments are."""

        def point(p: float, f_max: float) -> int:
            return saturation_point(p, f_max, epsilon=epsilon, max_units=max_units)

        points = [point(p, f_max) for p, f_max in self.resampled]
        low, high = (int(value) for value in np.quantile(points, [0.025, 0.975], method="closest_observation"))
        return UnitsRange(point(self.p.value, self.f_max.value), low, high)


def fit_saturation(
    num_samples: Sequence[int], num_correct: Sequence[int], *, seed: int, num_resamples: int = 1000
) -> SaturationFit:
    """Return the model that makes pilot samples likeliest, with bootstrap intervals over questions.

    The paper (arXiv:2505.20522) estimates p and F_max and does not say how; this is ours. A question can be
    solved with chance F_max, and then its correct samples are binomial with chance p; otherwise it has none.
    The likelihood of that is maximised. Without a correct sample p and F_max are 0. Few pilot samples tell
    questions that are hard badly from those that cannot be solved: the intervals say so.

    Args:
        num_samples: pilot samples of each question, >= 1, at least one question with 2; shape [num_questions].
        num_correct: how many of those are right, shape [num_questions].
        seed: of the bootstrap, >= 0.
        num_resamples: >= 1.

    Raises:
        ValueError: a number is out of its range, the shapes differ, or there is one sample each, which cannot
            tell p from F_max.
    """
    drawn, right = _counted(num_samples, num_correct)
    if num_resamples < 1:
        raise ValueError(f"num_resamples must be >= 1, got {num_resamples!r}")
    kinds, counts = np.unique(np.stack([drawn, right]), axis=1, return_counts=True)
    weights = np.random.default_rng(seed).multinomial(drawn.size, counts / drawn.size, size=num_resamples)
    p, f_max = _fitted(kinds[0], kinds[1], np.vstack([counts, weights]).astype(np.float64))
    return SaturationFit(
        _ranged(p),
        _ranged(f_max),
        num_questions=int(drawn.size),
        num_samples=int(drawn.sum()),
        resampled=tuple(zip(p[1:].tolist(), f_max[1:].tolist(), strict=True)),
    )


def _counted(num_samples: Sequence[int], num_correct: Sequence[int]) -> tuple[Floats, Floats]:
    if len(num_samples) != len(num_correct):
        raise ValueError(
            f"num_correct needs one value a question, got {len(num_correct)} for {len(num_samples)}"
        )
    for drawn, right in zip(num_samples, num_correct, strict=True):
        if drawn < 1 or not 0 <= right <= drawn:
            raise ValueError(f"{right!r} right of {drawn!r} samples cannot be")
    if max(num_samples, default=0) < 2:
        raise ValueError("a fit needs at least two samples of some question: draw more pilot samples")
    return np.asarray(num_samples, dtype=np.float64), np.asarray(num_correct, dtype=np.float64)


def _fitted(drawn: Floats, right: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Return p and f_max of each row of weights, how often each kind of question occurs; shape [num_rows].

    With the best f_max for every p, the likelihood rises in p as long as there are more right samples than p
    of those expected to be of questions that can be solved.
    """
    solved = right > 0
    num_right, num_solved = weights @ right, weights @ solved.astype(np.float64)
    known = weights[:, solved] @ drawn[solved]
    sizes, unsolved = drawn[~solved], weights[:, ~solved]
    low, high = np.zeros_like(known), np.ones_like(known)
    for _ in range(_NUM_HALVINGS):
        p = (low + high) / 2.0
        f_max = _likeliest_f_max(p, sizes, unsolved, num_solved)
        missed = (1.0 - p[:, None]) ** sizes
        others = 1.0 - f_max[:, None] * (1.0 - missed)  # chance of no right sample, solvable or not
        solvable = np.divide(f_max[:, None] * missed, others, out=np.ones_like(missed), where=others > 0.0)
        is_rising = num_right > p * (known + (unsolved * solvable) @ sizes)
        low, high = np.where(is_rising, p, low), np.where(is_rising, high, p)
    f_max = _likeliest_f_max(high, sizes, unsolved, num_solved)
    return np.where(num_solved > 0, high, 0.0), np.where(num_solved > 0, f_max, 0.0)


def _likeliest_f_max(p: Floats, sizes: Floats, unsolved: Floats, num_solved: Floats) -> Floats:
    """Return the likeliest f_max for each p: where f_max · g / (1 - f_max · g) sums to the solved questions.

    The sum is over questions without a right sample, g = 1 - (1 - p)^n is the chance of one; it rises in f_max.
    """
    found = 1.0 - (1.0 - p[:, None]) ** sizes
    low, high = np.zeros_like(p), np.ones_like(p)
    for _ in range(_NUM_HALVINGS):
        f_max = (low + high) / 2.0
        share = f_max[:, None] * found
        is_rising = (unsolved * share / (1.0 - share)).sum(axis=1) < num_solved
        low, high = np.where(is_rising, f_max, low), np.where(is_rising, high, f_max)
    return high


def _ranged(values: Floats) -> ShareRange:
    low, high = np.quantile(values[1:], [0.025, 0.975])
    return ShareRange(float(values[0]), float(low), float(high))


def _require_share(value: float, name: str) -> None:
    if not 0.0 <= value <= 1.0:
        raise ValueError(f"{name} must lie in [0, 1], got {value!r}")


def _require_units(num_units: int) -> None:
    if num_units < 0:
        raise ValueError(f"num_units must be >= 0, got {num_units!r}")
