"""Speculative planning: how far a draft agent may run ahead, learned as it is found right or wrong."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ttscale_strategies.checks import require_at_least, require_one_each, require_share

NUM_BUCKETS: Final = 16
"""Places in a feature vector that names of tools are spread over."""
MAX_MEMORY: Final = 2_500
"""States whose outcome is remembered; the paper's buffer."""
_NUM_EPOCHS: Final = 3
_RATE: Final = 0.5


def lambda_returns(
    rewards: Sequence[float],
    values_after: Sequence[float] | None = None,
    *,
    final: float = 0.0,
    trace_decay: float = 0.95,
    discount: float = 1.0,
) -> tuple[float, ...]:
    """Return what the states of an episode turned out to be worth, G_t = r_t + γ((1 − λ)·V_{t+1} +
    λ·G_{t+1}).

    Dynamic Speculative Planning, Guan et al. 2025, arXiv:2509.01920. A reward of 1 is a draft step that the
    target agreed with, so that a return is the number of steps to come that match. Three rewards of 1 and
    values of 0 return [2.8525, 1.95, 1].

    Args:
        rewards: r, in order, shape [num_steps].
        values_after: V of the state after each step, shape [num_steps]; ``None``: 0 everywhere. That of the
            last step is not looked at.
        final: what is still to come after the last step; 0: nothing, a mismatch has ended it.
        trace_decay: λ, in [0, 1]; the paper's is 0.95.
        discount: γ, in [0, 1]; the paper's is 1.

    Raises:
        ValueError: shapes differ, or a share is out of its range.
    """
    require_share(trace_decay, "trace_decay")
    require_share(discount, "discount")
    values = [0.0] * len(rewards) if values_after is None else list(values_after)
    require_one_each(rewards, values, "values_after")
    returns = list[float]()
    after = final
    for place in reversed(range(len(values))):
        value = values[place] if returns else final
        after = rewards[place] + discount * ((1.0 - trace_decay) * value + trace_decay * after)
        returns.append(after)
    return tuple(reversed(returns))


def expectile_loss(error: float, tau: float) -> float:
    """Return |τ − 1(u < 0)| · u²; at τ = 0.99 an error of +1 costs 0.99 and one of −1 costs 0.01.

    Args:
        error: u, the target less the prediction.
        tau: in (0, 1). At 0.5 it is half of the squared error; above, too low a prediction costs more than
            one that is too high, so that predictions grow.

    Raises:
        ValueError: tau is out of its range.
    """
    return _weight(error, tau) * error * error


def _weight(error: float, tau: float) -> float:
    if not 0.0 < tau < 1.0:
        raise ValueError(f"tau must lie in (0, 1), got {tau!r}")
    return 1.0 - tau if error < 0 else tau


def speculation_depth(predicted: float, offset: int, most: int) -> int:
    """Return k = max(1, round(k̂) + β), at most `most`, the number of steps that a draft may run ahead.

    Args:
        predicted: k̂, of the steps that will match; halves are rounded up.
        offset: β, of any sign.
        most: >= 1.

    Raises:
        ValueError: `most` is less than 1, or the prediction is no number.
    """
    require_at_least(most, 1, "most")
    if not math.isfinite(predicted):
        raise ValueError(f"predicted must be a finite number, got {predicted!r}")
    return min(most, max(1, math.floor(predicted + 0.5) + offset))


def state_features(tools: Sequence[str], num_matched: int) -> NDArray[np.float64]:
    """Return what a state looks like to the predictor.

    Args:
        tools: names of the tools called so far, in order.
        num_matched: of the last steps, how many the draft had right in a row.

    Returns:
        Shape [3 + 2 · NUM_BUCKETS]: 1, growing numbers of steps and matches, the last tool and the last two.
    """
    vector = np.zeros(3 + 2 * NUM_BUCKETS)
    vector[:3] = 1.0, math.log1p(len(tools)) / 4, math.log1p(num_matched) / 4
    for place, number in enumerate((1, 2)):
        if len(tools) >= number:
            name = "\n".join(tools[-number:])
            vector[3 + place * NUM_BUCKETS + zlib.crc32(name.encode(errors="replace")) % NUM_BUCKETS] = 0.5
    return vector


class MatchPredictor:
    """How many of a draft's next steps the target will agree with, learned online by expectile regression.

    A linear function of `state_features`. It starts with the same number everywhere, and learns from whole
    episodes: a row of matches that a mismatch ends. Each time it goes through all that it remembers, oldest
    first, three times.
    """

    def __init__(self, start: float = 2.0, *, tau: float = 0.5) -> None:
        """Begin.

        Args:
            start: what it predicts before it has learned anything, >= 0.
            tau: in (0, 1); see `expectile_loss`.

        Raises:
            ValueError: a number is out of its range.
        """
        require_at_least(start, 0.0, "start")
        expectile_loss(0.0, tau)
        self._tau = tau
        self._weights = np.zeros(3 + 2 * NUM_BUCKETS)
        self._weights[0] = start
        self._memory = list[tuple[NDArray[np.float64], float]]()

    @property
    def num_remembered(self) -> int:
        """States whose outcome it knows."""
        return len(self._memory)

    def predict(self, state: NDArray[np.float64]) -> float:
        """Return the number of steps that will match, >= 0."""
        return max(0.0, float(self._weights @ state))

    def learn(self, states: Sequence[NDArray[np.float64]]) -> None:
        """Learn from an episode.

        Args:
            states: in order; the draft was right in all but the last one.
        """
        rewards = [1.0] * (len(states) - 1) + [0.0]
        targets = lambda_returns(rewards, self._values_after(states))
        self._memory.extend(zip(states, targets, strict=True))
        del self._memory[:-MAX_MEMORY]
        for _ in range(_NUM_EPOCHS):
            for state, target in self._memory:
                self._approach(state, target)

    def encourage(self, states: Sequence[NDArray[np.float64]], now: NDArray[np.float64]) -> None:
        """Take in that a draft was right in some states and is not known to be wrong in the one it is in now.

        What is worth more than predicted is corrected at once, and not remembered: how long it goes on being
        right is not known.

        Args:
            states: in order.
            now: where it ran out of steps.
        """
        final = self.predict(now)
        targets = lambda_returns([1.0] * len(states), self._values_after(states), final=final)
        for state, target in zip(states, targets, strict=True):
            if target > self.predict(state):
                self._approach(state, target)

    def _values_after(self, states: Sequence[NDArray[np.float64]]) -> list[float]:
        return [*(self.predict(state) for state in states[1:]), 0.0]

    def _approach(self, state: NDArray[np.float64], target: float) -> None:
        error = target - float(self._weights @ state)
        step = _RATE * 2.0 * _weight(error, self._tau) * error / float(state @ state)
        self._weights += step * state
