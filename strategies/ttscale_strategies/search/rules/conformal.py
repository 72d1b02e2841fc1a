"""Conformal ranks (ATTS): where a draft's perplexity stands among those known, and when another model takes
over.

The direction throughout: a greater perplexity is worse, and a greater rank is worse. What is high is taken
over.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from ttscale_strategies.checks import require_at_least, require_share


def perplexity(logprobs: Sequence[float]) -> float:
    """Return exp(mean of −ln p) over a segment's tokens, >= 1 for probabilities; infinite for no tokens.

    ATTS (2025), arXiv:2509.15148. A segment of which nothing is known is the worst there can be, so
    that it is taken over; the authors' code has 0 for it in one place and infinity in another.

    Args:
        logprobs: of the tokens under the model that judges, in nats; one that is no number makes it infinite.
    """
    if not logprobs:
        return math.inf
    mean = -math.fsum(logprobs) / len(logprobs) if all(map(math.isfinite, logprobs)) else math.inf
    return math.exp(mean) if mean < 700.0 else math.inf


def percentile_rank(value: float, calibration: Sequence[float]) -> float:
    """Return #(calibration < value) / n, in [0, 1]: the share of known perplexities that are better.

    arXiv:2509.15148, as in the authors' code. Equal ones do not count.

    Args:
        value: the perplexity of a segment.
        calibration: perplexities, n >= 1 of them, in any order.

    Raises:
        ValueError: there are none, or one is not a number.
    """
    _require_calibration(calibration)
    return sum(known < value for known in calibration) / len(calibration)


def conformal_p_value(value: float, calibration: Sequence[float]) -> float:
    """Return (#(calibration <= value) + 1) / (n + 1), in (0, 1]: the paper's p with equals and the +1
    counted.

    arXiv:2509.15148 writes it with scores s = −loss; counted on perplexities, as here, *high* means *worse*.
    Among exchangeable drafts without ties p is uniform over 1/(n + 1), 2/(n + 1), …, 1, so the worst share α
    of them, rounded up to whole ranks, are those with p > 1 − α. Equal perplexities count here; in
    `percentile_rank` they do not.

    Args:
        value: the perplexity of a segment.
        calibration: perplexities, n >= 1 of them, in any order.

    Raises:
        ValueError: there are none, or one is not a number.
    """
    _require_calibration(calibration)
    return (sum(known <= value for known in calibration) + 1) / (len(calibration) + 1)


def is_taken_over(value: float, calibration: Sequence[float], threshold: float) -> bool:
    """Return whether a segment is bad enough for the other model: its `percentile_rank` reaches the
    threshold.

    Args:
        value: its perplexity; an infinite one is always taken over.
        calibration: perplexities, one or more.
        threshold: in [0, 1], or above 1 for never.

    Raises:
        ValueError: there is no calibration, or a number is not one.
    """
    verdict = surely_taken_over(value, calibration, 0, threshold)
    assert verdict is not None
    return verdict


def surely_taken_over(
    value: float, calibration: Sequence[float], num_missing: int, threshold: float
) -> bool | None:
    """Return what `is_taken_over` will say once the missing perplexities are known, or ``None`` if that
    depends.

    With it a chain that is judged among others' first segments goes on as soon as its verdict is certain, and
    does not wait for the slowest of them.

    Args:
        value: the perplexity in question.
        calibration: those known.
        num_missing: how many are still to come, >= 0; with the known ones at least 1.
        threshold: as in `is_taken_over`.

    Raises:
        ValueError: there is no calibration, or a number is not one.
    """
    require_at_least(threshold, 0.0, "threshold")
    require_at_least(num_missing, 0, "num_missing")
    if math.isnan(value):
        raise ValueError("value must be a number, got nan")
    # a missing one is the better if it is -inf, the worse if it is +inf
    least = percentile_rank(value, [*calibration, *[math.inf] * num_missing])
    most = percentile_rank(value, [*calibration, *[-math.inf] * num_missing])
    if value == math.inf or least >= threshold:
        return True
    return None if most >= threshold else False


def takeover_threshold(num_calibrated: int, share: float) -> float:
    """Return the threshold at which at most this share of drafts is taken over.

    α of arXiv:2509.15148, sized to what the larger model may do. Among n + 1 exchangeable perplexities the
    rank of one is uniform over 0, 1, …, n, so the worst m = floor(share · (n + 1)) of these ranks are taken
    over: the threshold is (n + 1 − m) / n. The probability that a draft like those of the calibration is
    taken over is then m / (n + 1), or less where perplexities tie. For m = 0 it is above 1: nothing is.

    For a budget of B takeovers in all segments of a question, chains times turns, the share is B / segments.

    Args:
        num_calibrated: n, >= 1.
        share: in [0, 1].

    Raises:
        ValueError: a number is out of its range.
    """
    require_at_least(num_calibrated, 1, "num_calibrated")
    require_share(share, "share")
    ranks = num_calibrated + 1
    return (ranks - math.floor(share * ranks * (1 + 1e-12))) / num_calibrated


def _require_calibration(calibration: Sequence[float]) -> None:
    if not calibration:
        raise ValueError("calibration must have one perplexity or more")
    for value in calibration:
        if math.isnan(value):
            raise ValueError("calibration must hold numbers, got nan")
