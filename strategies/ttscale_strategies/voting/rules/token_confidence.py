"""DeepConf's measures: how sure a model is of its tokens, of stretches of them, and of a whole trace."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Literal, assert_never

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ttscale_strategies.checks import require_at_least, require_share
from ttscale_strategies.voting.rules.top_logprobs import checked_logprobs

WINDOW = 2048
"""Tokens in a group, and in the tail."""
MIN_LOGPROB = float(np.log(1e-12))
"""Nats that a probability of 0 counts as."""

TraceMeasure = Literal["mean", "tail", "lowest", "bottom"]
"""What of a trace's token confidences stands for the trace."""


def token_confidences(top_logprobs: ArrayLike) -> NDArray[np.float64]:
    """Return C_t = -(1/k) Σ ln p_t(j) over the k most likely tokens of each position; greater is surer.

    Fu et al. 2025, "Deep Think with Confidence", arXiv:2508.15260. Take exactly k entries, with
    `rules.likeliest`: the paper's code averages one more where the drawn token is not among them. Its code
    also rounds to three decimals, we do not. A probability of 0 counts as `MIN_LOGPROB`.

    Args:
        top_logprobs: nats, shape [num_tokens, k]; NaN where an entry is missing.

    Returns:
        Nats, >= 0, shape [num_tokens with an entry]; positions without any are left out.

    Raises:
        ValueError: there are not two dimensions, or a logprob is above 0.
    """
    logprobs = checked_logprobs(top_logprobs)
    logprobs = np.where(np.isneginf(logprobs), MIN_LOGPROB, logprobs)
    given = ~np.isnan(logprobs)
    rows = given.any(axis=1)
    confidences: NDArray[np.float64] = np.abs(np.mean(logprobs[rows], axis=1, where=given[rows]))
    return confidences


def group_confidences(confidences: ArrayLike, *, window: int = WINDOW) -> NDArray[np.float64]:
    """Return G_t, the mean confidence of the `window` tokens that end at t, for each t with so many.

    arXiv:2508.15260. A trace shorter than the window is one group.

    Args:
        confidences: of the tokens, >= 0, shape [num_tokens].
        window: tokens, >= 1.

    Returns:
        Shape [max(num_tokens - window + 1, 1)], or [0] without tokens.

    Raises:
        ValueError: window is less than 1, or a confidence is negative or not finite.
    """
    values = _checked(confidences, window)
    if values.size < window:
        return values.mean(keepdims=True) if values.size else values
    # the same sums in the same order as ConfidenceWindow's, so that both agree to the last bit
    sums = np.concatenate(([0.0], np.cumsum(values)))
    return (sums[window:] - sums[:-window]) / window


def trace_confidence(
    confidences: ArrayLike,
    measure: TraceMeasure = "lowest",
    *,
    window: int = WINDOW,
    tail: int = WINDOW,
    bottom: float = 0.1,
) -> float:
    """Return one confidence for a trace; 0 if it has no token, as in the paper's code.

    arXiv:2508.15260. ``"mean"`` of all tokens; ``"tail"``: the mean of the last `tail` tokens; ``"lowest"``:
    the least group confidence; ``"bottom"``: the mean of the least `bottom` share of the groups, at least one.

    Args:
        confidences: of the tokens, >= 0, shape [num_tokens].
        measure: which.
        window: tokens in a group, >= 1.
        tail: tokens, >= 1.
        bottom: in [0, 1].

    Raises:
        ValueError: an option is out of its range, or a confidence is negative or not finite.
    """
    values = _checked(confidences, window)
    require_at_least(tail, 1, "tail")
    require_share(bottom, "bottom")
    if values.size == 0:
        return 0.0
    match measure:
        case "mean":
            return float(values.mean())
        case "tail":
            return float(values[-tail:].mean())
        case "lowest":
            return float(group_confidences(values, window=window).min())
        case "bottom":
            groups = np.sort(group_confidences(values, window=window))
            return float(groups[: max(1, int(bottom * groups.size))].mean())
        case _:
            assert_never(measure)


class ConfidenceWindow:
    """The group confidence of a trace while it is being written, in constant time a token: online DeepConf.

    A trace is cut short once G_t is not confident by the warm-up's threshold (`is_confident`), at the token at
    which `online_stop` cuts the whole trace.
    """

    def __init__(self, window: int = WINDOW) -> None:
        require_at_least(window, 1, "window")
        self._sums = deque[float]((0.0,), maxlen=window + 1)
        self._window = window

    def push(self, confidence: float) -> float | None:
        """Take in the next token's confidence and return G_t, or ``None`` while the window is not full.

        Raises:
            ValueError: the confidence is negative or not finite.
        """
        require_at_least(confidence, 0.0, "a token's confidence")
        self._sums.append(self._sums[-1] + confidence)
        if len(self._sums) <= self._window:
            return None
        return (self._sums[-1] - self._sums[0]) / self._window


def _checked(confidences: ArrayLike | Sequence[float], window: int) -> NDArray[np.float64]:
    require_at_least(window, 1, "window")
    values = np.asarray(confidences, dtype=np.float64)
    if values.ndim != 1:
        raise ValueError(f"confidences must have the shape [num_tokens], got {values.shape}")
    if not bool((np.isfinite(values) & (values >= 0)).all()):
        raise ValueError("the tokens' confidences must be >= 0 and finite; leave out tokens without logprobs")
    return values
